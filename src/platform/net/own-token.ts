// A key or a passport of ours, wherever it stands in a text: it is for us and for nobody behind us.
import { fromBase64url } from '#kernel/bytes.ts';

const KEY = /sk_live_[0-9a-f]{64}/;
/** Three parts in base64url (RFC 7515 7.1). Tokens of other issuers have this form, too, and may pass. */
const TOKEN = /(?<![\w-])(eyJ[\w-]+)\.eyJ[\w-]+\.[\w-]{80,}/g;
/** `typ` of our tokens' header; others do not have it. */
const OUR_TYPE = '"passport+jwt"';

export function holdsOwnToken(text: string): boolean {
  if (!text.includes('eyJ') && !text.includes('sk_live_')) return false;
  return KEY.test(text) || [...text.matchAll(TOKEN)].some(([, header = '']) => isOurs(header));
}

function isOurs(header: string): boolean {
  const bytes = fromBase64url(header);
  return bytes !== undefined && Buffer.from(bytes).includes(OUR_TYPE);
}
