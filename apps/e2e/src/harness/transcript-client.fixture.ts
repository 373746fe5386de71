/** An official SDK's client that writes down everything it is told and asked around one request. */

import {
  Client as ClientV2,
  StreamableHTTPClientTransport as StreamableV2,
} from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as StreamableV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  ResultSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { modernLatest, type Json, type JsonObject } from '@cruvero/core';
import { elicited, roots, sampled } from './dialogue-client.fixture.ts';
import { asItCame } from './modern-client.fixture.ts';
import type { Command } from './sdk-client.fixture.ts';
import { until } from './until.fixture.ts';
import { errorOf, type Outcome } from './view.fixture.ts';

/** How a client reaches a server, or a gateway. */
export type Way =
  | { readonly over: 'http' | 'sse'; readonly url: string; readonly key?: string }
  | { readonly over: 'stdio'; readonly command: Command };

export interface Step {
  readonly method: string;
  readonly params: JsonObject;
  /** Lowest level at which log messages are wanted: of the session, or of the request. */
  readonly logLevel?: string;
  /** So many notifications of these methods are waited for after the answer: they may come another way. */
  readonly awaits?: number;
}

/** One request with everything around it. */
export interface Transcript {
  readonly outcome: Outcome;
  /** Sorted: several questions of one round have no order. */
  readonly asked: readonly string[];
  readonly progress: readonly JsonObject[];
  /** Log messages and updated resources, in order. */
  readonly told: readonly JsonObject[];
}

export interface TranscriptClient extends AsyncDisposable {
  readonly kind: 'legacy' | 'modern';
  run(step: Step): Promise<Transcript>;
  /** To be told of this resource; returns the way to stop. */
  watch(uri: string): Promise<() => Promise<void>>;
}

/** Changes of lists are told to all at any time, so they belong to no request. */
const written: ReadonlySet<string> = new Set(['notifications/message', 'notifications/resources/updated']);
const info = { name: 'e2e-transcript', version: '1.0.0' };
const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } };

/** What one client hears; each request takes what came since the one before. */
class Hearing {
  asked: string[] = [];
  progress: JsonObject[] = [];
  told: JsonObject[] = [];

  ask<Answer>(method: string, params: unknown, answer: (params: JsonObject) => Answer): Answer {
    const asked = plain(params);
    // Ids, and what a client of one era is told besides.
    const { _meta, elicitationId: _id, mode, ...own } = asked;
    this.asked.push(JSON.stringify([method, mode ?? 'form', own]));
    return answer(asked);
  }

  tell(method: string, params: unknown): void {
    if (!written.has(method)) return;
    const { _meta, ...own } = plain(params);
    this.told.push({ method, params: own });
  }

  async around(step: Step, ask: () => Promise<JsonObject>, kind: 'legacy' | 'modern'): Promise<Transcript> {
    [this.asked, this.progress, this.told] = [[], [], []];
    const outcome = await ask().then(
      (result): Outcome => ({ result }),
      (thrown: unknown) => bodyOf(thrown) ?? errorOf(thrown, { kind }),
    );
    const expected = step.awaits ?? 0;
    const what = (): string =>
      `${expected} notifications around ${step.method}: ${JSON.stringify(this.told)}`;
    await until('they come', () => this.told.length >= expected, awaitedMs).catch((cause: unknown) => {
      throw new Error(`there are not ${what()}`, { cause });
    });
    return { outcome, asked: this.asked.toSorted(), progress: this.progress, told: this.told };
  }
}

/** The v2 SDK takes an error that comes with a status of its own (404: unknown method) for a failure of HTTP. */
function bodyOf(thrown: unknown): Outcome | undefined {
  const { text } = (thrown as { readonly data?: { readonly text?: unknown } | null }).data ?? {};
  if (typeof text !== 'string') return undefined;
  const { code, message, data = null } = (JSON.parse(text) as { readonly error: ErrorSaid }).error;
  return { error: { code, message, data } };
}

interface ErrorSaid {
  readonly code: number;
  readonly message: string;
  readonly data?: Json;
}

const awaitedMs = 5_000;
const plain = (value: unknown): JsonObject => JSON.parse(JSON.stringify(value ?? {})) as JsonObject;

export const connectTranscript = (kind: 'legacy' | 'modern', way: Way): Promise<TranscriptClient> =>
  kind === 'legacy' ? connectV1(way) : connectV2(way);

const headersOf = (key: string | undefined) =>
  key === undefined ? {} : { requestInit: { headers: { authorization: `Bearer ${key}` } } };

const quiet = ({ command, args, env }: Command) => ({
  command,
  args: [...args],
  env,
  stderr: 'ignore' as const,
});

function transportV1(way: Way) {
  if (way.over === 'stdio') return new StdioV1(quiet(way.command));
  const url = new URL(way.url);
  return way.over === 'sse'
    ? new SSEClientTransport(url, headersOf(way.key))
    : new StreamableV1(url, headersOf(way.key));
}

async function connectV1(way: Way): Promise<TranscriptClient> {
  const hearing = new Hearing();
  const client = new ClientV1(info, { capabilities });
  client.setRequestHandler(ElicitRequestSchema, ({ method, params }) =>
    hearing.ask(method, params, elicited),
  );
  client.setRequestHandler(CreateMessageRequestSchema, ({ method, params }) =>
    hearing.ask(method, params, () => sampled),
  );
  client.setRequestHandler(ListRootsRequestSchema, ({ method, params }) =>
    hearing.ask(method, params, () => roots),
  );
  client.fallbackNotificationHandler = async ({ method, params }) => hearing.tell(method, params);
  // The SDK's own types disagree under exactOptionalPropertyTypes.
  await client.connect(transportV1(way) as Parameters<ClientV1['connect']>[0]);
  const onprogress = (progress: unknown): void => void hearing.progress.push(plain(progress));
  let level: string | undefined;
  const ask = async (method: string, params: JsonObject): Promise<JsonObject> =>
    plain(await client.request({ method, params }, ResultSchema, { onprogress }));
  return {
    kind: 'legacy',
    run: async (step) => {
      if (step.logLevel !== undefined && step.logLevel !== level)
        await ask('logging/setLevel', { level: (level = step.logLevel) });
      return hearing.around(step, () => ask(step.method, step.params), 'legacy');
    },
    watch: async (uri) => {
      await ask('resources/subscribe', { uri });
      return async () => void (await ask('resources/unsubscribe', { uri }));
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

async function connectV2(way: Way): Promise<TranscriptClient> {
  const hearing = new Hearing();
  const client = new ClientV2(info, { capabilities, versionNegotiation: { mode: { pin: modernLatest } } });
  client.setRequestHandler('elicitation/create', ({ method, params }) =>
    hearing.ask(method, params, elicited),
  );
  client.setRequestHandler('sampling/createMessage', ({ method, params }) =>
    hearing.ask(method, params, () => sampled),
  );
  client.setRequestHandler('roots/list', ({ method, params }) => hearing.ask(method, params, () => roots));
  client.fallbackNotificationHandler = async ({ method, params }) => hearing.tell(method, params);
  const onprogress = (progress: unknown): void => void hearing.progress.push(plain(progress));
  await client.connect(
    way.over === 'stdio'
      ? new StdioV2(quiet(way.command))
      : new StreamableV2(new URL(way.url), headersOf(way.key)),
  );
  const metaOf = (logLevel: string | undefined): Record<string, Json> =>
    logLevel === undefined ? {} : { _meta: { 'io.modelcontextprotocol/logLevel': logLevel } };
  return {
    kind: 'modern',
    run: (step) =>
      hearing.around(
        step,
        async () =>
          (await client.request(
            { method: step.method, params: { ...step.params, ...metaOf(step.logLevel) } },
            asItCame,
            { onprogress },
          )) as JsonObject,
        'modern',
      ),
    watch: async (uri) => {
      const subscription = await client.listen({ resourceSubscriptions: [uri] });
      return () => subscription.close();
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}
