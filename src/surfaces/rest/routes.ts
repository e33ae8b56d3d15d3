// REST from the operations: the route's parameters, the query and the JSON body are the input; nothing is decided here.
import type { IncomingMessage } from 'node:http';
import type { Express, Request, Response } from 'express';
import { z } from 'zod';
import { Fault } from '#kernel/errors.ts';
import type { Operation } from '#kernel/operation.ts';
import { ok, type Result, refuse } from '#kernel/result.ts';
import { departure } from '#surfaces/http/departure.ts';
import {
  arrivalOf,
  type Channel,
  type Exchange,
  isComing,
  readJson,
  type Serve,
  sendFault,
  sendJson,
} from '#surfaces/http/exchange.ts';
import type { Surface } from '#surfaces/http/surface.ts';

/** Members of the input that stand in the path. */
type Params = Request['params'];
type Handler = (exchange: Exchange, params: Params) => Promise<void>;

export function mountRest(app: Express, surface: Surface, channel: Channel): void {
  for (const operation of surface.registry.all) {
    const handler = handlerOf(surface, operation, channel);
    const method = operation.route.method.toLowerCase() as 'get' | 'post' | 'put' | 'patch' | 'delete';
    app[method](
      operation.route.path,
      (request: Request, response: Response, next: (error?: unknown) => void) => {
        handler({ request, response }, request.params).catch(next);
      },
    );
  }
  mountRefusals(app, surface, channel);
}

/** The route of one verb that has no members of its input in its path. */
export function createRoute(surface: Surface, operation: Operation, channel: Channel): Serve {
  const handler = handlerOf(surface, operation, channel);
  return (exchange) => handler(exchange, {});
}

function handlerOf(surface: Surface, operation: Operation, channel: Channel): Handler {
  let types: Types | undefined;
  return async (exchange, params) => {
    const { request, response } = exchange;
    const arrival = arrivalOf(exchange, channel, surface);
    // Before the body: a stranger's bytes are neither read nor judged (invariant 12).
    const caller = await surface.line.admit(operation, arrival);
    if (!caller.ok) return sendFault(response, caller.fault);
    types ??= queryTypes(operation);
    const late = isComing(request);
    const input = await inputOf(request, { types, params });
    if (!input.ok) return sendFault(response, input.fault);
    const still = late ? await surface.line.admit(operation, arrival) : caller;
    if (!still.ok) return sendFault(response, still.fault);
    const from = { ...arrival, caller: still.value };
    const answer = await surface.line.invoke(operation, input.value, from);
    await departure();
    if (answer.ok) sendJson(response, answer.value.status, answer.value.output);
    else sendFault(response, answer.fault);
  };
}

/** A known path under another method is 405; without a credential it is 401 first (contract 2). */
function mountRefusals(app: Express, surface: Surface, channel: Channel): void {
  const methods = new Map<string, string[]>();
  for (const { route } of surface.registry.all) {
    methods.set(route.path, [...(methods.get(route.path) ?? []), route.method]);
  }
  for (const [path, allowed] of methods) {
    app.all(path, async (request: Request, response: Response) => {
      const arrival = arrivalOf({ request, response }, channel, surface);
      const caller = await surface.line.authenticate(arrival);
      if (!caller.ok) return sendFault(response, caller.fault);
      if (caller.value.kind === 'anonymous') return sendFault(response, new Fault('UNAUTHORIZED'));
      response.setHeader('allow', allowed.join(', '));
      sendFault(response, new Fault('METHOD_NOT_ALLOWED'));
    });
  }
}

type Types = ReadonlyMap<string, string>;

/** JSON types of the input's members, since a query has only text. */
function queryTypes(operation: Operation): Types {
  const schema = z.toJSONSchema(operation.input, { io: 'input', unrepresentable: 'any' });
  const members = Object.entries(schema.properties ?? {});
  return new Map(
    members.map(([name, member]) => [name, typeof member === 'object' ? String(member.type) : '']),
  );
}

type Source = { readonly types: Types; readonly params: Params };

async function inputOf(
  request: IncomingMessage,
  { types, params }: Source,
): Promise<Result<Record<string, unknown>>> {
  const body = await readJson(request);
  if (!body.ok) return body;
  const given = body.value ?? {};
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return invalid('', 'must be an object');
  const query = queryOf(request, types);
  if (!query.ok) return query;
  const clash = Object.keys({ ...query.value, ...params }).find((name) => Object.hasOwn(given, name));
  if (clash !== undefined) return invalid(clash, 'is given in the URL and in the body');
  return ok({ ...given, ...query.value, ...params });
}

function queryOf({ url = '' }: IncomingMessage, types: Types): Result<Record<string, unknown>> {
  const mark = url.indexOf('?');
  const values: Record<string, unknown> = {};
  if (mark < 0) return ok(values);
  for (const [name, text] of new URLSearchParams(url.slice(mark + 1))) {
    if (Object.hasOwn(values, name)) return invalid(name, 'is given twice in the query');
    values[name] = typed(text, types.get(name));
  }
  return ok(values);
}

function typed(text: string, type: string | undefined): unknown {
  if ((type === 'integer' || type === 'number') && /^-?\d{1,15}$/.test(text)) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

const invalid = (path: string, message: string): Result<never> =>
  refuse(new Fault('INVALID_REQUEST', { metadata: { issues: [{ path, message }] } }));
