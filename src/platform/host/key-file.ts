// The root key's file: made once, 0600, refused when others may read it. Nothing else of the vault is outside the database.
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { Sensitive } from '#kernel/sensitive.ts';
import { createWhole } from './new-file.ts';

export const ROOT_KEY_BYTES = 32;
const HEADER = 'stack-root-key-v1';
const OTHERS = 0o077;
/**
 * Where systemd puts what LoadCredential= names. It may let the service's user in by an access list, which the mode
 * shows as the group's right to read; everybody else stays out.
 */
const SYSTEM_CREDENTIALS = '/run/credentials';
const OTHERS_OF_CREDENTIAL = 0o037;

export class KeyFileFault extends Error {}

export const keyFileExists = (path: string): boolean => existsSync(path);

/** An existing key is never overwritten. Throws KeyFileFault where the folder takes no file. */
export function createKeyFile(path: string, key: Uint8Array): void {
  try {
    createWhole(path, `${HEADER} ${Buffer.from(key).toString('base64')}\n`);
  } catch (thrown) {
    const code = (thrown as { code?: string }).code ?? 'unknown error';
    throw new KeyFileFault(
      `key file ${path} does not exist and cannot be made here (${code}); make it once, as its owner: ` +
        `(umask 077; printf '${HEADER} %s\\n' "$(openssl rand -base64 ${ROOT_KEY_BYTES})" > KEY_FILE)`,
    );
  }
}

/** Why this file cannot be the root key, or undefined; also where it does not exist yet. */
export function keyFileProblem(path: string, credentials = SYSTEM_CREDENTIALS): string | undefined {
  const facts = lstatSync(path, { throwIfNoEntry: false });
  if (facts === undefined) return undefined;
  if (!facts.isFile()) return `key file ${path} is not a regular file`;
  const others = path.startsWith(`${credentials}/`) ? OTHERS_OF_CREDENTIAL : OTHERS;
  return (facts.mode & others) === 0
    ? undefined
    : `key file ${path} can be read by others; it must be 0600: chmod 600 ${path}`;
}

/** Throws KeyFileFault with a sentence that names the path and what would be right. */
export function readKeyFile(path: string): Sensitive<Uint8Array> {
  const problem = keyFileProblem(path);
  if (problem !== undefined) throw new KeyFileFault(problem);
  const [header, text = ''] = readFileSync(path, 'utf8').trim().split(' ');
  const key = Buffer.from(text, 'base64');
  if (header !== HEADER || key.length !== ROOT_KEY_BYTES)
    throw new KeyFileFault(`key file ${path} is damaged`);
  return new Sensitive(new Uint8Array(key));
}
