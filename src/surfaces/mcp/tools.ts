// MCP tools from the operations: listed once, called by name. Schemas are closed plain objects (protocol.md 7, must 17).
import { z } from 'zod';
import { envelope, Fault } from '#kernel/errors.ts';
import { MCP_BODY_CHARS_MAX } from '#kernel/limits.ts';
import type { Caller, Operation } from '#kernel/operation.ts';
import type { Arrival, OperationLine } from '#pipeline/operations.ts';
import type { Registry } from '#pipeline/registry.ts';

export type ToolListing = {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly inputSchema: Record<string, unknown>;
  readonly outputSchema: Record<string, unknown>;
  readonly annotations: Record<string, boolean>;
};

export type ToolResult = {
  readonly content: { readonly type: 'text'; readonly text: string }[];
  readonly structuredContent: Record<string, unknown>;
  readonly isError?: boolean;
};

/** Built once: clients list the tools before every model turn. */
export function listTools(registry: Registry): readonly ToolListing[] {
  return registry.defaultTools.map((operation) => ({
    name: operation.name,
    title: titleOf(operation.name),
    description: operation.summary,
    inputSchema: schemaOf(operation.input, 'input'),
    outputSchema: schemaOf(operation.output, 'output'),
    annotations: {
      readOnlyHint: operation.effect === 'read',
      destructiveHint: operation.effect === 'destroy',
      idempotentHint: operation.effect === 'read',
      openWorldHint: operation.line === 'traffic',
    },
  }));
}

const titleOf = (name: string): string =>
  name
    .replace('stack_', '')
    .split('_')
    .map((word, at) => (at === 0 ? `${word.slice(0, 1).toUpperCase()}${word.slice(1)}` : word))
    .join(' ');

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _, ...plain } = z.toJSONSchema(schema, { io, unrepresentable: 'any', reused: 'inline' });
  return plain;
}

export type ToolCall = { readonly name: string; readonly input: unknown };
export type ToolCaller = Arrival & { readonly caller: Caller };

/** `undefined` for a name that is no tool here: one text for unknown, hidden and disabled ones. */
export async function callTool(
  { registry, line }: { readonly registry: Registry; readonly line: OperationLine },
  call: ToolCall,
  from: ToolCaller,
): Promise<ToolResult | undefined> {
  const operation = registry.byName(call.name);
  if (operation === undefined || operation.toolset === null) return undefined;
  const answer = await line.invoke(operation, withDefaults(operation, call.input), from);
  if (answer.ok) return render(answer.value.output);
  return { ...render(envelope(answer.fault)), isError: true };
}

/** A long answer fills the model's context, so MCP cuts it unless told (contract 5). */
function withDefaults(operation: Operation, input: unknown): unknown {
  if (operation.line !== 'traffic' || typeof input !== 'object' || input === null) return input;
  return { max_body_chars: MCP_BODY_CHARS_MAX, ...input };
}

/** The text is the same JSON: some clients read only the one, some only the other (protocol.md 5). */
function render(output: unknown): ToolResult {
  return {
    content: [{ type: 'text', text: JSON.stringify(output) }],
    structuredContent: output as Record<string, unknown>,
  };
}

export const unknownTool = (): ToolResult => ({
  ...render(envelope(new Fault('NOT_FOUND', { next: 'Call a tool that tools/list shows.' }))),
  isError: true,
});
