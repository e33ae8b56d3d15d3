// `stack audit verify`: of the running appliance it is an operation; of a file it will be work of this program alone.
import type { Operation } from '#kernel/operation.ts';
import type { Command } from '#surfaces/cli/command.ts';
import { EXIT } from '#surfaces/cli/exit.ts';
import { Halt } from '#surfaces/cli/halt.ts';
import { toolsAsCommands } from '#surfaces/cli/naming.ts';
import type { FindSocket } from '#surfaces/cli/operation-command.ts';

type Deps = { readonly operations: () => Promise<readonly Operation[]>; readonly findSocket: FindSocket };

export const auditVerifyCommand = ({ operations, findSocket }: Deps): Command => ({
  name: 'audit verify',
  group: 'Look',
  summary: 'Walk the whole log and report the first entry that was changed, deleted, reordered or cut off.',
  positionals: [{ name: 'file', kind: 'text', required: false, description: '', hidden: true }],
  options: [
    { name: 'live', kind: 'flag', required: false, description: 'The log of the running appliance.' },
  ],
  example: 'stack audit verify --live',
  run: async (given) => {
    if (given.values['file'] !== undefined)
      throw new Halt('verifying a file is not in this version; `stack audit verify --live`', EXIT.usage);
    if (given.values['live'] !== true)
      throw new Halt('say what to verify: `stack audit verify --live`', EXIT.usage);
    const [known, { operationCommand }] = await Promise.all([
      operations(),
      import('#surfaces/cli/operation-command.ts'),
    ]);
    const operation = known.find(({ name }) => name === 'stack_verify_chain');
    if (operation === undefined) throw new Error('there is no operation that verifies the chain');
    return operationCommand(operation, { findSocket, asCommands: toolsAsCommands(known) }).run({
      ...given,
      values: {},
    });
  },
});
