// What appliance, upstream and agents of the endurance run agree on: the services with a credential of their own each, and the
// config in all its versions.
export const SERVICES = 8;
export const CREDENTIAL_HEADER = 'x-endurance-key';
export const MARK_HEADER = 'x-endurance-mark';
/** The upstream's own: all that reached it. */
export const RECEIVED_PATH = '/received';
/** What a service's constraint allows at most, and what a call asks for. */
const TOTAL_MAX = 100;
export const TOTAL = 7;

export const serviceName = (index: number): string => `s${index}`;
export const credentialOf = (index: number): string => `endurance-credential-${index}-4d81b6f02ce97a35`;
export const serviceNames = Array.from({ length: SERVICES }, (_, index) => serviceName(index));
/** Shown by the list of services, so that everyone can see which version of the config is in force. */
export const titleOf = (version: number): string => `Shop at version ${version}`;

export type Place = {
  readonly applianceUrl: string;
  readonly appliancePort: number;
  readonly upstreamPort: number;
};

function serviceYaml(
  name: string,
  { version, upstreamPort }: { version: number; upstreamPort: number },
): string {
  return `  ${name}:
    title: ${titleOf(version)}
    base_url: http://127.0.0.1:${upstreamPort}/${name}
    network: loopback
    inject: { header: ${CREDENTIAL_HEADER}, value: "{secret}" }
    secret: { vault: ${name} }
    actions:
      ${name}:calls:create: [ { call: "POST /calls/*", where: [ { path: body.total, op: lte, value: ${TOTAL_MAX} } ] } ]
      ${name}:calls:delete: [ "DELETE /calls/*" ]
    approval: [ ${name}:calls:delete ]`;
}

/** The whole file of one version; versions differ in every service. */
export function configText(version: number, place: Place): string {
  const { applianceUrl, appliancePort, upstreamPort } = place;
  const grants = serviceNames.map((name) => `${name}: [ "${name}:*" ]`).join(', ');
  return `version: 1
server: { listen: "127.0.0.1:${appliancePort}", public_url: "${applianceUrl}" }
services:
${serviceNames.map((name) => serviceYaml(name, { version, upstreamPort })).join('\n')}
agents:
  "*": { services: { ${grants} } }
`;
}
