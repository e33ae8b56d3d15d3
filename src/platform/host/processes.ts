// Other programs of this machine as /proc shows them: who they run as, and who is connected to a port of ours.
// Only names are read, never values: an environment may hold a secret.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename } from 'node:path';

export type Program = {
  readonly pid: number;
  readonly uid: number;
  /** Base names of the program and of its first argument, such as `node` and `claude`. */
  readonly names: readonly string[];
  /** Names of its environment's variables; none where they may not be read. */
  readonly variables: readonly string[];
};
export type Client = {
  readonly uid: number;
  /** Undefined where the program may not be looked up. */
  readonly program: Program | undefined;
};

const PID = /^\d+$/;
/** proc(5), /proc/net/tcp: the state of an open connection. */
const ESTABLISHED = '01';
const HEX = 16;

/** Empty where there is no /proc. */
export function readPrograms(): readonly Program[] {
  return listOf('/proc')
    .filter((name) => PID.test(name))
    .flatMap((pid) => readProgram(Number(pid)) ?? []);
}

function readProgram(pid: number): Program | undefined {
  try {
    const { uid } = statSync(`/proc/${pid}`);
    const [command = '', first = ''] = textOf(`/proc/${pid}/cmdline`).split('\0');
    const variables = textOf(`/proc/${pid}/environ`)
      .split('\0')
      .map((line) => line.split('=')[0] ?? '')
      .filter((name) => name !== '');
    return { pid, uid, names: [basename(command), basename(first)].filter((name) => name !== ''), variables };
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

/** Local programs with an open connection to this port. */
export function clientsOf(port: number, programs: readonly Program[]): readonly Client[] {
  const rows = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => textOf(file).split('\n').slice(1));
  const sockets = rows.flatMap((row) => {
    const [, , remote = '', state, , , , uid = '', , inode = ''] = row.trim().split(/\s+/);
    const theirs = Number.parseInt(remote.split(':')[1] ?? '', HEX);
    return state === ESTABLISHED && theirs === port ? [{ uid: Number(uid), inode }] : [];
  });
  return sockets.map(({ uid, inode }) => ({
    uid,
    program: programs.find((program) => program.uid === uid && holds(program.pid, inode)),
  }));
}

function holds(pid: number, inode: string): boolean {
  const folder = `/proc/${pid}/fd`;
  return listOf(folder).some((name) => {
    try {
      return readlinkSync(`${folder}/${name}`) === `socket:[${inode}]`;
    } catch {
      return false;
    }
  });
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function listOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
