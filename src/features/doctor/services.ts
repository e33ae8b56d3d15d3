// What the check of each service means for a person, and what their clocks say about ours.
import { CLOCK_SKEW_SECONDS_MAX } from '#kernel/limits.ts';
import type { Finding } from './model.ts';

/** As the appliance answers it; `credential` is undefined where nobody could look. */
export type Checked = {
  readonly service: string;
  readonly reachable: boolean;
  readonly credential?: 'accepted' | 'refused' | 'missing' | 'unknown' | 'none';
  readonly reason?: string;
  readonly clock_skew_seconds?: number;
};

/** Words of a reason, and what helps. The first that fits is said. */
const REMEDIES: readonly (readonly [word: RegExp, next: string])[] = [
  [/ADDRESS_DENIED/, 'Correct its DNS, or set network: private or loopback if that is where it lives.'],
  [/resolve/, 'Correct base_url or the DNS of this machine.'],
  [
    /certificate|self-signed|altname|issuer/i,
    'Correct the certificate, or name its authority in tls.ca_file.',
  ],
  [/ECONNREFUSED/, 'Start it, or correct the port in base_url.'],
  [/timed out|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/, 'Look at the network between here and there.'],
];
const WITHOUT_REMEDY = 'Look at base_url, the network and the service itself.';

export function examineServices(checked: readonly Checked[]): readonly Finding[] {
  const found = checked.map(examine);
  return found.length > 0
    ? found
    : [
        {
          topic: 'services',
          level: 'warning',
          message: 'the config has no service',
          next: 'README shows how to add one.',
        },
      ];
}

function examine({ service, reachable, credential, reason = '' }: Checked): Finding {
  const topic = 'services';
  if (!reachable) {
    const next = REMEDIES.find(([word]) => word.test(reason))?.[1] ?? WITHOUT_REMEDY;
    return { topic, level: 'problem', message: `${service} cannot be reached: ${reason}`, next };
  }
  switch (credential) {
    case 'accepted':
      return { topic, level: 'ok', message: `${service} is reachable and accepts its credential` };
    case 'none':
      return { topic, level: 'ok', message: `${service} is reachable and takes no credential` };
    case 'refused': {
      const next = 'Set a credential that the service accepts, and give it what the harmless call needs.';
      return { topic, level: 'problem', message: `${service} refuses its credential: ${reason}`, next };
    }
    case 'missing': {
      const next = 'Set it where the config says: stack secrets set NAME, the variable, or the file.';
      return { topic, level: 'problem', message: `${service} has no usable credential: ${reason}`, next };
    }
    case 'unknown': {
      const next = 'Name a harmless call under verify, so that the credential can be checked.';
      return {
        topic,
        level: 'warning',
        message: `${service} is reachable; credential not checked: ${reason}`,
        next,
      };
    }
    default: {
      const next = 'Start the appliance and ask again: it holds the credentials.';
      return { topic, level: 'warning', message: `${service} is reachable; credential not checked`, next };
    }
  }
}

type Clock = {
  readonly nowMs: number;
  /** Of the newest entry in the log. */
  readonly newestEntryMs: number | undefined;
  readonly checked: readonly Checked[];
};

const MS_PER_SECOND = 1000;

/** Passports, expiries and the order of the log hang on the clock. */
export function examineClock({ nowMs, newestEntryMs, checked }: Clock): readonly Finding[] {
  const next = 'Set the clock; a time service keeps it right.';
  const found: Finding[] = [];
  const ahead = Math.round(((newestEntryMs ?? nowMs) - nowMs) / MS_PER_SECOND);
  if (ahead > CLOCK_SKEW_SECONDS_MAX)
    found.push({
      topic: 'clock',
      level: 'problem',
      message: `the log has an entry from ${ahead} s in the future`,
      next,
    });
  const skewed = checked.filter(
    ({ clock_skew_seconds = 0 }) => Math.abs(clock_skew_seconds) > CLOCK_SKEW_SECONDS_MAX,
  );
  for (const { service, clock_skew_seconds = 0 } of skewed)
    found.push({
      topic: 'clock',
      level: 'problem',
      message: `the clock of ${service} is ${Math.abs(clock_skew_seconds)} s ${clock_skew_seconds > 0 ? 'ahead of' : 'behind'} this one`,
      next,
    });
  if (found.length > 0) return found;
  const compared = checked.filter((one) => one.clock_skew_seconds !== undefined).length;
  const by = compared === 0 ? 'the log' : `${compared} service${compared === 1 ? '' : 's'}`;
  return [{ topic: 'clock', level: 'ok', message: `the clock agrees with ${by}` }];
}
