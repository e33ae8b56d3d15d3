// The config file for commands: the whole of it, with every mistake said, or only where its installation is.
import { dirname, resolve } from 'node:path';
import type { Config } from '#config.ts';
import { readConfigText } from '#platform/host/files.ts';
import { socketPathOf } from '#platform/net/local-socket.ts';
import type { Given } from '#surfaces/cli/command.ts';
import { EXIT } from '#surfaces/cli/exit.ts';
import { Halt } from '#surfaces/cli/halt.ts';
import { tell } from '#surfaces/cli/shell.ts';

/** Undefined where the file has mistakes, all of which have been said. */
export async function readConfigFile({ config, shell }: Given): Promise<Config | undefined> {
  const { formatMistake, loadConfig } = await import('#config.ts');
  const read = loadConfig(resolve(config), shell.environment);
  for (const mistake of 'mistakes' in read ? read.mistakes : read.warnings) {
    const line = formatMistake(config, mistake);
    tell(shell, mistake.severity === 'warning' ? `warning: ${line}` : line);
  }
  return 'mistakes' in read ? undefined : read.config;
}

/**
 * Only `data_dir` is read: whoever revokes a passport in a hurry must not be held up by a mistake elsewhere in the file,
 * and what this user's environment lacks is no concern of a command that only talks to the appliance.
 */
export async function socketOf(config: string, environment: Given['shell']['environment']): Promise<string> {
  const [{ configSchema }, { readYaml }] = await Promise.all([
    import('#config.ts'),
    import('#platform/yaml/read.ts'),
  ]);
  const path = resolve(config);
  const read = readConfigText(path);
  if ('problem' in read) throw new Halt(`${read.problem}\n  next: name the config with --config`, EXIT.usage);
  const yaml = readYaml(read.text);
  const section =
    'file' in yaml ? configSchema.shape.data_dir.safeParse(yaml.file.value['data_dir']) : undefined;
  if (section?.success !== true)
    throw new Halt(
      `${config} does not say where the data is\n  next: \`stack check --config ${config}\``,
      EXIT.usage,
    );
  return socketPathOf(resolve(dirname(path), section.data), environment);
}
