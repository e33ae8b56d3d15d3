// Reading small files of the operator, with the facts that matter for trust.
import { accessSync, constants, existsSync, lstatSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { createWhole } from './new-file.ts';

const WRITABLE_BY_OTHERS = 0o022;

export type FileText =
  | { readonly text: string; readonly warning: string | undefined }
  | { readonly problem: string };

/** Writes the config of a first start; one that exists is never touched. Answers why it cannot. */
export function createConfigFile(path: string, text: string): string | undefined {
  try {
    if (!existsSync(path)) createWhole(path, text);
    return undefined;
  } catch (thrown) {
    return `${path} cannot be made: ${(thrown as { code?: string }).code ?? 'unknown error'}`;
  }
}

export function readConfigText(path: string): FileText {
  try {
    const facts = statSync(path);
    if (!facts.isFile()) return { problem: `${path} is not a file` };
    const open = (facts.mode & WRITABLE_BY_OTHERS) !== 0;
    const warning = open
      ? `${path} can be written by others, who could grant anything; make it 0600`
      : undefined;
    return { text: readFileSync(path, 'utf8'), warning };
  } catch (thrown) {
    return { problem: `${path} cannot be read: ${(thrown as { code?: string }).code ?? 'unknown error'}` };
  }
}

/** Where the reason does not matter. */
export function readTextOrNothing(path: string): string | undefined {
  const read = readConfigText(path);
  return 'text' in read ? read.text : undefined;
}

/** A reload refuses a file that was replaced by a link: it could be switched between check and use. */
export const isLink = (path: string): boolean =>
  lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;

/** f_type of statfs(2): locks and shared memory of the write-ahead log do not hold on these. */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xfe534d42, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0x01021997, '9p'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x00c36400, 'Ceph'],
  [0x73757245, 'Coda'],
  [0x564c, 'NCP'],
  [0x7461636f, 'OCFS2'],
  [0x01161970, 'GFS2'],
  [0x0bd00bd0, 'Lustre'],
]);
/** Of the 64 bits only these are the number. */
const F_TYPE_BITS = 0xffffffffn;

/** Why the state cannot live in this folder, or undefined. A folder that is missing is made later, so its parent counts. */
export function folderProblem(path: string): string | undefined {
  try {
    let place = path;
    while (statSync(place, { throwIfNoEntry: false }) === undefined) place = dirname(place);
    if (!statSync(place).isDirectory()) return `${place} is not a folder`;
    const network = NETWORK_FILE_SYSTEMS.get(Number(BigInt(statfsSync(place).type) & F_TYPE_BITS));
    if (network !== undefined)
      return `${path} is on a network file system (${network}); the state needs a local disk`;
    accessSync(place, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (thrown) {
    return `${path} cannot be made or written by this user: ${(thrown as { code?: string }).code ?? 'unknown error'}`;
  }
}

/** The user that a file or folder belongs to; undefined where it is not there. */
export const ownerOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.uid;
