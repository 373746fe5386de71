/** Modern servers behind the Upstream port, without a wire: what each offers and how it is may change at any time. */

import type { Json, JsonObject } from '@cruvero/core';
import type { Upstream, UpstreamFault, UpstreamRequest, UpstreamResponse } from '@cruvero/ports';

/** `silent` takes requests and says nothing; `down` cannot be reached; `sick` answers every list with an error. */
export type State = 'well' | 'silent' | 'down' | 'sick' | 'legacy';

export class FakeServer {
  state: State = 'well';
  capabilities: JsonObject = { tools: {}, resources: {}, prompts: {} };
  tools: readonly JsonObject[] = [];
  resources: readonly JsonObject[] = [];
  resourceTemplates: readonly JsonObject[] | 'unknown' = [];
  prompts: readonly JsonObject[] = [];
  /** Methods in the order in which they came. */
  readonly seen: string[] = [];

  count(method: string): number {
    return this.seen.filter((one) => one === method).length;
  }

  /** Undefined for a method that it does not know. */
  answer(method: string, message: JsonObject): Json | undefined {
    switch (method) {
      case 'server/discover':
        return this.state === 'legacy'
          ? undefined
          : { supportedVersions: ['2026-07-28'], capabilities: this.capabilities };
      case 'initialize':
        return this.state === 'legacy'
          ? { protocolVersion: '2025-11-25', capabilities: this.capabilities }
          : undefined;
      case 'tools/list':
        return { tools: this.tools };
      case 'resources/list':
        return { resources: this.resources };
      case 'resources/templates/list':
        return this.resourceTemplates === 'unknown'
          ? undefined
          : { resourceTemplates: this.resourceTemplates };
      case 'prompts/list':
        return { prompts: this.prompts };
      default:
        return { echo: message['params'] ?? null };
    }
  }
}

export class FakeFleet implements Upstream {
  readonly #servers = new Map<string, FakeServer>();

  /** The server at this endpoint, made on first use. */
  at(endpoint: string): FakeServer {
    const server = this.#servers.get(endpoint) ?? new FakeServer();
    this.#servers.set(endpoint, server);
    return server;
  }

  exchange(request: UpstreamRequest): Promise<UpstreamResponse | UpstreamFault> {
    const server = this.at(request.endpoint);
    const message = JSON.parse(request.body ?? '{}') as JsonObject;
    const method = String(message['method'] ?? request.httpMethod);
    server.seen.push(method);
    if (request.signal.aborted) return Promise.resolve({ fault: 'aborted', detail: 'gone', neverLeft: true });
    if (server.state === 'down')
      return Promise.resolve({ fault: 'unreachable', detail: 'the connection was refused', neverLeft: true });
    if (server.state === 'silent') return untilAborted(request.signal);
    const modern = request.headers['mcp-method'] !== undefined;
    return Promise.resolve(
      modern || server.state === 'legacy' ? respond(server, method, message) : refuseLegacy(message),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function untilAborted(signal: AbortSignal): Promise<UpstreamFault> {
  return new Promise((resolve) =>
    signal.addEventListener('abort', () => resolve({ fault: 'aborted', detail: 'gone', neverLeft: false })),
  );
}

function refuseLegacy(message: JsonObject): UpstreamResponse {
  const text = JSON.stringify({
    jsonrpc: '2.0',
    id: message['id'] ?? null,
    error: { code: -32022, message: 'Unsupported' },
  });
  return { status: 400, headers: {}, body: { kind: 'text', text } };
}

function respond(server: FakeServer, method: string, message: JsonObject): UpstreamResponse {
  const { id } = message;
  const result =
    server.state === 'sick' && method.endsWith('/list') ? undefined : server.answer(method, message);
  const error = { code: server.state === 'sick' ? -32603 : -32601, message: 'no' };
  const body = { jsonrpc: '2.0', id: id ?? null, ...(result === undefined ? { error } : { result }) };
  const text = id === undefined ? '' : JSON.stringify(body);
  return { status: id === undefined ? 202 : 200, headers: {}, body: { kind: 'text', text } };
}
