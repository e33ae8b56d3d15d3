// `stack doctor`: examines one installation, changes nothing, and says what to do about each finding.
import type { Finding } from '#features/doctor/model.ts';
import { TOPICS } from '#features/doctor/model.ts';
import type { Command, Given } from '#surfaces/cli/command.ts';
import { EXIT } from '#surfaces/cli/exit.ts';
import { printable } from '#surfaces/cli/printable.ts';
import { say } from '#surfaces/cli/shell.ts';
import type { Self } from './examine.ts';

export const doctorCommand = (self: Self): Command => ({
  name: 'doctor',
  group: 'Run',
  summary: 'Examine config, files, clock, services and agents, and say what to do. Changes nothing.',
  positionals: [],
  options: [],
  example: 'stack doctor --config config.yaml',
  run: async (given) => {
    const { examine } = await import('./examine.ts');
    const findings = await examine(given, self);
    if (given.json) say(given.shell, JSON.stringify({ findings }));
    else print(given, findings);
    return findings.some(({ level }) => level === 'problem') ? EXIT.refused : EXIT.done;
  },
});

/** Words, not colours: a report is pasted into a ticket. */
const MARKS = { ok: '  ok     ', warning: '  warning', problem: '✗ PROBLEM' } as const;

function print({ shell }: Given, findings: readonly Finding[]): void {
  const width = Math.max(...TOPICS.map((topic) => topic.length));
  for (const topic of TOPICS) {
    for (const { level, message, next } of findings.filter((one) => one.topic === topic)) {
      say(shell, `${MARKS[level]}  ${topic.padEnd(width)}  ${printable(message)}`);
      if (next !== undefined) say(shell, `${' '.repeat(width + 13)}→ ${printable(next)}`);
    }
  }
  const count = (level: Finding['level']): number => findings.filter((one) => one.level === level).length;
  say(shell, `\n${plural(count('problem'), 'problem')}, ${plural(count('warning'), 'warning')}`);
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
