// The SQL of agents. `mode` is what was asked for; the config may say otherwise.
import type { Statement } from '#kernel/unit.ts';
import { compiler, lookup, type Reader, statement } from '#platform/storage/compiler.ts';

export type AgentRow = {
  id: string;
  name: string;
  description: string;
  mode: 'enforced' | 'logged' | 'standard';
  on_warning: 'notify' | 'block';
  on_critical: 'notify' | 'block';
  status: 'active' | 'blocked';
  source: 'api' | 'config';
  created_at: number;
};

const db = compiler<{ agents: AgentRow }>();

const byIdOrName = lookup(1, (idOrName) =>
  db
    .selectFrom('agents')
    .selectAll()
    .where((where) => where.or([where('id', '=', idOrName), where('name', '=', idOrName)])),
);
export const agentBy = (reader: Reader, idOrName: string): AgentRow | undefined =>
  reader.recall(byIdOrName, idOrName);
export const agentsAfter = (reader: Reader, name: string, limit: number): Promise<AgentRow[]> =>
  reader.all(db.selectFrom('agents').selectAll().where('name', '>', name).orderBy('name').limit(limit));
/** Also rows of agents that the config has dropped: they hold their name and their place. */
export async function countAgents(reader: Reader): Promise<number> {
  const row = await reader.first(
    db.selectFrom('agents').select((of) => of.fn.countAll<number>().as('count')),
  );
  return row?.count ?? 0;
}
export const insertAgent = (row: AgentRow): Statement => statement(db.insertInto('agents').values(row), 1);
/** As long as there are fewer than `agentsMax`; judged where it is written, so that parallel calls cannot pass it together. */
export function insertAgentWithin(row: AgentRow, agentsMax: number): Statement {
  const columns = Object.keys(row) as (keyof AgentRow)[];
  const present = db.selectFrom('agents').select((of) => of.fn.countAll().as('count'));
  const values = db
    .selectNoFrom((each) => columns.map((column) => each.val(row[column]).as(column)))
    .where((each) => each(present, '<', agentsMax));
  return statement(db.insertInto('agents').columns(columns).expression(values), 1);
}
export const updateAgent = (id: string, change: Partial<AgentRow>): Statement =>
  statement(db.updateTable('agents').set(change).where('id', '=', id), 1);
export const blockAgent = (id: string): Statement => updateAgent(id, { status: 'blocked' });
export const deleteAgent = (id: string): Statement =>
  statement(db.deleteFrom('agents').where('id', '=', id), 1);
