// Passports as callers give and see them (contract 4).
import { z } from 'zod';
import { type Constraint, OPERATORS } from '#features/policy/model.ts';
import {
  CALL_TEXT_CHARS_MAX,
  CONSTRAINT_VALUE_CHARS_MAX,
  ID_CHARS_MAX,
  INTENT_SUMMARY_CHARS_MAX,
  LIST_MEMBERS_MAX,
  MISSION_SECONDS_MAX,
  PASSPORT_TTL_SECONDS_MAX,
  PASSPORT_TTL_SECONDS_MIN,
  SCOPE_CHARS_MAX,
  SERVICE_NAME_CHARS_MAX,
} from '#kernel/limits.ts';
import type { Shown } from '#kernel/operation.ts';
import type { Intent } from './model.ts';
import { type PassportRow, servicesOf } from './store.ts';

const scalars = [z.string().max(CONSTRAINT_VALUE_CHARS_MAX), z.number(), z.boolean(), z.null()] as const;
const scalar = z.union(scalars);

const CONSTRAINED =
  'What is looked at: method, url.pathname, url.host, url.origin, headers.NAME, query.NAME or body.a.b.';
const OPERATOR = 'How it is compared. An absent path fails all but absent, not_eq and not_in.';

const SCOPES = z.array(z.string().max(SCOPE_CHARS_MAX)).max(LIST_MEMBERS_MAX).optional();

const intentShape = z.strictObject({
  summary: z.string().min(1).max(INTENT_SUMMARY_CHARS_MAX).describe('What the mission is.'),
  services: z
    .array(z.string().max(SERVICE_NAME_CHARS_MAX))
    .max(LIST_MEMBERS_MAX)
    .describe('Services the mission needs.'),
  will_delegate: z.boolean().optional().describe('Whether the agent means to pass a part on to others.'),
  estimated_duration_seconds: z
    .number()
    .int()
    .min(1)
    .max(MISSION_SECONDS_MAX)
    .optional()
    .describe('How long the mission may take, for whoever reads the log.'),
});

const constraintsGiven = z
  .array(
    z.strictObject({
      service: z.string().max(SERVICE_NAME_CHARS_MAX).describe('Service whose calls are constrained.'),
      path: z.string().max(SCOPE_CHARS_MAX).describe(CONSTRAINED),
      op: z.enum(OPERATORS).describe(OPERATOR),
      value: z
        .union([...scalars, z.array(scalar).max(LIST_MEMBERS_MAX)])
        .optional()
        .describe('Value to compare with; a list for in and not_in, none for exists and absent.'),
    }),
  )
  .max(LIST_MEMBERS_MAX)
  .optional();

const ttlSeconds = z.number().int().min(PASSPORT_TTL_SECONDS_MIN).max(PASSPORT_TTL_SECONDS_MAX).optional();
const checkpointIntervalSeconds = z
  .number()
  .int()
  .min(PASSPORT_TTL_SECONDS_MIN)
  .max(PASSPORT_TTL_SECONDS_MAX)
  .optional()
  .describe(
    'How often the agent reports with stack_checkpoint; passports.checkpoint_interval of the config if left out. In ' +
      'enforced mode the passport lives no longer than this without a report.',
  );
const TOKEN = z.string().max(CALL_TEXT_CHARS_MAX);

export const issueInput = z.strictObject({
  agent_id: z.string().max(ID_CHARS_MAX).optional().describe('Agent by id. Give agent_id or agent.'),
  agent: z.string().max(ID_CHARS_MAX).optional().describe('Agent by name.'),
  intent: intentShape.optional().describe('Required unless the agent is in standard mode.'),
  scopes: SCOPES.describe('service:resource:verb; all grants if left out.'),
  constraints: constraintsGiven.describe('Every call must meet all of them.'),
  ttl_seconds: ttlSeconds.describe(
    'Life of the passport; passports.ttl of the config if left out, and never above ttl_max.',
  ),
  checkpoint_interval_seconds: checkpointIntervalSeconds,
});

export const delegateInput = z.strictObject({
  parent_token: TOKEN.optional().meta({
    description:
      'The passport to delegate from, a JWT. Leave it out where the passport of the transport is meant.',
    writeOnly: true,
  }),
  parent_jti: z
    .string()
    .max(ID_CHARS_MAX)
    .optional()
    .describe('The same by its id, pp_…: for the caller that minted it, or whose own passport it is.'),
  child_agent_id: z
    .string()
    .min(1)
    .max(ID_CHARS_MAX)
    .describe('Agent that gets the passport, by id or name.'),
  intent: intentShape
    .optional()
    .describe('What the other agent is to do. Required unless it is in standard mode.'),
  scopes: SCOPES.describe(
    'Scopes within those of the parent and of the other agent; all of these if left out.',
  ),
  constraints: constraintsGiven.describe('Further conditions, beside all those of the parent.'),
  ttl_seconds: ttlSeconds.describe(
    'Life of the new passport; passports.ttl of the config if left out. It ends with its parent at the latest.',
  ),
  checkpoint_interval_seconds: checkpointIntervalSeconds,
});

export const refreshInput = z.strictObject({
  token: TOKEN.optional().meta({
    description: 'The passport to refresh, a JWT; up to a day after its end. Give token or jti.',
    writeOnly: true,
  }),
  jti: z.string().max(ID_CHARS_MAX).optional().describe('The same by its id, pp_….'),
  ttl_seconds: ttlSeconds.describe(
    'Life of the new passport; that of the old one if left out. It ends with its mission at the latest.',
  ),
});

const constraintsShape = z
  .array(
    z.strictObject({
      path: z.string().describe(CONSTRAINED),
      op: z.enum(OPERATORS).describe(OPERATOR),
      value: z
        .union([...scalars, z.array(scalar)])
        .optional()
        .describe('Value to compare with.'),
    }),
  )
  .describe('Conditions that every call to this service must meet.');
const scopesShape = z.array(z.string()).describe('Scopes, service:resource:verb.');

export const listedShape = z.strictObject({
  jti: z.string().describe('Id of the passport, pp_…. It is no secret.'),
  session_id: z.string().describe('Session (mission), ses_…; all passports of one mission share it.'),
  agent_id: z.string().describe('Agent that holds it.'),
  expires_at: z.string().describe('When it ends, RFC 3339 UTC.'),
  services: z
    .array(
      z.strictObject({
        service: z.string().describe('Name of the service.'),
        scopes: scopesShape,
        constraints: constraintsShape,
      }),
    )
    .describe('What it lets the agent do. The live config may narrow it further.'),
});

export const issueOutput = listedShape.extend({
  token: z.string().describe('The passport itself, a JWT. Send it as passport, X-Passport-Token or Bearer.'),
});
export const listOutput = z.strictObject({
  passports: z.array(listedShape).describe('Live passports of this page.'),
  next_cursor: z.string().nullable().describe('Give it as cursor for the next page; null at the end.'),
});

const id = (says: string) => z.string().describe(says);
const seconds = (says: string) => z.number().int().min(0).describe(says);
const claimsShape = z.strictObject({
  iss: id('Issuer: the public URL of the appliance.'),
  aud: id('Audience: the same URL.'),
  sub: id('Agent that holds the passport.'),
  iat: seconds('Issued at, unix seconds.'),
  nbf: seconds('Not valid before, unix seconds.'),
  exp: seconds('Ends at, unix seconds.'),
  jti: id('Id of the passport.'),
  status: z
    .strictObject({
      status_list: z
        .strictObject({
          idx: z.number().int().min(0).describe('Its place in the list: 1 there means that it is over.'),
          uri: id('Where the list is.'),
        })
        .describe('Token Status List (draft-ietf-oauth-status-list).'),
    })
    .optional()
    .describe('Where an offline verifier sees whether the passport is over before its time.'),
  stk: z
    .strictObject({
      operator_id: id('Operator of the appliance.'),
      agent_id: id('Agent by id.'),
      agent_name: id('Agent by name.'),
      services: z
        .array(
          z.strictObject({
            service_id: id('Service by id.'),
            service_name: id('Service by name.'),
            scopes: scopesShape,
            credential_ref: id('Names the credential; it is not the credential.'),
            constraints: constraintsShape,
          }),
        )
        .describe('What the passport lets the agent do.'),
      identity_claims: z.array(z.unknown()).describe('Always empty here.'),
      delegation_depth: z.number().int().min(0).describe('Hops from the first passport of the mission.'),
      session_id: id('Session (mission).'),
      accountability: id('Mode of the agent when the passport was issued.'),
      intent_summary: z.string().nullable().describe('What the agent said it is going to do.'),
      intent_services: z.array(z.string()).describe('Services it said it needs.'),
      checkpoint_interval: z.number().int().nullable().describe('Seconds between two reports of the agent.'),
      parent_jti: z.string().nullable().describe('Passport it was delegated from.'),
      chain: z.array(z.string()).describe('All passports above it, the first one first.'),
    })
    .describe('Claims of our own.'),
});
export const verifyOutput = z.strictObject({
  valid: z.boolean().describe('The passport would be taken right now.'),
  claims: claimsShape.optional().describe('What it holds, where it is valid.'),
  code: z.string().optional().describe('Why it is not valid, as in the table of errors.'),
});

export const jwksOutput = z.strictObject({
  keys: z
    .array(
      z.strictObject({
        kty: z.literal('OKP').describe('Kind of key (RFC 8037).'),
        crv: z.literal('Ed25519').describe('Curve.'),
        x: z.string().describe('Public key, base64url.'),
        kid: z.string().describe('Thumbprint of the key; the header of a passport names it.'),
        alg: z.literal('EdDSA').describe('Signature algorithm.'),
        use: z.literal('sig').describe('The key verifies signatures and nothing else.'),
      }),
    )
    .describe(
      'All keys whose passports may still be out, and the one of the status list. Each signs one kind of token only: look at typ.',
    ),
});

const count = (says: string) => z.number().int().min(0).describe(says);
export const revokeOutput = z.strictObject({
  revoked: z.array(z.string()).describe('Passports that this call revoked; none if it was revoked before.'),
  cascaded: count('How many of them were revoked because they descend from the named one.'),
  cut: z
    .strictObject({
      requests: count('Calls that were cut before any of their answer had been passed on.'),
      streams: count('Open streams that were cut.'),
      calls: count('Tools of MCP that were cut.'),
      approvals: count('Approvals that were ended.'),
    })
    .describe('What was open and has been ended.'),
  took_ms: count('Milliseconds that it took.'),
});

export const PASSPORT_EXAMPLE: z.output<typeof listedShape> = {
  jti: 'pp_9c8b7a6f5e4d3c2b1a0918273645546f',
  session_id: 'ses_6b1f2e3d4c5b6a798897a6b5c4d3e2f1',
  agent_id: 'agt_3f9a1c5e7b2d4860a1b2c3d4e5f60718',
  expires_at: '2026-11-23T09:45:00.000Z',
  services: [
    {
      service: 'billing',
      scopes: ['billing:invoices:read'],
      constraints: [{ path: 'query.customer', op: 'eq', value: 'cus_42' }],
    },
  ],
};
export const ISSUE_EXAMPLE: z.input<typeof issueInput> = {
  agent: 'support-bot',
  intent: { summary: 'Answer a question about invoice in_7', services: ['billing'] },
  scopes: ['billing:invoices:read'],
  constraints: [{ service: 'billing', path: 'query.customer', op: 'eq', value: 'cus_42' }],
};
export const DELEGATE_EXAMPLE: z.input<typeof delegateInput> = {
  parent_jti: 'pp_1f2e3d4c5b6a79880716253443526170',
  child_agent_id: 'support-bot',
  intent: { summary: 'Look invoice in_7 up', services: ['billing'] },
  scopes: ['billing:invoices:read'],
  constraints: [{ service: 'billing', path: 'query.customer', op: 'eq', value: 'cus_42' }],
};
export const TOKEN_EXAMPLE = 'eyJ.EXAMPLE.not-a-real-passport';

export const CLAIMS_EXAMPLE: z.output<typeof claimsShape> = {
  iss: 'http://localhost:7822',
  aud: 'http://localhost:7822',
  sub: PASSPORT_EXAMPLE.agent_id,
  iat: 1_795_426_200,
  nbf: 1_795_426_200,
  exp: 1_795_427_100,
  jti: PASSPORT_EXAMPLE.jti,
  status: { status_list: { idx: 8_193, uri: 'http://localhost:7822/v1/passports/status-list' } },
  stk: {
    operator_id: 'local',
    agent_id: PASSPORT_EXAMPLE.agent_id,
    agent_name: 'support-bot',
    services: [
      {
        service_id: 'billing',
        service_name: 'billing',
        scopes: ['billing:invoices:read'],
        credential_ref: 'service:billing',
        constraints: [{ path: 'query.customer', op: 'eq', value: 'cus_42' }],
      },
    ],
    identity_claims: [],
    delegation_depth: 0,
    session_id: PASSPORT_EXAMPLE.session_id,
    accountability: 'enforced',
    intent_summary: 'Answer a question about invoice in_7',
    intent_services: ['billing'],
    checkpoint_interval: null,
    parent_jti: null,
    chain: [],
  },
};

export function showListed(row: PassportRow): Shown<z.infer<typeof listedShape>> {
  return {
    jti: row.jti,
    session_id: row.session_id,
    agent_id: row.agent_id,
    expires_at: new Date(row.expires_at).toISOString(),
    services: servicesOf(row),
  };
}

export const showIssued = (row: PassportRow, token: string): Shown<z.infer<typeof issueOutput>> => ({
  token,
  ...showListed(row),
});

/** What a caller gave, with a value that was not given left absent, so that `exists` and `absent` carry none. */
export const constraintsOf = (
  given: z.infer<typeof constraintsGiven> = [],
): readonly (Constraint & { readonly service: string })[] =>
  given.map(({ value, ...rest }) => (value === undefined ? rest : { ...rest, value }));

export const intentGiven = (given: z.infer<typeof intentShape> | undefined): Intent | undefined =>
  given === undefined
    ? undefined
    : {
        summary: given.summary,
        services: given.services,
        willDelegate: given.will_delegate ?? false,
        estimatedDurationSeconds: given.estimated_duration_seconds,
      };
