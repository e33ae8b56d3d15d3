// From the `notifications` section to webhooks: what the schema cannot say about one is checked here.
import { resolve } from 'node:path';
import type { Webhook } from '#features/notifications/model.ts';
import type { NotificationSettings } from '#features/notifications/settings.ts';
import { readUrl } from '#platform/net/url.ts';
import { at } from '#platform/yaml/mistakes.ts';
import type { Mistake, YamlFile } from '#platform/yaml/read.ts';

type Built = { readonly webhooks: readonly Webhook[]; readonly mistakes: readonly Mistake[] };
type Around = { readonly file: YamlFile; readonly folder: string };

export function webhooksOf({ webhooks }: NotificationSettings, { file, folder }: Around): Built {
  const built: Webhook[] = [];
  const mistakes: Mistake[] = [];
  for (const [name, { url: text, secret, network, events }] of Object.entries(webhooks)) {
    const wrong = (message: string): void =>
      void mistakes.push(at(file, ['notifications', 'webhooks', name, 'url'], message));
    const url = readUrl(text);
    if (!url.ok) wrong(`url must be a plain absolute URL (${url.fault.detail})`);
    else if (url.value.scheme === 'http' && network !== 'loopback')
      wrong('http:// is for network: loopback only; use https');
    else {
      const { scheme, host, port, path, query } = url.value;
      const place =
        'env' in secret
          ? ({ kind: 'env', name: secret.env } as const)
          : ({ kind: 'file', path: resolve(folder, secret.file) } as const);
      const whole = query === undefined ? path : `${path}?${query}`;
      built.push({ name, origin: { scheme, host, port }, path: whole, network, secret: place, events });
    }
  }
  return { webhooks: built, mistakes };
}
