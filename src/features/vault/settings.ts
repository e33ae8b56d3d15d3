// The `vault` section of the config. Descriptions are the manual.
import { z } from 'zod';

export const vaultSettings = z.strictObject({
  key_file: z.string().default('./stack.key').describe('The root key, 0600, never inside data_dir.'),
});
