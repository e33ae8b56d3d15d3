// MCP tools from the operations: listed once, called by name. Schemas are closed plain objects (protocol.md 7, must 17).
import { z } from 'zod';
import { envelope, Fault } from '#kernel/errors.ts';
import { MCP_BODY_CHARS_MAX } from '#kernel/limits.ts';
import type { Caller, Operation } from '#kernel/operation.ts';
import type { Arrival, OperationLine } from '#pipeline/operations.ts';
import type { Registry } from '#pipeline/registry.ts';
import { type Schema, schemaOf } from '#surfaces/openapi/schema.ts';
import { titleOf } from '#surfaces/openapi/verbs.ts';

export type ToolListing = {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly inputSchema: Schema;
  readonly outputSchema: Schema;
  readonly annotations: Record<string, boolean>;
};

export type ToolResult = {
  /** The text is `structuredContent` as JSON. */
  readonly content: readonly [{ readonly type: 'text'; readonly text: string }];
  readonly structuredContent: Record<string, unknown>;
  readonly isError?: boolean;
};

/** Built once: clients list the tools before every model turn. */
export const listTools = (registry: Registry): readonly ToolListing[] => registry.defaultTools.map(toolOf);

export function toolOf(operation: Operation): ToolListing {
  const { name, summary, effect, input, output, line, idempotent = effect === 'read' } = operation;
  return {
    name,
    title: titleOf(name),
    description: summary,
    inputSchema: schemaOf(input, 'input'),
    outputSchema: orRefusal(schemaOf(output, 'output')),
    annotations: {
      readOnlyHint: effect === 'read',
      destructiveHint: effect === 'destroy',
      idempotentHint: idempotent,
      openWorldHint: line === 'traffic',
    },
  };
}

const refusal = schemaOf(
  z.strictObject({
    error: z
      .strictObject({
        code: z.string().describe('What refused, for programs.'),
        message: z.string().describe('What refused, for people.'),
        next: z.string().describe('A step that works.'),
        metadata: z.record(z.string(), z.unknown()).describe('What the code is about.'),
      })
      .describe('Instead of the other fields, with isError.'),
    metadata: z.record(z.string(), z.unknown()).describe('The same as error.metadata.'),
  }),
  'output',
);

/** Clients of SDK 1 hold refusals against this schema, too, and hide those that do not fit. No union: roots are plain. */
function orRefusal({ required: _, ...answer }: Schema): Schema {
  return { ...answer, properties: { ...answer.properties, ...refusal.properties } };
}

export type ToolCall = { readonly name: string; readonly input: unknown };
export type ToolCaller = Arrival & { readonly caller: Caller };
export type CallTool = (call: ToolCall, from: ToolCaller) => Promise<ToolResult>;

type Deps = { readonly registry: Registry; readonly line: OperationLine };

/** A name that is no tool here gets one text, whether it is unknown, hidden or disabled. */
export function createTools({ registry, line }: Deps): CallTool {
  return async ({ name, input }, from) => {
    const operation = registry.byName(name);
    if (operation === undefined || operation.toolset === null) return unknownTool();
    const answer = await line.invoke(operation, withDefaults(operation, input), { ...from, tool: true });
    return answer.ok ? render(answer.value.output) : refused(answer.fault);
  };
}

/** A long answer fills the model's context, so MCP cuts it unless told (contract 5). */
function withDefaults(operation: Operation, input: unknown): unknown {
  if (operation.line !== 'traffic' || typeof input !== 'object' || input === null) return input;
  if (Object.hasOwn(input, 'max_body_chars')) return input;
  // Into the object itself, which was read for this call: to copy one that a parser has filled takes long.
  return Object.assign(input, { max_body_chars: MCP_BODY_CHARS_MAX });
}

/** The text is the same JSON: some clients read only the one, some only the other (protocol.md 5). */
function render(output: unknown): ToolResult {
  return {
    content: [{ type: 'text', text: JSON.stringify(output) }],
    structuredContent: output as Record<string, unknown>,
  };
}

const refused = (fault: Fault): ToolResult => ({ ...render(envelope(fault)), isError: true });

const unknownTool = (): ToolResult =>
  refused(new Fault('NOT_FOUND', { next: 'Call a tool that tools/list shows.' }));
