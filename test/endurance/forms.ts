// One call in each form in which an agent may make it, and what its answer says. The mark of a call stands in its path and in
// its body; the answer has to bring both back, or somebody else's answer has come.

import type { Form } from './settings.ts';
import { MARK_HEADER, serviceName, TOTAL } from './shop.ts';

export type Message = {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};
export type Wanted = {
  readonly form: Form;
  readonly mark: string;
  readonly service: number;
  readonly token: string;
};
export type Received = {
  readonly status: number;
  /** Of the appliance's answer. */
  readonly markHeader: string | undefined;
  readonly text: string;
};
/** `ownMs`: what the upstream says that it took. */
export type Reading =
  | { readonly kind: 'right'; readonly ownMs: number }
  | { readonly kind: 'mixed' | 'wrong'; readonly why: string };

type Json = Readonly<Record<string, unknown>>;

const MODERN = '2026-07-28';
const SHOWN_CHARS = 300;

const MCP_HEADERS = {
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': MODERN,
  'mcp-method': 'tools/call',
  'mcp-name': 'stack_proxy_request',
};
const MCP_META = {
  'io.modelcontextprotocol/protocolVersion': MODERN,
  'io.modelcontextprotocol/clientInfo': { name: 'endurance', version: '1.0.0' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

function pathAndBody({ form, mark, service }: Wanted): {
  path: string;
  body: unknown;
  headers?: Record<string, string>;
} {
  const name = serviceName(service);
  const body = { mark, total: TOTAL };
  if (form === 'path') return { path: `/proxy/${name}/calls/${mark}`, body };
  const call = { service: name, method: 'POST', path: `/calls/${mark}`, body };
  if (form === 'proxy') return { path: '/v1/proxy', body: call };
  const params = { name: 'stack_proxy_request', arguments: call, _meta: MCP_META };
  return {
    path: '/mcp',
    headers: MCP_HEADERS,
    body: { jsonrpc: '2.0', id: mark, method: 'tools/call', params },
  };
}

export function messageOf(wanted: Wanted): Message {
  const { path, body, headers } = pathAndBody(wanted);
  const text = JSON.stringify(body);
  const own = { authorization: `Bearer ${wanted.token}`, 'content-type': 'application/json' };
  return {
    path,
    headers: { ...own, 'content-length': String(Buffer.byteLength(text)), ...headers },
    body: text,
  };
}

function parsed(text: string): Json {
  try {
    return (JSON.parse(text) ?? {}) as Json;
  } catch {
    return {};
  }
}

const member = (of: unknown, name: string): unknown => (of as Json | null | undefined)?.[name];

/** The last JSON-RPC message, be it the body or an event. */
function rpcMessage(text: string): Json {
  const events = text.split('\n').filter((line) => line.startsWith('data:'));
  return parsed(events.at(-1)?.slice('data:'.length) ?? text);
}

type Inner = {
  readonly status: unknown;
  readonly body: unknown;
  readonly mark: unknown;
  readonly id?: unknown;
};

function envelopeOf(envelope: unknown): Inner {
  return {
    status: member(envelope, 'status'),
    body: member(envelope, 'body'),
    mark: member(member(envelope, 'headers'), MARK_HEADER),
  };
}

function innerOf(form: Form, { status, markHeader, text }: Received): Inner {
  if (form === 'path') return { status, body: parsed(text), mark: markHeader };
  if (form === 'proxy') return envelopeOf(parsed(text));
  const message = rpcMessage(text);
  return { ...envelopeOf(member(message['result'], 'structuredContent')), id: message['id'] };
}

/** Whether this is the answer to this very call. */
export function readingOf({ form, mark }: Pick<Wanted, 'form' | 'mark'>, received: Received): Reading {
  const shown = received.text.slice(0, SHOWN_CHARS);
  const inner = innerOf(form, received);
  if (received.status !== 200 || inner.status !== 200)
    return { kind: 'wrong', why: `${received.status}, upstream ${String(inner.status)}: ${shown}` };
  const marks = [
    inner.mark,
    member(inner.body, 'path_mark'),
    member(inner.body, 'body_mark'),
    inner.id ?? mark,
  ];
  const foreign = marks.find((one) => one !== mark);
  if (marks.some((one) => one !== mark))
    return { kind: 'mixed', why: `${mark} got ${String(foreign)}: ${shown}` };
  const ownMs = Number(member(inner.body, 'own_ms'));
  return Number.isFinite(ownMs)
    ? { kind: 'right', ownMs }
    : { kind: 'wrong', why: `no time of its own: ${shown}` };
}
