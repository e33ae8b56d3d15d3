// From the `agents` section: names that clash, services and scopes that point nowhere.
import type { z } from 'zod';
import type { agentSettings } from '#features/agents/settings.ts';
import { AGENT_NAME } from '#features/agents/shape.ts';
import { narrower, serviceOf } from '#features/policy/model.ts';
import type { Service } from '#features/services/model.ts';
import { at, nearest } from '#platform/yaml/mistakes.ts';
import type { KeyPath, Mistake, YamlFile } from '#platform/yaml/read.ts';

type Parsed = {
  readonly services: Readonly<Record<string, unknown>>;
  readonly agents: Readonly<Record<string, z.infer<typeof agentSettings>>>;
};

export function unknownService(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return `${name} is not among the services of this file${near === undefined ? '' : `, did you mean ${near}?`}`;
}

/** Two names that differ only in case are one name to a tired reader. */
export function caseMistakes(names: readonly string[], file: YamlFile, section: string): Mistake[] {
  const seen = new Map<string, string>();
  return names.flatMap((name) => {
    const first = seen.get(name.toLowerCase());
    if (first === undefined) seen.set(name.toLowerCase(), name);
    return first === undefined
      ? []
      : [at(file, [section, name], `${name} differs from ${first} only in case`)];
  });
}

export function agentMistakes(
  parsed: Parsed,
  services: ReadonlyMap<string, Service>,
  file: YamlFile,
): Mistake[] {
  const mistakes = caseMistakes(Object.keys(parsed.agents), file, 'agents');
  for (const [name, { services: grants }] of Object.entries(parsed.agents)) {
    if (name !== '*' && !AGENT_NAME.test(name))
      mistakes.push(
        at(
          file,
          ['agents', name],
          `agent name ${name} must be lower-case letters, digits and dashes, at least two characters`,
        ),
      );
    for (const [service, scopes] of Object.entries(grants)) {
      const path = ['agents', name, 'services', service];
      if (parsed.services[service] === undefined)
        mistakes.push(at(file, path, unknownService(service, Object.keys(parsed.services))));
      for (const [index, scope] of scopes.entries()) {
        const problem = scopeProblem(scope, services.get(service));
        if (problem !== undefined) mistakes.push(at(file, [...path, index] as KeyPath, problem));
      }
    }
  }
  return mistakes;
}

function scopeProblem(scope: string, service: Service | undefined): string | undefined {
  if (service === undefined) return undefined;
  if (serviceOf(scope) !== service.name) return `scope ${scope} must begin with ${service.name}:`;
  const actions = service.actions.map(({ name }) => name);
  if (actions.some((name) => narrower(name, scope))) return undefined;
  const near = nearest(scope, actions);
  return `scope ${scope} covers no action of ${service.name}${
    near === undefined ? `; it has ${actions.join(', ') || 'none'}` : `, did you mean ${near}?`
  }`;
}
