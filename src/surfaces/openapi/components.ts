// The parts of the OpenAPI document that its operations share: the error, ways to present a caller, headers, examples.
import { type FaultCode, REFUSALS } from '#kernel/errors.ts';
import { faultExample, METADATA_MEMBERS } from './fault-examples.ts';

export type Node = Readonly<Record<string, unknown>>;

export const ref = (kind: string, name: string): Node => ({ $ref: `#/components/${kind}/${name}` });

const codes = Object.keys(REFUSALS) as readonly FaultCode[];

export const EXAMPLES: Node = Object.fromEntries(
  codes.map((code) => [code, { summary: REFUSALS[code].message, value: faultExample(code) }]),
);

export const SCHEMES: Node = {
  apiKey: { type: 'http', scheme: 'bearer', description: 'An API key, sk_live_….' },
  passport: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'A passport alone, as Bearer.',
  },
  agentKey: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description:
      "A JWT of the agent's own enrolled key: EdDSA, sub its id, aud stack:agent, iat at most 60 s ago.",
  },
  passportHeader: {
    type: 'apiKey',
    in: 'header',
    name: 'X-Passport-Token',
    description: 'A passport, alone or beside an API key; it says which agent acts.',
  },
};

export const PARAMETERS: Node = {
  Agent: {
    name: 'X-Stack-Agent',
    in: 'header',
    description:
      'Beside an API key: name of the agent that acts. The appliance keeps and renews its passport.',
    schema: { type: 'string' },
    example: 'support-bot',
  },
  Intent: {
    name: 'X-Stack-Intent',
    in: 'header',
    description: 'Beside X-Stack-Agent: what its passport is for.',
    schema: { type: 'string' },
    example: 'Answer questions about invoices',
  },
};

export const HEADERS: Node = {
  'WWW-Authenticate': {
    description: 'How to present a credential (RFC 6750).',
    schema: { type: 'string' },
    example: 'Bearer realm="stack"',
  },
  'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer', minimum: 0 }, example: 1 },
};

const METADATA: Node = {
  type: 'object',
  description: 'Further facts; which members there are depends on the code.',
  properties: Object.fromEntries(
    Object.entries(METADATA_MEMBERS).map(([name, description]) => [name, { description }]),
  ),
};

export const ERROR: Node = {
  type: 'object',
  description: 'Every refusal, on every route and in every tool.',
  properties: {
    error: {
      type: 'object',
      description: 'What was refused, and what to do now.',
      properties: {
        code: { type: 'string', enum: codes, description: 'Stable; branch on this.' },
        message: { type: 'string', description: 'One sentence for people.' },
        next: { type: 'string', description: 'A next step that works.' },
        metadata: METADATA,
      },
      required: ['code', 'message', 'next', 'metadata'],
      additionalProperties: false,
    },
    metadata: METADATA,
  },
  required: ['error', 'metadata'],
  additionalProperties: false,
};
