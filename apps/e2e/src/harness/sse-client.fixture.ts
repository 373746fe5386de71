/** The official v1 client over HTTP+SSE, the transport of MCP 2024-11-05: one stream for all answers, and POSTs beside it. */

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { CreateMessageRequestSchema, ResultSchema } from '@modelcontextprotocol/sdk/types.js';
import type { JsonObject } from '@cruvero/core';
import type { Door } from './clients.fixture.ts';

export interface SseStoryClient extends AsyncDisposable {
  ask(method: string, params?: JsonObject, options?: AskOptions): Promise<JsonObject>;
  /** Text of the first block of a tool's result. */
  say(tool: string, args?: JsonObject, options?: AskOptions): Promise<string | undefined>;
  face(): { readonly name: string | undefined };
  /** Methods of notifications that nobody waited for. */
  readonly told: readonly string[];
  /** What went wrong on the stream. */
  readonly errors: readonly Error[];
}

export interface AskOptions {
  readonly onProgress?: (progress: number) => void;
  readonly signal?: AbortSignal;
}

/** `sampled` answers sampling; without it the client declares none. */
export async function connectSse(
  door: Door,
  path = '/sse',
  sampled?: (asked: string) => string,
): Promise<SseStoryClient> {
  const headers = door.agentKey === undefined ? {} : { authorization: `Bearer ${door.agentKey}` };
  const transport = new SSEClientTransport(new URL(door.url + path), { requestInit: { headers } });
  const client = new Client(
    { name: 'e2e-sse', version: '1.0.0' },
    { capabilities: sampled ? { sampling: {} } : {} },
  );
  const told: string[] = [];
  const errors: Error[] = [];
  client.fallbackNotificationHandler = async ({ method }) => void told.push(method);
  client.onerror = (error) => void errors.push(error);
  if (sampled) {
    client.setRequestHandler(CreateMessageRequestSchema, async ({ params }) => ({
      role: 'assistant' as const,
      model: 'story',
      content: { type: 'text' as const, text: sampled(JSON.stringify(params.messages)) },
    }));
  }
  await client.connect(transport);
  const ask: SseStoryClient['ask'] = async (method, params = {}, { onProgress, signal } = {}) => {
    const result = await client.request({ method, params }, ResultSchema, {
      ...(onProgress ? { onprogress: ({ progress }) => onProgress(progress) } : {}),
      ...(signal ? { signal } : {}),
    });
    return result as unknown as JsonObject;
  };
  return {
    ask,
    say: async (name, args = {}, options) => {
      const { content } = await ask('tools/call', { name, arguments: args }, options);
      return (content as unknown as readonly { readonly text?: string }[])[0]?.text;
    },
    face: () => ({ name: client.getServerVersion()?.name }),
    told,
    errors,
    [Symbol.asyncDispose]: () => client.close(),
  };
}
