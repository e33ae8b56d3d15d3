// The outgoing request as bytes, read from the call before anything is decided: URL text, body, view for the rules.
import { encodeBody, readBody } from '#features/policy/body.ts';
import type { CallView } from '#features/policy/model.ts';
import { type Base, percent, type Service } from '#features/services/model.ts';
import { Fault } from '#kernel/errors.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { buildRequestHeaders } from '#platform/net/request-headers.ts';
import { bindUrl, type CanonicalUrl, readUrl } from '#platform/net/url.ts';
import type { Call, Upload } from './call.ts';

export type HeaderList = readonly (readonly [string, string])[];

export type Target = { readonly url: CanonicalUrl; readonly relativePath: string };
export type Payload = {
  readonly headers: HeaderList;
  /** Names of headers that were left out. */
  readonly dropped: readonly string[];
  readonly body: Uint8Array | undefined;
  /** A body that is passed on while it comes; nobody who decides has looked at it. */
  readonly upload: (Upload & { readonly bytesMax: number }) | undefined;
};

const DEFAULT_PORTS = { https: 443, http: 80 } as const;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export function baseUrl(base: Base): string {
  const host = base.host.includes(':') ? `[${base.host}]` : base.host;
  const port = base.port === DEFAULT_PORTS[base.scheme] ? '' : `:${base.port}`;
  return `${base.scheme}://${host}${port}${base.path}`;
}

/** The URL text is built first and then read by the gate: what is decided is what is sent. */
export function readTarget(call: Call, service: Service): Result<Target> {
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
  if (inject?.kind !== 'query' || query === undefined) return false;
  const own = inject.name.toLowerCase();
  return [...new URLSearchParams(query).keys()].some((name) => name.toLowerCase().split('[')[0] === own);
}

function urlText(call: Call, service: Service): Result<string> {
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

export function readPayload(call: Call, service: Service, bodyBytesMax: number): Result<Payload> {
  const injected = service.inject?.kind === 'header' ? [service.inject.name] : [];
  const built = buildRequestHeaders(call.headers, {
    allow: service.headersAllow,
    injected,
    form: call.form,
  });
  if (!built.ok) return built;
  const { headers, dropped } = built.value;
  // The type that will be sent says how the body is written: a fixed one comes before the caller's.
  const type = headerValue(service.headersFixed, 'content-type') ?? headerValue(headers, 'content-type');
  const body = bodyOf(call, type);
  if (!body.ok) return body;
  const size = body.value.bytes?.length ?? call.upload?.declaredBytes ?? 0;
  if (size > bodyBytesMax) return refuse(new Fault('PAYLOAD_TOO_LARGE'));
  const some = body.value.bytes !== undefined || call.upload !== undefined;
  if (some && (call.method === 'GET' || call.method === 'HEAD')) {
    return invalid('body', `${call.method} takes no body`);
  }
  const typed = body.value.contentType;
  const missing = typed !== undefined && headerValue(headers, 'content-type') === undefined;
  const list = missing ? [...headers, ['content-type', typed] as const] : headers;
  const fixed = service.headersFixed.filter(([name]) => name !== 'content-type' || some);
  const free = list.filter(([name]) => !fixed.some(([key]) => key === name.toLowerCase()));
  return ok({
    headers: [...free, ...fixed],
    dropped,
    body: body.value.bytes,
    upload: call.upload === undefined ? undefined : { ...call.upload, bytesMax: bodyBytesMax },
  });
}

type Encoded = { readonly bytes: Uint8Array | undefined; readonly contentType: string | undefined };

function bodyOf(call: Call, contentType: string | undefined): Result<Encoded> {
  if (call.body !== undefined && call.body_base64 !== undefined) {
    return invalid('body', 'give at most one of body and body_base64');
  }
  if (call.bytes !== undefined) return ok({ bytes: call.bytes, contentType });
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
export function viewOf(call: Call, target: Target, payload: Payload): CallView {
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
    // Not read: a rule that looked all the same could not decide (policy/constraint.ts).
    body:
      payload.upload === undefined
        ? readBody(headerValue(payload.headers, 'content-type'), payload.body)
        : { kind: 'opaque' },
  };
}

const NO_QUERY: ReadonlyMap<string, readonly string[]> = new Map();

function queryOf(query: string | undefined): ReadonlyMap<string, readonly string[]> {
  if (query === undefined) return NO_QUERY;
  const values = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(query)) {
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  return values;
}
