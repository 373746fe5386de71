/** What a tool, a prompt or a resource of the conformance server is made of, the same for both eras. */

import type { Json, JsonObject } from '@cruvero/core';

export type Era = 'legacy' | 'modern';

/** Something that only the caller can answer. */
export type Question = JsonObject & {
  readonly method: 'elicitation/create' | 'sampling/createMessage' | 'roots/list';
  readonly params: JsonObject;
};

export type Questions = Readonly<Record<string, Question>>;
export type Answers = Readonly<Record<string, JsonObject>>;

/** What can be asked of a caller, and what it must have declared for that. */
export const capabilityOf = {
  'elicitation/create': 'elicitation',
  'sampling/createMessage': 'sampling',
  'roots/list': 'roots',
} as const satisfies Record<Question['method'], string>;

export type Capability = (typeof capabilityOf)[Question['method']] | 'tasks';

/** One round of a request: the first one, or one that brings answers. */
export interface Call {
  readonly era: Era;
  readonly args: JsonObject;
  /** To the questions of the round before; only those that were answered. */
  readonly answers: Answers;
  /** What the round before wanted to remember; its seal was verified. */
  readonly kept: Json | undefined;
  readonly signal: AbortSignal;
  declares(capability: Capability): boolean;
  /** Sent where the caller wants messages of this level. */
  log(level: 'debug' | 'info' | 'warning', text: string): Promise<void>;
  /** Sent where the caller gave a progress token. */
  progress(progress: number, total: number): Promise<void>;
  /** Ends the event stream of this request, but not the request. Nothing where the transport has none. */
  closeStream(): void;
}

/** What runs after its task was announced. */
export interface RunningTask {
  readonly signal: AbortSignal;
  /** Resolves when every question has an answer. */
  ask(questions: Questions): Promise<Answers>;
}

export type TaskWork = (task: RunningTask) => Promise<JsonObject>;

export type Outcome =
  | { readonly kind: 'result'; readonly result: JsonObject }
  /** The same request is to be made again with answers, and with `keep` if there is one. */
  | { readonly kind: 'ask'; readonly questions: Questions; readonly keep?: Json }
  | { readonly kind: 'task'; readonly work: TaskWork };

export interface Tool {
  readonly definition: JsonObject & { readonly name: string };
  /** Left out: both. */
  readonly era?: Era;
  /** `required`: refused for callers without the Tasks extension. */
  readonly tasks?: 'required';
  run(call: Call): Outcome | Promise<Outcome>;
}

export interface Prompt {
  readonly definition: JsonObject & { readonly name: string };
  run(call: Call): Outcome;
}

/** An error with a JSON-RPC code; the SDK sends `code`, `message` and `data` of what a handler throws. */
export class OfferError extends Error {
  readonly code: number;
  readonly data: JsonObject | undefined;
  constructor(code: number, message: string, data?: JsonObject) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

export const invalidParams = -32602;
export const methodNotFound = -32601;
export const missingCapability = -32021;

export const done = (result: JsonObject): Outcome => ({ kind: 'result', result });

export const textResult = (text: string): JsonObject => ({ content: [{ type: 'text', text }] });

export const said = (text: string): Outcome => done(textResult(text));

export const ask = (questions: Questions, keep?: Json): Outcome =>
  keep === undefined ? { kind: 'ask', questions } : { kind: 'ask', questions, keep };

/** A form with these fields, all of them required. */
export const form = (
  message: string,
  properties: JsonObject,
  required = Object.keys(properties),
): Question => ({
  method: 'elicitation/create',
  params: { message, requestedSchema: { type: 'object', properties, required } },
});

export const sample = (text: string, maxTokens = 100): Question => ({
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: { type: 'text', text } }], maxTokens },
});

export const listRoots: Question = { method: 'roots/list', params: {} };

/** An input schema; nothing is required unless said. */
export const inputs = (properties: JsonObject = {}, required: readonly string[] = []): JsonObject => ({
  type: 'object',
  properties,
  ...(required.length > 0 ? { required } : {}),
});

export const string = { type: 'string' } as const;
export const boolean = { type: 'boolean' } as const;
