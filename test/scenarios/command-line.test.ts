// The command line against a running appliance: every operation is reached, exit codes and `--json` are those of
// contract 1, and what is printed is harmless and holds no secret.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Parameter } from '#surfaces/cli/command.ts';
import { flagOf } from '#surfaces/cli/command.ts';
import { SCRIPTS } from '#surfaces/cli/completion-scripts.ts';
import { fieldsOf } from '#surfaces/cli/fields.ts';
import { commandName } from '#surfaces/cli/naming.ts';
import { type Program, runProgram } from '#surfaces/cli/program.ts';
import { type Appliance, type Exit, freePort, stack, startAppliance } from '#test/support/appliance.ts';
import { assertAbsent, searchFiles } from '#test/support/canary.ts';
import { askLocally } from '#test/support/requests.ts';
import { keptShell } from '#test/support/shell.ts';
import { describedOperations } from '../../src/operations.ts';

const CANARY = 'canary-51c7-typed-by-a-person';
const HOSTILE = 'ci\u202e\u001b[2Jtxt.\u200b';
const operations = describedOperations();
const run = promisify(execFile);

let appliance: Appliance;

/** Answers with the body it got. */
const upstream = createServer(async (request, response) => {
  const got = Buffer.concat(await request.toArray()).toString();
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ got }));
});

before(async () => {
  const port = await freePort();
  await new Promise<void>((done) => upstream.listen(port, '127.0.0.1', done));
  appliance = await startAppliance({
    services: `
  billing:
    title: Billing
    base_url: http://127.0.0.1:${port}
    network: loopback
    inject: { bearer: "{secret}" }
    secret: { vault: billing }
    actions: { "billing:invoices:create": [ "POST /invoices" ] }`,
    agents: `
  clerk:
    mode: standard
    services: { billing: [ "billing:invoices:create" ] }`,
  });
});
after(async () => {
  await appliance?.dispose();
  upstream.close();
});

/** As its own process. */
const command = (args: readonly string[], input = ''): Promise<Exit> =>
  stack(appliance, [...args, '--config', appliance.configFile], { input });

/** Inside this process, which takes a hundredth of the time. */
async function inside(args: readonly string[], input = '') {
  const kept = keptShell({ input });
  const program: Program = {
    shell: kept.shell,
    commands: [],
    operations: async () => operations,
    findSocket: async () => appliance.socketPath,
  };
  const code = await runProgram(args, program);
  return { code, out: kept.out(), err: kept.err() };
}

function sample({ choices, kind }: Parameter): string {
  if (choices?.[0] !== undefined) return choices[0];
  if (kind === 'number') return '60';
  return kind === 'json' ? '{}' : 'nobody';
}

describe('every operation', () => {
  it('is a command that reaches the appliance and prints its answer or its refusal as JSON', async () => {
    for (const operation of operations) {
      const { positionals, options } = fieldsOf(operation);
      const required = options.filter((option) => option.required && option.kind !== 'secret');
      const args = [
        ...commandName(operation).split(' '),
        ...positionals.map(sample),
        ...required.flatMap((option) =>
          option.kind === 'flag' ? [flagOf(option)] : [flagOf(option), sample(option)],
        ),
        '--json',
      ];
      const { code, out, err } = await inside(args, 'eleven letters');
      assert.ok(code === 0 || code === 1, `${args.join(' ')}: ${code} ${err}`);
      const answer = JSON.parse(out) as { error?: { code: string } };
      assert.equal(
        answer.error !== undefined,
        code === 1 && !('valid' in answer),
        `${args.join(' ')}: ${out}`,
      );
      assert.ok(!['METHOD_NOT_ALLOWED', 'INTERNAL'].includes(answer.error?.code ?? ''), out);
      if (answer.error?.code === 'NOT_FOUND') assert.ok(positionals.length + required.length > 0, out);
      assert.equal(err, '', args.join(' '));
    }
  });
});

describe('--json', () => {
  it('prints exactly what REST answers, whether it is an answer or an error', async () => {
    const same: readonly (readonly [string, string])[] = [
      ['agents list', '/v1/agents'],
      ['agents get clerk', '/v1/agents/clerk'],
      ['agents get nobody', '/v1/agents/nobody'],
      ['agents list --limit 1000', '/v1/agents?limit=1000'],
      ['services list', '/v1/services'],
      ['secrets list', '/v1/secrets'],
      ['keys list', '/v1/keys'],
      ['passports list', '/v1/passports'],
      ['passports jwks', '/v1/.well-known/jwks.json'],
    ];
    for (const [line, route] of same) {
      const { out } = await inside([...line.split(' '), '--json']);
      assert.equal(out, `${(await askLocally(appliance, route)).text}\n`, line);
    }
  });

  it('prints nothing else on standard output, as its own process', async () => {
    const listed = await command(['services', 'list', '--json']);
    assert.equal(listed.code, 0, listed.stderr);
    assert.equal(listed.stdout, `${(await askLocally(appliance, '/v1/services')).text}\n`);
    assert.equal(listed.stderr, '');
    const refused = await command(['agents', 'get', 'nobody', '--json']);
    assert.equal(refused.code, 1);
    assert.equal(JSON.parse(refused.stdout).error.code, 'NOT_FOUND');
    assert.equal(refused.stderr, '');
  });
});

describe('exit codes', () => {
  it('are 0 for done, 1 for a refusal, which goes to standard error, and 2 for wrong usage', async () => {
    const verified = await command(['audit', 'verify', '--live']);
    assert.equal(verified.code, 0, verified.stderr);
    assert.match(verified.stdout, /^valid: +yes$/m);
    const refused = await command(['agents', 'get', 'nobody']);
    assert.equal(refused.code, 1);
    assert.equal(refused.stdout, '');
    assert.match(refused.stderr, /^stack: NOT_FOUND: .*\n {2}next: /);
    assert.equal((await command(['agents', 'got', 'nobody'])).code, 2);
    assert.equal((await command(['audit', 'verify', 'log.ndjson'])).code, 2);
  });

  it('are 1 for a verification that failed', async () => {
    const { code, out } = await inside(['passports', 'verify'], 'no passport');
    assert.equal(code, 1);
    assert.match(out, /^valid: no$/m);
  });

  it('are 3 where nothing runs, and 0 again where the config has a mistake that does not concern the command', async () => {
    const dir = join(appliance.dir, 'elsewhere');
    await mkdir(dir, { mode: 0o700 });
    const config = join(dir, 'config.yaml');
    await writeFile(config, 'data_dir: ./none\n', { mode: 0o600 });
    const absent = await stack(appliance, ['agents', 'list', '--config', config]);
    assert.equal(absent.code, 3, absent.stderr);
    assert.match(absent.stderr, /nothing listens on .*elsewhere\/none\/stack\.sock[\s\S]*stack serve/);
    await writeFile(config, `data_dir: ${appliance.dataDir}\nservres: {}\n`);
    assert.equal((await stack(appliance, ['agents', 'list', '--config', config])).code, 0);
    assert.equal((await stack(appliance, ['check', '--config', config])).code, 2);
  });

  it('name the installation by STACK_CONFIG, too', async () => {
    const at = { ...appliance, env: { ...appliance.env, STACK_CONFIG: appliance.configFile } };
    assert.equal((await stack({ ...at, dir: '/' }, ['agents', 'list'])).code, 0);
  });
});

describe('a secret', () => {
  it('is set, listed and destroyed, and stands in no output, no log and no file', async () => {
    const set = await command(['secrets', 'set', 'billing'], `${CANARY}\n`);
    assert.equal(set.code, 0, set.stderr);
    const listed = await command(['secrets', 'list']);
    assert.match(listed.stdout, /^billing +billing +\d+ +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +127\.0\.0\.1$/m);
    const connected = await command(['services', 'list']);
    assert.match(connected.stdout, /^billing +yes /m);
    const wrong = await command(['secrets', 'set', 'billing', CANARY]);
    assert.equal(wrong.code, 2);
    const json = await command(['secrets', 'list', '--json']);
    const gone = await command(['secrets', 'delete', 'billing']);
    assert.equal(gone.code, 0, gone.stderr);
    const exits = { set, listed, connected, wrong, json, gone };
    const texts = Object.entries(exits).map(([name, { stdout, stderr }]) => [name, stdout + stderr]);
    assertAbsent({ ...Object.fromEntries(texts), logs: appliance.logs() }, CANARY);
    assert.deepEqual((await searchFiles(appliance.dir, CANARY)).found, []);
  });

  it('is stored without the line break at its end, whatever it is', async () => {
    for (const end of ['', '\n', '\r\n']) {
      const { code, err } = await inside(['secrets', 'set', 'billing'], `${CANARY}${end}`);
      assert.equal(code, 0, err);
    }
    const { code, err } = await inside(['secrets', 'set', 'billing'], `${CANARY}\n\n`);
    assert.equal(code, 1);
    assert.match(err, /--value: holds characters that no header may carry/);
  });
});

describe('a call', () => {
  it('takes its body from standard input as it is, and shows what the service answered', async () => {
    const issued = await inside(['passports', 'issue', '--agent', 'clerk', '--json']);
    const { jti } = JSON.parse(issued.out) as { jti: string };
    await inside(['secrets', 'set', 'billing'], CANARY);
    const line = 'proxy request --service billing --method POST --path /invoices --body - --passport';
    const text = await inside([...line.split(' '), jti], 'plain text\n');
    assert.equal(text.code, 0, text.err);
    assert.match(text.out, /^status: +200$/m);
    assert.match(text.out, /^body:\n {2}got:\n {4}plain text\n {4}$/m);
    const json = await inside([...line.split(' '), jti], '{"a": [1]}\n');
    assert.match(json.out, /^ {2}got: \{"a":\[1\]\}$/m);
    assertAbsent({ text: text.out, json: json.out }, CANARY);
  });
});

describe('a hostile name', () => {
  it('is shown with escapes, and is the same value as JSON', async () => {
    const made = await inside(['keys', 'create', HOSTILE, '--json']);
    assert.equal(made.code, 0, made.err);
    assert.equal(JSON.parse(made.out).name, HOSTILE);
    const listed = await inside(['keys', 'list']);
    assert.ok(listed.out.includes('ci\\u{202e}\\u{1b}[2Jtxt.\\u{200b}'), listed.out);
    const json = await inside(['keys', 'list', '--json']);
    for (const text of [made.out, listed.out, json.out])
      assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\u200b\u202e]/u);
    const names = (JSON.parse(json.out) as { keys: { name: string }[] }).keys.map(({ name }) => name);
    assert.ok(names.includes(HOSTILE));
  });
});

/** A folder whose `stack` is this program, for shells. */
async function shim(): Promise<string> {
  const dir = join(appliance.dir, 'bin');
  await mkdir(dir, { recursive: true });
  const path = join(dir, 'stack');
  const program = appliance.program.map((word) => `'${word}'`).join(' ');
  await writeFile(path, `#!/bin/sh\nexec ${program} "$@"\n`);
  await chmod(path, 0o755);
  return dir;
}

describe('completion in bash', () => {
  it('completes nouns, options and the names that the appliance knows', async () => {
    const PATH = `${await shim()}:${appliance.env['PATH'] ?? ''}`;
    const env = { ...appliance.env, PATH, STACK_CONFIG: appliance.configFile };
    const completed = async (...words: readonly string[]): Promise<readonly string[]> => {
      const typed = ['stack', ...words].map((word) => `'${word}'`).join(' ');
      const script = `set -e; source <(stack completion bash); complete -p stack >/dev/null
        COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _stack; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { stdout, stderr } = await run('bash', ['-c', script], { env });
      assert.equal(stderr, '');
      return stdout.split('\n').filter(Boolean);
    };
    assert.deepEqual(await completed('agents', 'get', 'cl'), ['clerk']);
    assert.deepEqual(await completed('pass'), ['passports']);
    assert.deepEqual(await completed('agents', 'register', 'x', '--accountability-mode', '=', 's'), [
      'standard',
    ]);
  });
});

describe('a completion script', () => {
  for (const [name, script] of Object.entries(SCRIPTS)) {
    const absent = spawnSync(name, ['-c', 'true']).error !== undefined;
    const skip = absent && `${name} is not installed here`;
    it(`for ${name} is one that ${name} can read`, { skip }, async () => {
      const path = join(appliance.dir, `completion.${name}`);
      await writeFile(path, script);
      const checked = spawnSync(name, ['-n', path], { encoding: 'utf8' });
      assert.equal(checked.status, 0, checked.stderr);
    });
  }
});

describe('stack check', () => {
  it('says what the file would change in the running appliance, and changes nothing', async () => {
    const same = await command(['check']);
    assert.equal(same.code, 0, same.stderr);
    assert.match(same.stdout, /nothing would change/);
    const json = await command(['check', '--json']);
    assert.deepEqual(JSON.parse(json.stdout), { valid: true, problems: [], changes: [] });
  });
});
