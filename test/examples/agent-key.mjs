// The machine of an agent, without an API key: it makes an Ed25519 key, enrolls it once with a challenge that the operator
// has made, and from then on asks for passports with a JWT of its own. Run: node agent-key.mjs enroll|passport …
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { SignJWT } from 'jose';

const [, , verb, stack, file, ...rest] = process.argv;

/** Only its owner can read it, and it leaves this machine in no form. */
function ownKey() {
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync('ed25519');
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' });
  }
  return createPrivateKey(readFileSync(file));
}

async function post(path, body, headers = {}) {
  const response = await fetch(`${stack}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${answer.error.code}: ${answer.error.next}`);
  return answer;
}

/** `challenge`: what `stack agents challenge NAME --json` printed on the operator's machine. */
function enroll({ agent_id, challenge_id, challenge }) {
  const { kty, crv, x } = createPublicKey(ownKey()).export({ format: 'jwk' });
  return post(`/v1/agents/${agent_id}/enroll`, {
    public_key: { kty, crv, x },
    challenge_id,
    signed_challenge: sign(null, Buffer.from(challenge), ownKey()).toString('base64url'),
  });
}

/** A fresh JWT for each request: it is good for 60 seconds. */
async function passport(agentId, intent) {
  const jwt = await new SignJWT({ iss: 'stack-sdk' })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT' })
    .setSubject(agentId)
    .setAudience('stack:agent')
    .setIssuedAt()
    .setNotBefore('0s')
    .setExpirationTime('60s')
    .sign(ownKey());
  return post('/v1/passports/issue', { agent_id: agentId, intent }, { authorization: `Bearer ${jwt}` });
}

const [agentId, summary, ...services] = rest;
const answer =
  verb === 'enroll'
    ? await enroll(JSON.parse(readFileSync(0, 'utf8')))
    : await passport(agentId, { summary, services });
process.stdout.write(`${JSON.stringify(answer)}\n`);
