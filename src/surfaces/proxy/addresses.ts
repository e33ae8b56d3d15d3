// Where an answer sends its client next. SDKs follow Location and Link by themselves and take our key along, so what lies
// below the service's base is written as an address of ours, and what does not is not left where it would be followed.

type Header = readonly [name: string, value: string];

export type Addresses = {
  /** Base URL of the service, without a slash at its end. */
  readonly baseUrl: string;
  /** The same place at the appliance: `<public_url>/proxy/<service>`. */
  readonly proxyUrl: string;
  /** What was asked for; relative references are relative to this. */
  readonly requestUrl: string;
};

const ADDRESSES = new Set(['location', 'content-location', 'link']);
/** One link of a Link header: target and parameters (RFC 8288 3). */
const LINK = /<([^<>]*)>([^<]*)/g;

export function rewriteAddresses(headers: readonly Header[], addresses: Addresses): readonly Header[] {
  if (!headers.some(([name]) => ADDRESSES.has(name))) return headers;
  return headers.flatMap(([name, value]): Header[] => {
    if (name === 'location') return [locationOf(value, addresses)];
    if (name === 'content-location') return [[name, mapped(value, addresses) ?? value]];
    if (name !== 'link') return [[name, value]];
    const links = linksOf(value, addresses);
    return links === '' ? [] : [[name, links]];
  });
}

/** A redirect to elsewhere is told under a name that no client follows. */
function locationOf(value: string, addresses: Addresses): Header {
  const address = mapped(value, addresses);
  return address === undefined ? ['x-stack-location', value] : ['location', address];
}

function linksOf(value: string, addresses: Addresses): string {
  return [...value.matchAll(LINK)]
    .flatMap(([, target = '', parameters = '']) => {
      const address = mapped(target, addresses);
      return address === undefined ? [] : [`<${address}>${parameters.replace(/[\s,]+$/, '')}`];
    })
    .join(', ');
}

/** A URL's reader leaves blanks and controls out: two halves of a secret that the scrub let pass would come together. */
const PLAIN = /^[!-~]*$/;

/** `undefined`: not below the base of the service. */
function mapped(reference: string, { baseUrl, proxyUrl, requestUrl }: Addresses): string | undefined {
  if (!PLAIN.test(reference) || !URL.canParse(reference, requestUrl)) return undefined;
  const { href } = new URL(reference, requestUrl);
  return href.startsWith(`${baseUrl}/`) ? `${proxyUrl}${href.slice(baseUrl.length)}` : undefined;
}
