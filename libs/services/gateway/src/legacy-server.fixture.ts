/** A legacy server behind the Upstream port, without a wire: sessions, one GET stream each, and tasks that it keeps all together. */

import { isJsonObject, type Json, type JsonObject } from '@cruvero/core';
import type { Upstream, UpstreamFault, UpstreamRequest, UpstreamResponse } from '@cruvero/ports';

/** One message as it came. */
export interface Came {
  readonly session: string | undefined;
  readonly method: string;
  readonly params: JsonObject;
  readonly message: JsonObject;
}

/** A result, or whole messages of which the last one without a method is the answer. */
export type Served = JsonObject | undefined;

export class LegacyServer implements Upstream {
  readonly came: Came[] = [];
  capabilities: JsonObject = {
    tools: {},
    resources: { subscribe: true },
    logging: {},
    tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
  };
  /** What answers a request; undefined leaves it to the rest of this class. */
  serve: (came: Came, say: (message: JsonObject) => void) => Served | Promise<Served> = () => undefined;
  readonly #streams = new Map<string, (message: JsonObject) => void>();
  readonly #open = new Set<string>();
  readonly #tasks: JsonObject[] = [];

  count(method: string): number {
    return this.came.filter((one) => one.method === method).length;
  }

  /** Of those who came with this method, in their order. */
  of(method: string): readonly Came[] {
    return this.came.filter((one) => one.method === method);
  }

  get listening(): number {
    return this.#streams.size;
  }

  get sessions(): ReadonlySet<string> {
    return this.#open;
  }

  /** On the own stream of every session that has one. */
  say(message: JsonObject): void {
    for (const send of this.#streams.values()) send({ jsonrpc: '2.0', ...message });
  }

  async exchange(request: UpstreamRequest): Promise<UpstreamResponse | UpstreamFault> {
    const message = JSON.parse(request.body ?? '{}') as JsonObject;
    const answers = message['method'] === undefined && request.httpMethod === 'POST';
    const method = answers ? 'answer' : String(message['method'] ?? request.httpMethod);
    const params = isJsonObject(message['params']) ? message['params'] : {};
    const session = request.headers['mcp-session-id'];
    const came = { session, method, params, message };
    this.came.push(came);
    if (method === 'server/discover') return text(400, errorOf(message, -32000, 'no session'));
    if (method === 'initialize') return this.#initialize(message);
    if (session === undefined || !this.#open.has(session)) return text(404, '');
    if (request.httpMethod === 'GET') return this.#listen(session, request.signal);
    if (request.httpMethod === 'DELETE') this.#open.delete(session);
    return message['id'] === undefined || answers ? text(202, '') : this.#respond(came);
  }

  #initialize({ id = null }: JsonObject): UpstreamResponse {
    const session = `upstream-session-${this.#open.size + 1}`;
    this.#open.add(session);
    const result = {
      protocolVersion: '2025-11-25',
      capabilities: this.capabilities,
      serverInfo: { name: 'legacy', version: '1' },
    };
    return text(200, JSON.stringify({ jsonrpc: '2.0', id, result }), { 'mcp-session-id': session });
  }

  /** The official SDKs allow one stream a session. */
  #listen(session: string, signal: AbortSignal): UpstreamResponse {
    if (this.#streams.has(session)) return text(409, '');
    const chunks = queue(signal, () => this.#streams.delete(session));
    this.#streams.set(session, chunks.send);
    return {
      status: 200,
      headers: { 'content-type': 'text/event-stream' },
      body: { kind: 'stream', chunks: chunks.read() },
    };
  }

  async #respond(came: Came): Promise<UpstreamResponse> {
    const { id = null } = came.message;
    const said: JsonObject[] = [];
    const served = await this.serve(came, (message) => said.push({ jsonrpc: '2.0', ...message }));
    const result = served ?? this.#own(came);
    const error = { code: -32601, message: 'no such method' };
    const answer = isJsonObject(result?.['error'])
      ? { jsonrpc: '2.0', id, error: result['error'] }
      : { jsonrpc: '2.0', id, ...(result ? { result } : { error }) };
    if (said.length === 0) return text(200, JSON.stringify(answer));
    const events = [...said, answer].map((one) => `data: ${JSON.stringify(one)}\n\n`);
    const chunks = (async function* () {
      yield* events;
    })();
    return {
      status: 200,
      headers: { 'content-type': 'text/event-stream' },
      body: { kind: 'stream', chunks },
    };
  }

  #own({ method, params }: Came): JsonObject | undefined {
    const task = this.#tasks.find((one) => one['taskId'] === params['taskId']);
    switch (method) {
      case 'tools/list':
        return { tools: [{ name: 'slow', inputSchema: { type: 'object' } }] };
      case 'resources/list':
        return { resources: [{ uri: 'note://1', name: 'one' }] };
      case 'resources/templates/list':
        return { resourceTemplates: [] };
      case 'ping':
      case 'logging/setLevel':
      case 'resources/subscribe':
      case 'resources/unsubscribe':
        return {};
      case 'tools/call':
        return params['task'] === undefined ? { content: [] } : { task: this.#make() };
      case 'tasks/list':
        return { tasks: this.#tasks };
      case 'tasks/get':
      case 'tasks/cancel':
        return task ?? unknownTask;
      case 'tasks/result':
        return task ? { content: [], _meta: related(task['taskId'] ?? null) } : unknownTask;
      default:
        return undefined;
    }
  }

  #make(): JsonObject {
    const task = { taskId: `task-${this.#tasks.length + 1}`, status: 'working', ttl: null };
    this.#tasks.push(task);
    return task;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

export const related = (taskId: Json): JsonObject => ({ 'io.modelcontextprotocol/related-task': { taskId } });

const unknownTask = { error: { code: -32602, message: 'no such task' } };

function errorOf({ id = null }: JsonObject, code: number, message: string): string {
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code, message } });
}

function text(status: number, body: string, headers: Record<string, string> = {}): UpstreamResponse {
  return { status, headers, body: { kind: 'text', text: body } };
}

function queue(signal: AbortSignal, onEnd: () => void) {
  const waiting: string[] = [];
  let wake = (): void => undefined;
  signal.addEventListener('abort', () => {
    onEnd();
    wake();
  });
  return {
    send: (message: JsonObject): void => {
      waiting.push(`data: ${JSON.stringify(message)}\n\n`);
      wake();
    },
    async *read() {
      while (!signal.aborted) {
        const next = waiting.shift();
        if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
        else yield next;
      }
    },
  };
}
