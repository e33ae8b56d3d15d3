// The routes that are found beside the router answer like the same routes on it: a query or one slash more leads there.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Appliance, startAppliance } from '#test/support/appliance.ts';

let appliance: Appliance;

before(async () => {
  appliance = await startAppliance({});
});
after(() => appliance?.dispose());

const key = (): Record<string, string> => ({ authorization: `Bearer ${appliance.apiKey}` });
const json = { 'content-type': 'application/json' };
const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'stack_list_services' } };

const BODIES: Readonly<Record<string, RequestInit>> = {
  'no body': {},
  'what is no JSON': { headers: json, body: '{' },
  'another media type': { headers: { 'content-type': 'text/plain' }, body: '{}' },
  'a list': { headers: json, body: '[]' },
  'a member said twice': { headers: json, body: '{"a":1,"a":2}' },
  'an unknown member': { headers: json, body: '{"verb":"GET"}' },
  'a call that names nobody': { headers: json, body: '{"service":"x","method":"GET","path":"/"}' },
  'a message': { headers: json, body: JSON.stringify(call) },
};

async function answerTo(target: string, init: RequestInit, credential: Record<string, string>) {
  const headers = { ...credential, ...(init.headers as Record<string, string> | undefined) };
  const response = await fetch(`${appliance.url}${target}`, { method: 'POST', ...init, headers });
  const names = ['content-type', 'www-authenticate', 'allow', 'cache-control', 'x-content-type-options'];
  return {
    status: response.status,
    text: await response.text(),
    headers: names.map((name) => response.headers.get(name)),
  };
}

describe('routes beside the router', () => {
  for (const path of ['/v1/proxy', '/mcp']) {
    for (const [what, init] of Object.entries(BODIES)) {
      it(`answer like those on it: ${path} with ${what}`, async () => {
        for (const credential of [key(), {}, { authorization: 'Basic eA==' }]) {
          const [exact, ...rest] = await Promise.all(
            [path, `${path}/`, `${path}?`].map((target) => answerTo(target, init, credential)),
          );
          for (const other of rest) assert.deepEqual(exact, other);
        }
      });
    }
  }

  it('are left to it under any other method', async () => {
    for (const path of ['/v1/proxy', '/mcp']) {
      const heard = await fetch(`${appliance.url}${path}`, { headers: key() });
      assert.deepEqual([heard.status, heard.headers.get('allow')], [405, 'POST'], path);
    }
  });
});
