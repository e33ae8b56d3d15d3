// What an examination of one installation finds. A finding never quotes a value that may be a secret.

export const TOPICS = ['config', 'files', 'appliance', 'clock', 'services', 'agents'] as const;
export type Topic = (typeof TOPICS)[number];
export type Finding = {
  readonly topic: Topic;
  /** A problem makes something fail or leaves it open; a warning is worth a look. */
  readonly level: 'ok' | 'warning' | 'problem';
  readonly message: string;
  /** What to do about it. */
  readonly next?: string;
};
