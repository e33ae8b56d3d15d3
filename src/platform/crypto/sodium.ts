// libsodium, loaded once before anything else of this folder is used.
import sodium from 'libsodium-wrappers';

export type Sodium = typeof sodium;

export async function loadSodium(): Promise<Sodium> {
  await sodium.ready;
  return sodium;
}
