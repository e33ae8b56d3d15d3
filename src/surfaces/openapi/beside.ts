// Routes that are no operation: MCP, health, metrics, and the documents themselves (contract 4). The path form stands apart.
import { z } from 'zod';
import type { FaultCode } from '#kernel/errors.ts';
import type { CallerKind } from '#kernel/operation.ts';
import { AUTHENTICATE } from '#pipeline/refusals.ts';
import { type Schema, schemaOf } from './schema.ts';
import { BODY, GUARD } from './verbs.ts';

export type Answer = {
  readonly status: number;
  readonly says: string;
  readonly type: string;
  readonly schema?: Schema;
  readonly example?: unknown;
};

export type Field = {
  readonly name: string;
  readonly place: 'path' | 'header';
  readonly says: string;
  readonly example: string;
};

export type Beside = {
  readonly id: string;
  readonly title: string;
  readonly methods: readonly string[];
  /** As OpenAPI writes it, with {fields}. */
  readonly path: string;
  readonly summary: string;
  /** Rules that do not fit into a sentence. */
  readonly points?: readonly string[];
  readonly callers: readonly CallerKind[];
  readonly fields: readonly Field[];
  readonly body?: { readonly type: string; readonly schema?: Schema; readonly example?: unknown };
  readonly answers: readonly Answer[];
  readonly errors: readonly FaultCode[];
};

const JSON_TYPE = 'application/json';
const version = z.string().describe('Version of the appliance.');
const schema = (shape: z.ZodType): Schema => schemaOf(shape, 'output');

const health: Beside = {
  id: 'healthz',
  title: 'Health',
  methods: ['GET'],
  path: '/healthz',
  summary: 'Says that the process runs. For probes that hold no credential.',
  callers: ['anonymous'],
  fields: [],
  answers: [
    {
      status: 200,
      says: 'It runs.',
      type: JSON_TYPE,
      schema: schema(z.strictObject({ status: z.literal('ok').describe('Always ok.'), version })),
      example: { status: 'ok', version: '0.1.0' },
    },
  ],
  errors: GUARD,
};

const readiness: Beside = {
  id: 'readyz',
  title: 'Readiness',
  methods: ['GET'],
  path: '/readyz',
  summary: 'Says whether the appliance can take calls now. For probes that hold no credential.',
  callers: ['anonymous'],
  fields: [],
  answers: [
    {
      status: 200,
      says: 'It can take calls.',
      type: JSON_TYPE,
      schema: schema(z.strictObject({ status: z.literal('ready').describe('Always ready.'), version })),
      example: { status: 'ready', version: '0.1.0' },
    },
    {
      status: 503,
      says: 'It cannot take calls; the reason says why.',
      type: JSON_TYPE,
      schema: schema(
        z.strictObject({
          status: z.literal('not ready').describe('Always not ready.'),
          reason: z.string().describe('Why it cannot take calls.'),
        }),
      ),
      example: { status: 'not ready', reason: 'the log cannot be written' },
    },
  ],
  errors: GUARD,
};

const metrics: Beside = {
  id: 'metrics',
  title: 'Metrics',
  methods: ['GET'],
  path: '/metrics',
  summary: 'Counters and histograms in the text format of Prometheus. They name no secret, URL or argument.',
  callers: ['key', 'person'],
  fields: [],
  answers: [{ status: 200, says: 'The metrics.', type: 'text/plain', schema: { type: 'string' } }],
  errors: ['FORBIDDEN', 'METHOD_NOT_ALLOWED', ...AUTHENTICATE, ...GUARD],
};

const mcp: Beside = {
  id: 'mcp',
  title: 'MCP endpoint',
  methods: ['POST'],
  path: '/mcp',
  summary:
    'The Model Context Protocol over streamable HTTP, revisions 2025-06-18, 2025-11-25 and 2026-07-28, without sessions. ' +
    'One JSON-RPC message per request. A refused tool call is a result with isError, whose structuredContent is the ' +
    'error object of this reference. On the network only.',
  callers: ['key', 'passport'],
  fields: [],
  body: {
    type: JSON_TYPE,
    schema: {
      type: 'object',
      description: 'A JSON-RPC 2.0 message, as the revision in use defines it.',
      properties: {
        jsonrpc: { const: '2.0', description: 'Always 2.0.' },
        id: { type: ['string', 'integer'], description: 'Left out in a notification.' },
        method: { type: 'string', description: 'Such as tools/list or tools/call.' },
        params: { type: 'object', description: 'What the method takes.' },
      },
      required: ['jsonrpc', 'method'],
    },
    example: {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'stack_list_services', arguments: {} },
    },
  },
  answers: [
    {
      status: 200,
      says: 'A JSON-RPC answer.',
      type: JSON_TYPE,
      schema: { type: 'object', description: 'A JSON-RPC 2.0 answer.' },
      example: {
        jsonrpc: '2.0',
        id: 1,
        result: { content: [{ type: 'text', text: '{"services":[]}' }], structuredContent: { services: [] } },
      },
    },
    { status: 202, says: 'A notification was taken; there is no answer to it.', type: '' },
  ],
  errors: ['INVALID_REQUEST', 'METHOD_NOT_ALLOWED', ...AUTHENTICATE, ...BODY, ...GUARD],
};

const statusList: Beside = {
  id: 'status-list',
  title: 'Status list',
  methods: ['GET'],
  path: '/v1/passports/status-list',
  summary:
    'Which passports are over before their time, as a signed Token Status List (draft-ietf-oauth-status-list) for verifiers ' +
    'that do not ask for each. Keep it for as long as its ttl says; it is never more than a minute behind.',
  callers: ['anonymous'],
  fields: [],
  answers: [
    {
      status: 200,
      says: 'The list, a JWT with typ statuslist+jwt, signed by a key of the JWKS that signs nothing else.',
      type: 'application/statuslist+jwt',
      schema: { type: 'string' },
    },
  ],
  errors: GUARD,
};

const documents: readonly Beside[] = [
  {
    id: 'openapi',
    title: 'OpenAPI document',
    methods: ['GET'],
    path: '/openapi.json',
    summary: 'This reference as OpenAPI 3.1. Anyone may read it; it holds nothing of this installation.',
    callers: ['anonymous'],
    fields: [],
    answers: [
      {
        status: 200,
        says: 'The document.',
        type: JSON_TYPE,
        schema: { type: 'object', description: 'An OpenAPI 3.1 document.' },
      },
      { status: 304, says: 'It is still the one that If-None-Match names.', type: '' },
    ],
    errors: GUARD,
  },
  {
    id: 'reference',
    title: 'Reference',
    methods: ['GET'],
    path: '/reference',
    summary: 'This page. Anyone may read it; it holds nothing of this installation.',
    callers: ['anonymous'],
    fields: [],
    answers: [
      { status: 200, says: 'The page.', type: 'text/html', schema: { type: 'string' } },
      { status: 304, says: 'It is still the one that If-None-Match names.', type: '' },
    ],
    errors: GUARD,
  },
];

export const BESIDE: readonly Beside[] = [mcp, statusList, health, readiness, metrics, ...documents];
