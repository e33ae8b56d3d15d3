// What completion offers, without a shell: words of the commands at once, names only where a name belongs.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { completionCommand } from '#commands/completion.ts';
import { versionCommand } from '#commands/version.ts';
import type { Command, Source } from '#surfaces/cli/command.ts';
import { type Candidate, complete } from '#surfaces/cli/completion.ts';
import { allCommands, type Program, runProgram } from '#surfaces/cli/program.ts';
import { keptShell } from '#test/support/shell.ts';
import { describedOperations } from '../../../src/operations.ts';

const program: Program = {
  shell: keptShell().shell,
  commands: [completionCommand, versionCommand('9.9.9')],
  operations: async () => describedOperations(),
  findSocket: async () => '/nonexistent/stack.sock',
};
const commands: readonly Command[] = await allCommands(program);

const asked: Source[] = [];
const names = async (source: Source): Promise<readonly Candidate[]> => {
  asked.push(source);
  const words = [`${source}-one`, `${source}-two`, 'rm -rf ~', '$(reboot)', 'a\u202eb', '`x`', 'a;b'];
  return words.map((word) => ({ word, note: '' }));
};

const offered = async (...words: readonly string[]): Promise<readonly string[]> =>
  (await complete(commands, words, names)).map(({ word }) => word);

describe('completion', () => {
  it('offers nouns and own commands, then verbs', async () => {
    assert.deepEqual(await offered('pass'), ['passports']);
    assert.deepEqual(await offered('ver'), ['version']);
    assert.deepEqual(await offered('keys', ''), ['create', 'list', 'revoke']);
    assert.deepEqual(await offered('nonsense', ''), []);
    assert.deepEqual(await offered('keys', 'nonsense', ''), []);
  });

  it('offers options once, but those that may be repeated, and never one for a secret', async () => {
    assert.deepEqual(await offered('audit', 'list', '--c'), ['--cursor', '--config']);
    assert.deepEqual(await offered('audit', 'list', '--cursor', '3', '--c'), ['--config']);
    assert.ok((await offered('passports', 'issue', '--scopes', 'a', '--')).includes('--scopes'));
    assert.deepEqual(await offered('secrets', 'set', 'billing', '--v'), []);
    assert.ok((await offered('agents', 'delete', 'bot', '--')).includes('--yes'));
  });

  it('offers the choices of an option, also behind its =', async () => {
    const modes = ['enforced', 'logged', 'standard'];
    assert.deepEqual(await offered('agents', 'register', 'x', '--accountability-mode', ''), modes);
    assert.deepEqual(await offered('agents', 'register', 'x', '--accountability-mode', '=', 'l'), ['logged']);
    assert.deepEqual(await offered('agents', 'register', 'x', '--accountability-mode', '='), modes);
    assert.deepEqual(await offered('agents', 'register', 'x', '--accountability-mode=l'), [
      '--accountability-mode=logged',
    ]);
    assert.deepEqual(await offered('completion', ''), ['bash', 'zsh', 'fish']);
  });

  it('offers the names that belong there, and none that a shell could take for more than a word', async () => {
    const cases: readonly (readonly [Source, ...string[]])[] = [
      ['agents', 'agents', 'get', ''],
      ['agents', 'passports', 'issue', '--agent', ''],
      ['keys', 'keys', 'revoke', ''],
      ['passports', 'passports', 'revoke', ''],
      ['secrets', 'secrets', 'delete', ''],
      ['services', 'proxy', 'request', '--service', ''],
    ];
    for (const [source, ...words] of cases)
      assert.deepEqual(await offered(...words), [`${source}-one`, `${source}-two`]);
    assert.deepEqual(await offered('agents', 'get', '--config', 'x', 'agents-t'), ['agents-two']);
  });

  it('asks the appliance for nothing where no name belongs', async () => {
    asked.length = 0;
    await offered('agents', '');
    await offered('agents', 'register', '');
    await offered('audit', 'list', '--limit', '');
    await offered('agents', 'get', '--');
    assert.deepEqual(asked, []);
  });

  it('asks the installation that the line names', async () => {
    const lines = [['--config', 'a.yaml'], ['--config=a.yaml'], ['--config', '=', 'a.yaml']];
    for (const line of lines) {
      const found: string[] = [];
      const findSocket = async (config: string): Promise<string> => {
        found.push(config);
        return '/nonexistent/stack.sock';
      };
      await runProgram(['__complete', 'agents', 'get', ...line, ''], { ...program, findSocket });
      assert.deepEqual(found, ['a.yaml'], line.join(' '));
    }
  });

  it('is silent where nothing runs and where there is no config', async () => {
    const without: readonly Program['findSocket'][] = [
      program.findSocket,
      async () => assert.fail('there is no config'),
    ];
    for (const findSocket of without) {
      const kept = keptShell();
      const argv = ['__complete', 'agents', 'get', ''];
      assert.equal(await runProgram(argv, { ...program, shell: kept.shell, findSocket }), 0);
      assert.equal(kept.err(), '');
      assert.ok(kept.out().startsWith('--json\t'), kept.out());
    }
  });
});
