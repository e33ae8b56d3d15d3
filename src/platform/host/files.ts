// Reading small files of the operator, with the facts that matter for trust.
import { lstatSync, readFileSync, statSync } from 'node:fs';

const WRITABLE_BY_OTHERS = 0o022;

export type FileText =
  | { readonly text: string; readonly warning: string | undefined }
  | { readonly problem: string };

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

/** A reload refuses a file that was replaced by a link: it could be switched between check and use. */
export const isLink = (path: string): boolean => lstatSync(path).isSymbolicLink();
