// The SQL of agents. `mode` is what was asked for; the config may say otherwise.
import type { Statement } from '#kernel/unit.ts';
import { compiler, type Reader, statement } from '#platform/storage/compiler.ts';

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

export const agentBy = (reader: Reader, idOrName: string): Promise<AgentRow | undefined> =>
  reader.first(
    db
      .selectFrom('agents')
      .selectAll()
      .where((where) => where.or([where('id', '=', idOrName), where('name', '=', idOrName)])),
  );
export const agentsAfter = (reader: Reader, name: string, limit: number): Promise<AgentRow[]> =>
  reader.all(db.selectFrom('agents').selectAll().where('name', '>', name).orderBy('name').limit(limit));
export const insertAgent = (row: AgentRow): Statement => statement(db.insertInto('agents').values(row), 1);
export const updateAgent = (id: string, change: Partial<AgentRow>): Statement =>
  statement(db.updateTable('agents').set(change).where('id', '=', id), 1);
export const deleteAgent = (id: string): Statement =>
  statement(db.deleteFrom('agents').where('id', '=', id), 1);
