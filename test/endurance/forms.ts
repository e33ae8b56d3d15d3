// One call in each form in which an agent may make it, and what its answer says. The mark of a call stands in its path and in
// its body; the answer has to bring both back, or somebody else's answer has come.
import { holds } from '#test/support/canary.ts';
import type { Form } from './settings.ts';
import { CANARY, MARK_HEADER, serviceName, TOTAL } from './shop.ts';

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
  readonly headers: string;
  readonly text: string;
};
/**
 * `right`: the answer to this very call, with the credential taken out; `ownMs` is what the upstream says that it took.
 * `refused`: an error of the appliance with its code. `mixed`: an answer that belongs to another call. `leaked`: the
 * credential stands in it. `wrong`: anything else.
 */
export type Reading =
  | { readonly kind: 'right'; readonly ownMs: number }
  | { readonly kind: 'refused' | 'mixed' | 'leaked' | 'wrong'; readonly why: string };

type Json = Readonly<Record<string, unknown>>;

const TOOL = 'stack_proxy_request';
const MODERN = '2026-07-28';
const SHOWN_CHARS = 300;

const MCP_HEADERS = {
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': MODERN,
};
const MCP_META = {
  'io.modelcontextprotocol/protocolVersion': MODERN,
  'io.modelcontextprotocol/clientInfo': { name: 'endurance', version: '1.0.0' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

type Drafted = {
  readonly path: string;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
};

function rpcDraft(method: string, { id, params }: { id: string; params: Json }): Drafted {
  const name = typeof params['name'] === 'string' ? { 'mcp-name': params['name'] } : {};
  return {
    path: '/mcp',
    headers: { ...MCP_HEADERS, 'mcp-method': method, ...name },
    body: { jsonrpc: '2.0', id, method, params: { ...params, _meta: MCP_META } },
  };
}

function draft({ form, mark, service }: Wanted): Drafted {
  const name = serviceName(service);
  const body = { mark, total: TOTAL };
  if (form === 'path') return { path: `/proxy/${name}/calls/${mark}`, body };
  const call = { service: name, method: 'POST', path: `/calls/${mark}`, body };
  if (form === 'proxy') return { path: '/v1/proxy', body: call };
  return rpcDraft('tools/call', { id: mark, params: { name: TOOL, arguments: call } });
}

function messageFrom({ path, body, headers }: Drafted, token: string): Message {
  const text = JSON.stringify(body);
  const own = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  return {
    path,
    headers: { ...own, 'content-length': String(Buffer.byteLength(text)), ...headers },
    body: text,
  };
}

export const messageOf = (wanted: Wanted): Message => messageFrom(draft(wanted), wanted.token);

/** What an MCP client begins with. */
export const openingOf = (token: string): Message =>
  messageFrom(rpcDraft('tools/list', { id: 'open', params: {} }), token);

export const isOpening = ({ status, text }: Received): boolean =>
  status === 200 && text.includes(`"${TOOL}"`);

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
  /** Of the appliance's own refusal. */
  readonly code: unknown;
};

function envelopeOf(envelope: unknown): Inner {
  return {
    status: member(envelope, 'status'),
    body: member(envelope, 'body'),
    mark: member(member(envelope, 'headers'), MARK_HEADER),
    code: member(member(envelope, 'error'), 'code'),
  };
}

function innerOf(form: Form, { status, markHeader, text }: Received): Inner {
  if (form === 'mcp') {
    const message = rpcMessage(text);
    return { ...envelopeOf(member(message['result'], 'structuredContent')), id: message['id'] };
  }
  const body = parsed(text);
  if (form === 'proxy') return envelopeOf(body);
  return { status, body, mark: markHeader, code: member(member(body, 'error'), 'code') };
}

/** Whether this is the answer to this very call. */
export function readingOf({ form, mark }: Pick<Wanted, 'form' | 'mark'>, received: Received): Reading {
  const { status, headers, text } = received;
  if (holds(Buffer.from(`${headers}\n${text}`), CANARY))
    return { kind: 'leaked', why: `the answer to ${mark}, by ${form}` };
  const shown = text.slice(0, SHOWN_CHARS);
  const inner = innerOf(form, received);
  if (typeof inner.code === 'string') return { kind: 'refused', why: `${status} ${inner.code}` };
  if (status !== 200 || inner.status !== 200)
    return { kind: 'wrong', why: `${status}, upstream ${String(inner.status)}: ${shown}` };
  const [path, body, echo] = ['path_mark', 'body_mark', 'echo'].map((name) => member(inner.body, name));
  const foreign = [inner.mark, path, body, inner.id ?? mark].filter((one) => one !== mark);
  if (foreign.length > 0) return { kind: 'mixed', why: `${mark} got ${String(foreign[0])}: ${shown}` };
  const ownMs = Number(member(inner.body, 'own_ms'));
  const isWhole = Number.isFinite(ownMs) && String(echo).startsWith('[redacted:');
  return isWhole ? { kind: 'right', ownMs } : { kind: 'wrong', why: `it is not whole: ${shown}` };
}
