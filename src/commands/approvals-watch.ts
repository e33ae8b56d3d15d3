// `stack approvals watch`: shows calls that wait for a person, as they come, until it is interrupted. It asks the running
// appliance again and again; nothing is decided here.
import { setTimeout as delay } from 'node:timers/promises';
import { APPROVAL_POLL_AFTER_MS, LIST_PAGE_MAX } from '#kernel/limits.ts';
import { callSocket } from '#platform/net/local-socket.ts';
import type { Command, Given } from '#surfaces/cli/command.ts';
import { EXIT } from '#surfaces/cli/exit.ts';
import { Halt } from '#surfaces/cli/halt.ts';
import type { FindSocket } from '#surfaces/cli/operation-command.ts';
import { printable } from '#surfaces/cli/printable.ts';
import { say, tell } from '#surfaces/cli/shell.ts';

type Row = Readonly<
  Record<'approval_id' | 'status' | 'agent_name' | 'action' | 'method' | 'url' | 'reason', string>
>;

export const approvalsWatchCommand = ({ findSocket }: { readonly findSocket: FindSocket }): Command => ({
  name: 'approvals watch',
  group: 'Look',
  summary: 'Show calls that wait for a person, as they come. Ends when interrupted.',
  positionals: [],
  options: [
    {
      name: 'once',
      kind: 'flag',
      required: false,
      description: 'Show what waits now, and end.',
    },
  ],
  example: 'stack approvals watch',
  run: async (given) => {
    const socket = await findSocket(given.config);
    const shown = new Set<string>();
    for (;;) {
      const waiting = await waitingRows(socket);
      for (const row of waiting.filter(({ approval_id }) => !shown.has(approval_id))) show(given, row);
      shown.clear();
      for (const { approval_id } of waiting) shown.add(approval_id);
      if (given.values['once'] === true) return EXIT.done;
      await delay(APPROVAL_POLL_AFTER_MS);
    }
  },
});

/** The newest page: more than a person reads at once. The oldest first. */
async function waitingRows(socket: string): Promise<readonly Row[]> {
  const route = `/v1/approvals?open=true&limit=${LIST_PAGE_MAX}`;
  const answer = await callSocket(socket, { method: 'GET', route });
  if (answer === undefined)
    throw new Halt(`nothing listens on ${socket}\n  next: start it with \`stack serve\``, EXIT.unreachable);
  if (answer.status !== 200)
    throw new Halt(`the appliance answered ${answer.status}; see its log`, EXIT.refused);
  const { approvals } = answer.body as { readonly approvals: readonly Row[] };
  return approvals.filter(({ status }) => status === 'pending').toReversed();
}

function show({ shell, json }: Given, row: Row): void {
  if (json) {
    say(shell, JSON.stringify(row));
    return;
  }
  const reason = row.reason === '' ? '' : `\n  the agent says: ${printable(row.reason)}`;
  say(shell, printable(`${row.approval_id}  ${row.agent_name}  ${row.action}`));
  say(shell, `  ${printable(`${row.method} ${row.url}`)}${reason}`);
  tell(shell, `  stack approvals show ${printable(row.approval_id)}`);
}
