// The outgoing request as bytes, read from the call before anything is decided: URL text, body, view for the rules.
import { encodeBody, readBody } from '#features/policy/body.ts';
import type { CallView } from '#features/policy/model.ts';
import { type Base, percent, type Service } from '#features/services/model.ts';
import { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { buildRequestHeaders } from '#platform/net/request-headers.ts';
import { bindUrl, type CanonicalUrl, readUrl } from '#platform/net/url.ts';
import type { CallInput } from './call.ts';

export type HeaderList = readonly (readonly [string, string])[];

export type Target = { readonly url: CanonicalUrl; readonly relativePath: string };
export type Payload = { readonly headers: HeaderList; readonly body: Uint8Array | undefined };

const DEFAULT_PORTS = { https: 443, http: 80 } as const;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export function baseUrl(base: Base): string {
  const host = base.host.includes(':') ? `[${base.host}]` : base.host;
  const port = base.port === DEFAULT_PORTS[base.scheme] ? '' : `:${base.port}`;
  return `${base.scheme}://${host}${port}${base.path}`;
}

/** The URL text is built first and then read by the gate: what is decided is what is sent. */
export function readTarget(call: CallInput, service: Service): Result<Target> {
  const text = urlText(call, service);
  if (!text.ok) return text;
  const url = readUrl(text.value);
  if (!url.ok) return url;
  if (namesCredential(url.value.query, service)) {
    const reason = 'the query names the parameter of the credential, which the appliance puts in';
    return refuse(new Fault('URL_DENIED', { detail: reason, metadata: { reason } }));
  }
  const bound = bindUrl(url.value, { ...service.base, hosts: service.hosts });
  return bound.ok ? ok({ url: url.value, relativePath: bound.value.relativePath }) : bound;
}

/** A second parameter of that name, in any case, might be the one that the service reads. */
function namesCredential(query: string | undefined, { inject }: Service): boolean {
  if (inject?.kind !== 'query') return false;
  const own = inject.name.toLowerCase();
  return [...new URLSearchParams(query ?? '').keys()].some(
    (name) => name.toLowerCase().split('[')[0] === own,
  );
}

function urlText(call: CallInput, service: Service): Result<string> {
  if ((call.url === undefined) === (call.path === undefined)) {
    return invalid('url', 'give exactly one of url and path');
  }
  if (call.path !== undefined && !call.path.startsWith('/')) return invalid('path', 'must begin with /');
  const text = call.url ?? `${baseUrl(service.base)}${call.path}`;
  const pairs = Object.entries(call.query ?? {}).map(([name, value]) => `${percent(name)}=${percent(value)}`);
  if (pairs.length === 0) return ok(text);
  return ok(`${text}${text.includes('?') ? '&' : '?'}${pairs.join('&')}`);
}

const invalid = (field: string, problem: string): Result<never> =>
  refuse(new Fault('INVALID_REQUEST', { metadata: { issues: [{ path: field, message: problem }] } }));

export function readPayload(call: CallInput, service: Service, bodyBytesMax: number): Result<Payload> {
  const injected = service.inject?.kind === 'header' ? [service.inject.name] : [];
  const headers = buildRequestHeaders(call.headers ?? {}, { allow: service.headersAllow, injected });
  if (!headers.ok) return headers;
  // The type that will be sent says how the body is written: a fixed one comes before the caller's.
  const type =
    headerValue(service.headersFixed, 'content-type') ?? headerValue(headers.value, 'content-type');
  const body = bodyOf(call, type);
  if (!body.ok) return body;
  if ((body.value.bytes?.length ?? 0) > bodyBytesMax) return refuse(new Fault('PAYLOAD_TOO_LARGE'));
  if (body.value.bytes !== undefined && (call.method === 'GET' || call.method === 'HEAD')) {
    return invalid('body', `${call.method} takes no body`);
  }
  const typed = body.value.contentType;
  const missing = typed !== undefined && headerValue(headers.value, 'content-type') === undefined;
  const list = missing ? [...headers.value, ['content-type', typed] as const] : headers.value;
  const fixed = service.headersFixed.filter(
    ([name]) => name !== 'content-type' || body.value.bytes !== undefined,
  );
  const free = list.filter(([name]) => !fixed.some(([key]) => key === name.toLowerCase()));
  return ok({ headers: [...free, ...fixed], body: body.value.bytes });
}

type Encoded = { readonly bytes: Uint8Array | undefined; readonly contentType: string | undefined };

function bodyOf(call: CallInput, contentType: string | undefined): Result<Encoded> {
  if (call.body !== undefined && call.body_base64 !== undefined) {
    return invalid('body', 'give at most one of body and body_base64');
  }
  if (call.body_base64 !== undefined) {
    if (!BASE64.test(call.body_base64)) return invalid('body_base64', 'is not base64 (RFC 4648 4)');
    return ok({ bytes: Buffer.from(call.body_base64, 'base64'), contentType });
  }
  if (call.body === undefined) return ok({ bytes: undefined, contentType });
  const encoded = encodeBody(contentType, call.body);
  return 'problem' in encoded ? invalid('body', encoded.problem) : ok(encoded);
}

export function headerValue(headers: HeaderList, name: string): string | undefined {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1];
}

/** What constraints and patterns read; see CallView. */
export function viewOf(call: CallInput, target: Target, payload: Payload): CallView {
  const { url } = target;
  const origin = baseUrl({ scheme: url.scheme, host: url.host, port: url.port, path: '' });
  return {
    method: call.method,
    host: url.host,
    origin,
    relativePath: target.relativePath,
    pathname: url.path.length > 1 && url.path.endsWith('/') ? url.path.slice(0, -1) : url.path,
    query: queryOf(url.query),
    headers: new Map(payload.headers.map(([name, value]) => [name.toLowerCase(), value])),
    body: readBody(headerValue(payload.headers, 'content-type'), payload.body),
  };
}

function queryOf(query: string | undefined): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(query ?? '')) {
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return values;
}
