// The `services` section of the config: a service written by hand (contract 6). Descriptions are the manual.

import { z } from 'zod';
import { ARGUMENT_PLACES, OPERATORS } from '#features/policy/model.ts';
import { isPlainLine } from '#kernel/hostile-text.ts';
import { SERVICE_NAME_CHARS_MAX, SERVICE_TITLE_CHARS_MAX } from '#kernel/limits.ts';
import { isPrivateRange } from '#platform/net/address.ts';

const HOST_RULE = /^(?:\*\.)?[a-z0-9][a-z0-9.-]*[a-z0-9]$/;
/** Letters that need no quoting, in a query as in a cookie (RFC 6265 token). */
const PARAMETER = /^[A-Za-z0-9_.-]{1,64}$/;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const REFERENCE_FORMS =
  'a secret stands outside this file: write {env: NAME}, {file: PATH}, {sealed: TEXT} or {vault: NAME}';

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const constraint = z.strictObject({
  path: z.string().describe('method, url.pathname, url.host, url.origin, headers.x, query.x or body.x.y'),
  op: z.enum(OPERATORS).describe('An absent path fails every operator but absent, not_eq and not_in.'),
  value: z
    .union([scalar, z.array(scalar)])
    .optional()
    .describe('What to compare with; none for exists and absent.'),
});
const where = z.array(constraint).default([]).describe('All must hold.');
const template = z
  .string()
  .refine((text) => text.split('{secret}').length === 2, 'must hold {secret} exactly once');

export const actionCall = z.union([
  z.string(),
  z.strictObject({
    call: z.string().describe('METHOD /path, as above.'),
    arguments: z
      .enum(ARGUMENT_PLACES)
      .optional()
      .describe(
        'Where they may stand: query, body, or either (each in one of the two). Anywhere if left out.',
      ),
    where,
  }),
]);

export const serviceSettings = z.strictObject({
  use: z.string().optional().describe('Name of a catalogue entry; the keys beside it win.'),
  title: z
    .string()
    .max(SERVICE_TITLE_CHARS_MAX, `must have at most ${SERVICE_TITLE_CHARS_MAX} characters`)
    .refine(isPlainLine, 'must be one line without control, bidi and invisible characters')
    .optional()
    .describe('Name shown to people.'),
  base_url: z.string().describe('Every call goes below this URL. With use, the catalogue has it.'),
  hosts: z
    .array(
      z
        .string()
        .regex(
          HOST_RULE,
          'must be a host name or *.name, without scheme, port and path; a path_prefix belongs into base_url',
        ),
    )
    .default([])
    .describe('Further hosts; *. covers one label.'),
  tls: z
    .strictObject({ ca_file: z.string().describe('PEM of an authority trusted for this service only.') })
    .optional()
    .describe('How its certificate is judged, beyond the authorities of the system.'),
  network: z
    .union([
      z.enum(['public', 'private', 'loopback']),
      z.strictObject({
        private: z
          .array(z.string().refine(isPrivateRange, 'must be a range inside RFC 1918 or fc00::/7'))
          .describe('Ranges inside RFC 1918 or fc00::/7 and no other.'),
      }),
    ])
    .default('public')
    .describe('Where the name may resolve to: public, private, {private: [cidr]} or loopback.'),
  plaintext: z.boolean().default(false).describe('Allows http:// on a private network.'),
  inject: z
    .union([
      z.strictObject({
        header: z.string().describe('Name of the header that carries the credential.'),
        value: template.describe('Its value; {secret} stands for the credential.'),
      }),
      z.strictObject({
        basic: template
          .refine(
            (text) => text === '{secret}' || text.includes(':'),
            'must be user:{secret}, {secret}: where the credential is the user, or {secret} where it is both',
          )
          .describe(
            'user:{secret}, sent as HTTP Basic; {secret} alone where the credential is user:password.',
          ),
      }),
      z.strictObject({
        query: z
          .string()
          .regex(PARAMETER, 'must be the name of a parameter')
          .describe('Parameter of the URL that carries the credential.'),
        value: template.describe('Its value; {secret} stands for the credential.'),
      }),
      z.strictObject({
        cookie: z
          .string()
          .regex(PARAMETER, 'must be the name of a cookie')
          .describe('Cookie that carries the credential.'),
        value: template.describe('Its value; {secret} stands for the credential.'),
      }),
      z.strictObject({ bearer: z.literal('{secret}').describe('Short for Authorization: Bearer {secret}.') }),
    ])
    .optional()
    .describe('How the credential is put in: by bearer, basic, header, query or cookie.'),
  secret: z
    .union(
      [
        z.strictObject({
          env: z
            .string()
            .regex(ENV_NAME, 'must be the name of a variable')
            .describe('A variable of the appliance, read at start.'),
        }),
        z.strictObject({ file: z.string().describe('A file with the credential alone, read at start.') }),
        z.strictObject({
          sealed: z
            .string()
            .describe('What `stack seal --service NAME` printed; opens for this service alone.'),
        }),
        z.strictObject({
          vault: z
            .string()
            .min(1)
            .max(SERVICE_NAME_CHARS_MAX)
            .describe('Name in the vault; stored by PUT /v1/secrets/NAME.'),
        }),
      ],
      REFERENCE_FORMS,
    )
    .optional()
    .describe('Where the credential is: {env: NAME}, {file: PATH}, {sealed: TEXT} or {vault: NAME}.'),
  headers: z
    .strictObject({
      allow: z.array(z.string()).default([]).describe('Further request headers a caller may send.'),
      fixed: z
        .record(z.string(), z.string())
        .default({})
        .describe('Headers sent with every call, in place of what the caller gives under their names.'),
      volatile: z
        .array(z.string())
        .default([])
        .describe('Allowed headers that may differ between an approved call and the call that is made.'),
    })
    .prefault({})
    .describe('Request headers beyond the ordinary ones.'),
  verify: z
    .union([
      z.string(),
      z.strictObject({
        call: z.string().describe('METHOD /path, as below.'),
        expect: z
          .record(z.string(), scalar)
          .describe('Members of its JSON answer that must be so, where the status alone does not tell.'),
      }),
    ])
    .optional()
    .describe('A harmless call, "GET /path", by which stack doctor sees whether the credential is accepted.'),
  actions: z
    .record(z.string(), z.array(actionCall))
    .default({})
    .describe('service:resource:verb to "METHOD /path" patterns; * is one segment, ** the rest.'),
  approval: z
    .union([
      z.literal('writes'),
      z.array(
        z.union([
          z.string(),
          z.strictObject({
            action: z.string().describe('One of the actions above, or writes.'),
            where,
            on_reject: z
              .enum(['revoke', 'deny'])
              .optional()
              .describe(
                'What a rejection does: revoke the passport that asked (the default), or only deny the call.',
              ),
            on_call: z
              .enum(['refuse', 'submit'])
              .optional()
              .describe(
                'What a call without an approval meets: a refusal (the default), or one that has submitted it already.',
              ),
          }),
        ]),
      ),
    ])
    .default([])
    .describe('Actions a person must approve; or writes, every method but GET and HEAD.'),
});
export type ServiceSettings = z.infer<typeof serviceSettings>;
export type WhereSettings = z.infer<typeof where>;
