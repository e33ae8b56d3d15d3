// The part of a config that has no mistakes, so that an examination need not end at the first typo. Nothing is run on it.
import { type Config, readConfig } from '#config.ts';
import { readTextOrNothing } from '#platform/host/files.ts';
import { readYaml } from '#platform/yaml/read.ts';

type Members = Record<string, unknown>;

/** What is left out may be named elsewhere, which is then a mistake in its turn; more rounds than kinds of names. */
const ROUNDS_MAX = 5;
const nothing = (): undefined => undefined;

/** Without each service, agent or field that has a mistake; undefined where that leaves no config. */
export function readSoundPart(
  path: string,
  environment: (name: string) => string | undefined,
): Config | undefined {
  const text = readTextOrNothing(path);
  const yaml = text === undefined ? undefined : readYaml(text);
  if (yaml === undefined || 'mistakes' in yaml) return undefined;
  const value = structuredClone(yaml.file.value) as Members;
  // The places themselves are looked at by whoever asks.
  const around = {
    path,
    environment,
    readFile: readTextOrNothing,
    folderProblem: nothing,
    keyFileProblem: nothing,
  };
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    // JSON is YAML.
    const read = readConfig(JSON.stringify(value), around);
    if ('config' in read) return read.config;
    for (const mistake of read.mistakes) leaveOut(value, mistake.path);
  }
  return undefined;
}

function leaveOut(value: Members, path: string): void {
  const [section = '', name] = path.split('.');
  const inner = value[section];
  if (name !== undefined && typeof inner === 'object' && inner !== null) delete (inner as Members)[name];
  else delete value[section];
}
