// What appliance, upstream and agents of the endurance run agree on: the services with a credential of their own each, and the
// config in all its versions.
export const SERVICES = 8;
export const CREDENTIAL_HEADER = 'x-endurance-key';
export const MARK_HEADER = 'x-endurance-mark';
/** The upstream has the fault that real ones have, too: it shows the credential that it got, here and in the body. */
export const ECHO_HEADER = 'x-endurance-echo';
/** The upstream's own: all that reached it. */
export const RECEIVED_PATH = '/received';
/** What a service's constraint allows at most, and what a call asks for. */
const TOTAL_MAX = 100;
export const TOTAL = 7;

/** In every credential, and to be found in nothing else. */
export const CANARY = 'endurance-canary-4d81b6f02ce97a35';
export const serviceName = (index: number): string => `s${index}`;
export const credentialOf = (index: number): string => `${CANARY}-${index}`;
export const serviceNames = Array.from({ length: SERVICES }, (_, index) => serviceName(index));
/** Shown by the list of services, so that everyone can see which version of the config is in force. */
export const titleOf = (version: number): string => `Shop at version ${version}`;

const serviceYaml = (name: string, upstreamPort: number): string => `  ${name}:
    title: ${titleOf(1)}
    base_url: http://127.0.0.1:${upstreamPort}/${name}
    network: loopback
    inject: { header: ${CREDENTIAL_HEADER}, value: "{secret}" }
    secret: { vault: ${name} }
    actions:
      ${name}:calls:create: [ { call: "POST /calls/*", where: [ { path: body.total, op: lte, value: ${TOTAL_MAX} } ] } ]
      ${name}:calls:delete: [ "DELETE /calls/*" ]
    approval: [ ${name}:calls:delete ]`;

/** The first version. */
export const servicesYaml = (upstreamPort: number): string =>
  serviceNames.map((name) => serviceYaml(name, upstreamPort)).join('\n');

export const AGENTS_YAML = `  "*": { services: { ${serviceNames.map((name) => `${name}: [ "${name}:*" ]`).join(', ')} } }`;

/** The whole file of a later version, made of the first one's; versions differ in every service. */
export const configOf = (version: number, first: string): string =>
  first.replaceAll(titleOf(1), titleOf(version));
