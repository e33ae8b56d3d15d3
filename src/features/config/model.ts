// What a reload of the config changes, as data: for the log, the audit entry, and `stack check`.
import type { Json } from '#kernel/canonical.ts';

/** One field that differs; `null` stands for a field that is not there. */
export type Change = { readonly path: string; readonly from: Json; readonly to: Json };

/** Why a file cannot take effect as it is; `place` is a position in the file, or a field. */
export type Problem = { readonly place: string; readonly message: string };

/** What the file on disk would do to the config in force. */
export type Look = { readonly problems: readonly Problem[]; readonly changes: readonly Change[] };

/** Fields that take effect at a start only: a listener, a folder or an issuer cannot be moved under open calls. */
const FIXED_AT_START = ['server.listen', 'server.public_url', 'data_dir', 'vault.key_file'];

export const needsRestart = ({ path }: Change): boolean => FIXED_AT_START.includes(path);
