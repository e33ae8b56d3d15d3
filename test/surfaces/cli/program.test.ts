// The program inside the test, with commands that only record: help, usage, standard input and what is asked.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { auditVerifyCommand } from '#commands/audit-verify.ts';
import { checkCommand } from '#commands/check.ts';
import { completionCommand } from '#commands/completion.ts';
import { versionCommand } from '#commands/version.ts';
import type { Command, Given } from '#surfaces/cli/command.ts';
import { allCommands, type Program, runProgram } from '#surfaces/cli/program.ts';
import { type Around, keptShell } from '#test/support/shell.ts';
import { describedOperations } from '../../../src/operations.ts';

const CANARY = 'canary-9d41-of-the-command-line';
const COLUMNS = 80;

const operations = async () => describedOperations();
const findSocket = async () => '/nonexistent/stack.sock';

function recording(calls: Given[]): Command {
  return {
    name: 'seal',
    group: 'Run',
    summary: 'Seal a value.',
    positionals: [],
    options: [
      { name: 'service', kind: 'text', required: true, description: 'Whose.', completes: 'services' },
      { name: 'host', kind: 'list', required: false, description: 'Where.' },
      { name: 'value', kind: 'secret', required: true, description: 'What.' },
    ],
    example: 'stack seal --service billing < token.txt',
    asks: 'It is a test.',
    run: async (given) => {
      calls.push(given);
      return 0;
    },
  };
}

async function run(argv: readonly string[], around: Around = {}) {
  const kept = keptShell(around);
  const calls: Given[] = [];
  const commands = [
    recording(calls),
    checkCommand,
    completionCommand,
    versionCommand('9.9.9'),
    auditVerifyCommand({ operations, findSocket }),
  ];
  const program: Program = { shell: kept.shell, commands, operations, findSocket };
  const code = await runProgram(argv, program);
  return { code, calls, program, out: kept.out(), err: kept.err(), raw: kept.raw };
}

describe('help', () => {
  it('shows every command in three groups, and nothing of later versions', async () => {
    const { code, out, err, program } = await run([]);
    assert.equal(code, 0);
    assert.equal(err, '');
    for (const heading of ['Run', 'Look', 'Change']) assert.match(out, new RegExp(`^${heading}`, 'm'));
    for (const { name } of await allCommands(program))
      for (const word of name.split(' ')) assert.ok(out.includes(word), `${word} in\n${out}`);
    assert.doesNotMatch(out, /backup|restore|login|skills|dropoffs/);
    assert.equal((await run(['help'])).out, out);
    assert.equal((await run(['--help'])).out, out);
  });

  it('of every noun and verb fits 80 columns, has an example and names no tool', async () => {
    const { program } = await run([]);
    const commands = await allCommands(program);
    const lines = [...new Set(commands.flatMap(({ name }) => [name, name.split(' ')[0] ?? '']))];
    for (const line of lines) {
      const { code, out, err } = await run([...line.split(' '), '--help']);
      assert.equal(code, 0, `${line}: ${err}`);
      for (const text of out.split('\n')) assert.ok(text.length <= COLUMNS, `${line}: ${text}`);
      assert.match(out, /^Example:?$/m, line);
      assert.match(out, /^ {2}(?:stack|source) /m, line);
      assert.doesNotMatch(out, /stack_[a-z]|[Nn]ot in this version/, line);
      assert.equal((await run(['help', ...line.split(' ')])).out, out);
    }
    for (const text of (await run([])).out.split('\n')) assert.ok(text.length <= COLUMNS, text);
  });
});

describe('wrong usage', () => {
  const usage = async (argv: readonly string[], told: RegExp): Promise<void> => {
    const { code, out, err } = await run(argv);
    assert.equal(code, 2, `${argv.join(' ')}: ${err}`);
    assert.equal(out, '');
    assert.match(err, told);
  };

  it('is exit 2 and says what was probably meant', async () => {
    await usage(['agnts', 'list'], /unknown command 'agnts' \(Did you mean agents\?\)/);
    await usage(['agents', 'lst'], /Did you mean list\?/);
    await usage(['agents', 'list', '--limt', '3'], /Did you mean --limit\?/);
    await usage(['help', 'agents', 'lst'], /Did you mean list\?/);
    await usage(['help', 'agnts'], /Did you mean agents\?/);
    await usage(['completion', 'bsh'], /did you mean bash\?/);
    await usage(['agents'], /Usage: stack agents VERB/);
    await usage(['agents', 'get'], /missing required argument 'id'/);
    await usage(['agents', 'get', ''], /ID: must not be empty/);
    await usage(['agents', 'get', 'a', 'b'], /takes 1 argument, got 2/);
    await usage(['seal'], /required option '--service <text>'/);
    await usage(['audit', 'verify'], /--live/);
    await usage(['audit', 'verify', 'log.ndjson'], /not in this version/);
  });

  it('names the next step', async () => {
    assert.match((await run(['agents', 'get'])).err, /next: stack agents get --help/);
  });
});

describe('a secret', () => {
  it('comes by standard input, without the line break at its end', async () => {
    const { code, calls } = await run(['seal', '--service', 'billing'], { input: `${CANARY}\r\n` });
    assert.equal(code, 0);
    assert.equal(calls[0]?.values['value'], CANARY);
  });

  it('is asked for on a terminal, which is told not to show it', async () => {
    const typed = `wrong\u0015${CANARY}x\u007f\r`;
    const asked = await run(['seal', '--service', 'billing', '--yes'], { input: typed, terminal: true });
    assert.equal(asked.calls[0]?.values['value'], CANARY);
    assert.deepEqual(asked.raw, [true, false]);
    assert.match(asked.err, /value \(not shown\): /);
    assert.ok(!(asked.out + asked.err).includes(CANARY));
  });

  it('is asked for by the name it is for', async () => {
    const around = { input: 'x\r', terminal: true };
    assert.match((await run(['secrets', 'set', 'billing'], around)).err, /^value of billing \(not shown\): /);
  });

  it('is not taken after an interrupt', async () => {
    const asked = await run(['seal', '--service', 'billing', '--yes'], {
      input: 'abc\u0003',
      terminal: true,
    });
    assert.equal(asked.code, 1);
    assert.deepEqual(asked.calls, []);
    assert.deepEqual(asked.raw, [true, false]);
  });

  it('is refused on the command line with the reason, and never said back', async () => {
    const lines = [
      ['seal', '--service', 'billing', '--value', CANARY],
      ['seal', '--service', 'billing', `--value=${CANARY}`],
      ['secrets', 'set', 'billing', CANARY],
      ['secrets', 'set', 'billing', '--value', CANARY],
      ['secrets', 'set', 'billing', `--valeu=${CANARY}`],
      ['passports', 'verify', CANARY],
      ['agents', 'list', `sk_live_${CANARY}`],
      ['proxy', 'request', `--passport=eyJ0.eyJ1.${CANARY}`],
      ['proxy', 'request', '--service', 'x', '--method', 'GET', '--intent', `{${CANARY}`],
    ];
    for (const argv of lines) {
      const { code, calls, out, err } = await run(argv, { input: 'other' });
      assert.equal(code, 2, argv.join(' '));
      assert.deepEqual(calls, []);
      assert.ok(!(out + err).includes(CANARY), `${argv.slice(0, 2).join(' ')}: ${err}`);
      assert.ok(err.length > 0);
    }
    assert.match(
      (await run(['secrets', 'set', 'billing', CANARY])).err,
      /history[\s\S]*stack secrets set billing </,
    );
  });

  it('is known by its form where an option takes any text', async () => {
    const call = ['proxy', 'request', '--service', 'x', '--method', 'GET', '--passport'];
    for (const argv of [
      [...call, `eyJ0.eyJ1.${CANARY}`],
      ['keys', 'create', `sk_live_${CANARY}`],
    ]) {
      const { code, err } = await run(argv);
      assert.equal(code, 2);
      assert.match(err, /a key or a token stands on the command line/);
      assert.ok(!err.includes(CANARY));
    }
    assert.equal((await run([...call, 'pp_1'])).code, 3, 'the id of a passport is no secret');
  });

  it('that is missing is wrong usage', async () => {
    const { code, err } = await run(['seal', '--service', 'billing'], { input: '\n' });
    assert.equal(code, 2);
    assert.match(err, /--value: nothing came by standard input/);
  });
});

describe('a command that reaches further than its name', () => {
  const asked = (input: string) =>
    run(['agents', 'delete', 'bot'], { input, terminal: true, environment: { STACK_CONFIG: 'x' } });

  it('asks on a terminal and does nothing without a yes', async () => {
    for (const answer of ['n\n', '\n', 'yess\n']) {
      const { code, err } = await asked(answer);
      assert.equal(code, 1, answer);
      assert.match(err, /ends every passport[\s\S]*Go on\? \[y\/N\][\s\S]*nothing was done/);
    }
  });

  it('goes on after a yes, with --yes, and where nobody is there to ask', async () => {
    assert.equal((await asked('y\n')).code, 3);
    const forced = await run(['agents', 'delete', 'bot', '--yes'], { terminal: true });
    assert.equal(forced.code, 3);
    assert.doesNotMatch(forced.err, /Go on/);
    assert.equal((await run(['agents', 'delete', 'bot'])).code, 3);
  });
});

describe('a command of its own', () => {
  it('gets its options, the config and the common options, before the noun or behind', async () => {
    const { calls } = await run(
      ['--config', 'a.yaml', 'seal', '--json', '--service=billing', '--host', 'a', '--host', 'b'],
      { input: 'x' },
    );
    assert.deepEqual(calls[0]?.values, { service: 'billing', host: ['a', 'b'], value: 'x' });
    assert.equal(calls[0]?.config, 'a.yaml');
    assert.equal(calls[0]?.json, true);
  });

  it('has its config from --config, else STACK_CONFIG, else config.yaml', async () => {
    const environment = { STACK_CONFIG: 'b.yaml' };
    const of = async (argv: readonly string[], around: Around) =>
      (await run(['seal', '--service', 's', ...argv], { input: 'x', ...around })).calls[0]?.config;
    assert.equal(await of(['--config', 'a.yaml'], { environment }), 'a.yaml');
    assert.equal(await of([], { environment }), 'b.yaml');
    assert.equal(await of([], {}), 'config.yaml');
  });

  it('prints its version without loading an operation', async () => {
    const kept = keptShell();
    const commands = [versionCommand('9.9.9')];
    const absent = async () => assert.fail('operations were loaded');
    const code = await runProgram(['--version'], {
      shell: kept.shell,
      commands,
      operations: absent,
      findSocket,
    });
    assert.deepEqual([code, kept.out()], [0, '9.9.9\n']);
  });
});

describe('an appliance that does not run', () => {
  it('is exit 3, with the socket and the next step, and nothing on standard output', async () => {
    const { code, out, err } = await run(['agents', 'list', '--json']);
    assert.equal(code, 3);
    assert.equal(out, '');
    assert.match(err, /nothing listens on \/nonexistent\/stack\.sock[\s\S]*next: [\s\S]*stack serve/);
  });
});
