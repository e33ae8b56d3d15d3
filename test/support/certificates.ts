// Certificates for TLS tests, made while the test runs: no key is kept in the repository, none expires, no binary needed.
// Only what a server certificate needs is written (RFC 5280): EC P-256 keys, ECDSA with SHA-256, names as SAN.
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

export type ServerCertificate = { readonly key: string; readonly cert: string };
export type Wanted = {
  /** Host names or IPv4 literals. */
  readonly names: readonly string[];
  /** UTCTime of RFC 5280 4.1.2.5.1: YYMMDDHHMMSSZ. */
  readonly notAfter?: string;
};
export type Authority = {
  readonly certPem: string;
  readonly issue: (wanted: Wanted) => ServerCertificate;
};

const NOT_BEFORE = '200101000000Z';
const NOT_AFTER = '491231235959Z';
const OID = {
  ecdsaWithSha256: '2a8648ce3d040302',
  commonName: '550403',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
} as const;

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const size = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const utcTime = (text: string): Buffer => der(0x17, Buffer.from(text));
const bits = (bytes: Uint8Array): Buffer => der(0x03, Buffer.from([0]), bytes);
const nameOf = (text: string): Buffer =>
  sequence(der(0x31, sequence(oid(OID.commonName), der(0x0c, Buffer.from(text)))));
const extension = (id: string, value: Uint8Array): Buffer => sequence(oid(id), der(0x04, value));

function altName(name: string): Buffer {
  return isIPv4(name) ? der(0x87, Buffer.from(name.split('.').map(Number))) : der(0x82, Buffer.from(name));
}

type Signing = {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly issuerKey: KeyObject;
  readonly notAfter: string;
  readonly extensions: readonly Buffer[];
};

function certificate(from: Signing): string {
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    nameOf(from.issuer),
    sequence(utcTime(NOT_BEFORE), utcTime(from.notAfter)),
    nameOf(from.subject),
    from.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...from.extensions)),
  );
  const whole = sequence(body, algorithm, bits(sign('sha256', body, from.issuerKey)));
  const lines = whole.toString('base64').replace(/.{1,64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`;
}

const keyPair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const altNames = (names: readonly string[]): Buffer =>
  extension(OID.subjectAltName, sequence(...names.map(altName)));

export function createAuthority(issuer: string): Authority {
  const own = keyPair();
  const constraints = extension(OID.basicConstraints, sequence(der(0x01, Buffer.from([0xff]))));
  const root = { subject: issuer, issuer, notAfter: NOT_AFTER, issuerKey: own.privateKey };
  return {
    certPem: certificate({ ...root, publicKey: own.publicKey, extensions: [constraints] }),
    issue: ({ names, notAfter = NOT_AFTER }) => {
      const { publicKey, privateKey } = keyPair();
      const subject = names[0] ?? 'server';
      const extensions = [altNames(names)];
      const cert = certificate({ ...root, subject, publicKey, notAfter, extensions });
      return { key: pem(privateKey), cert };
    },
  };
}

export function selfSigned(names: readonly string[]): ServerCertificate {
  const { publicKey, privateKey } = keyPair();
  const subject = names[0] ?? 'server';
  const self = { subject, issuer: subject, notAfter: NOT_AFTER, publicKey, issuerKey: privateKey };
  return { key: pem(privateKey), cert: certificate({ ...self, extensions: [altNames(names)] }) };
}
