// The path form of a call as documents show it (contract 5): the same line, and so the same refusals, as the verb.
import type { FaultCode } from '#kernel/errors.ts';
import type { Beside } from './beside.ts';

const POINTS: readonly string[] = [
  'The key or passport is read from Authorization, from X-Api-Key, and from the header into which the credential of the service goes. It is consumed, as are all X-Stack-… headers and X-Passport-Token.',
  'Headers that could change routing, credential, method or framing are refused. Transport and browser headers, and those that the service does not list under headers.allow, are dropped and noted in the log.',
  'The body goes on while it comes, unless a constraint, an approval or an idempotency key looks at it: then it is read whole, at most 10 MB, and judged first.',
  'The answer comes back while it comes, under the same scrub. Over a limit, or when the service breaks off, the connection is broken: a cut answer never looks whole.',
  'A refusal by the appliance has the header X-Stack-Error with its code; no answer of a service has it.',
];

export const pathForm = (errors: readonly FaultCode[]): Beside => ({
  id: 'proxy',
  title: 'Path form of a call',
  methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
  path: '/proxy/{service}/{path}',
  summary:
    'Method, path, query, body and listed headers go out as they came, below the base URL of the service; its answer comes ' +
    'back with its own status. So an unmodified SDK works by changing its base URL. On the network only.',
  points: POINTS,
  callers: ['key', 'passport'],
  fields: [
    {
      name: 'service',
      place: 'path',
      says: 'Name of the service, as stack_list_services shows it.',
      example: 'billing',
    },
    {
      name: 'path',
      place: 'path',
      says: 'Path below the base_url of the service; it may have further slashes, and a query may follow.',
      example: 'invoices/in_7',
    },
    {
      name: 'X-Stack-Approval',
      place: 'header',
      says: 'Approval of this exact call.',
      example: 'apr_1f2e3d4c5b6a79880a1b2c3d4e5f6071',
    },
    {
      name: 'X-Stack-Idempotency-Key',
      place: 'header',
      says: 'A name of your own for this one call, 1 to 255 printable characters without blanks: sent again under it within 24 hours, the same call is not made again, and its first answer comes back with X-Stack-Replayed: true.',
      example: 'ticket-4711',
    },
  ],
  body: { type: '*/*' },
  answers: [
    {
      status: 200,
      says: 'Whatever the service answered, with its own status. Carries Content-Security-Policy: sandbox and X-Content-Type-Options: nosniff.',
      type: '*/*',
    },
  ],
  errors: [...errors, 'METHOD_NOT_ALLOWED'],
});
