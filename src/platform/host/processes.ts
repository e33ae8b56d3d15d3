// Other programs of this machine as /proc shows them: who they run as, and who is connected to a port of ours.
// Only names are read, never values: an environment may hold a secret.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename } from 'node:path';

export type Program = {
  readonly pid: number;
  readonly uid: number;
  /** Of the program that started it. */
  readonly parent: number;
  /** Base names of the program and of its first argument that is no option, such as `node` and `claude`. */
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
/** proc(5), /proc/net/tcp: states of a socket. */
const ESTABLISHED = '01';
const LISTENING = '0A';
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
    const [command = '', ...words] = textOf(`/proc/${pid}/cmdline`).split('\0');
    const first = words.find((word) => !word.startsWith('-')) ?? '';
    const parent = Number(/^PPid:\s*(\d+)/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0);
    const variables = textOf(`/proc/${pid}/environ`)
      .split('\0')
      .map((line) => line.split('=')[0] ?? '')
      .filter((name) => name !== '');
    const names = [command, first].map((path) => basename(path)).filter((name) => name !== '');
    return { pid, uid, parent, names, variables };
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

/** Local programs with an open connection to this port. */
export const clientsOf = (port: number, programs: readonly Program[]): readonly Client[] =>
  sockets().flatMap(({ remote, state, ...socket }) =>
    state === ESTABLISHED && remote === port ? [clientOf(socket, programs)] : [],
  );

/** Users of local programs with an open connection to this port. */
export const clientUids = (port: number): readonly number[] =>
  sockets().flatMap(({ remote, state, uid }) => (state === ESTABLISHED && remote === port ? [uid] : []));

/** Programs that listen on this port. */
export const listenersOf = (port: number, programs: readonly Program[]): readonly Client[] =>
  sockets().flatMap(({ local, state, ...socket }) =>
    state === LISTENING && local === port ? [clientOf(socket, programs)] : [],
  );

const clientOf = (socket: Pick<SocketRow, 'uid' | 'inode'>, programs: readonly Program[]): Client => ({
  uid: socket.uid,
  program: programs.find((program) => program.uid === socket.uid && holds(program.pid, socket.inode)),
});

type SocketRow = {
  readonly local: number;
  readonly remote: number;
  readonly state: string;
  readonly uid: number;
  readonly inode: string;
};

function sockets(): readonly SocketRow[] {
  const rows = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => textOf(file).split('\n').slice(1));
  return rows.map((row) => {
    const [, local = '', remote = '', state = '', , , , uid = '', , inode = ''] = row.trim().split(/\s+/);
    return { local: portOf(local), remote: portOf(remote), state, uid: Number(uid), inode };
  });
}

const portOf = (place: string): number => Number.parseInt(place.split(':')[1] ?? '', HEX);

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
