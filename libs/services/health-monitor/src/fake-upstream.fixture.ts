/** MCP servers that are only functions, for tests: what they were asked is counted, and they can be made to fail. */

import { parseJsonObject } from '@cruvero/core';
import type { Upstream, UpstreamFault, UpstreamRequest, UpstreamResponse } from '@cruvero/ports';

export type Mood = 'well' | 'down' | 'silent' | 'error-500' | 'forgetful' | 'cannot-ping' | 'guarded';

export class FakeServer {
  readonly era: 'legacy' | 'modern';
  mood: Mood = 'well';
  readonly asked: string[] = [];
  readonly sessions = new Set<string>();
  #opened = 0;

  constructor(era: 'legacy' | 'modern') {
    this.era = era;
  }

  /** How often this was asked. */
  count(method: string): number {
    return this.asked.filter((one) => one === method).length;
  }

  /** Comes back as a new process: it knows no session. */
  restart(): void {
    this.sessions.clear();
  }

  answer(request: UpstreamRequest): UpstreamResponse {
    if (request.httpMethod === 'DELETE') {
      this.asked.push('DELETE');
      this.sessions.delete(request.headers['mcp-session-id'] ?? '');
      return text(200, '');
    }
    if (this.mood === 'guarded') return text(401, 'who are you?');
    const message = parseJsonObject(request.body ?? '') ?? {};
    const method = String(message['method']);
    this.asked.push(method);
    const reply = (body: object, headers = {}) =>
      text(200, JSON.stringify({ jsonrpc: '2.0', id: message['id'], ...body }), headers);
    if (this.mood === 'error-500') return text(500, 'Internal Server Error');
    if (method === 'server/discover')
      return this.era === 'modern' ? reply({ result: discovered }) : text(400, '');
    if (method === 'initialize') {
      this.#opened += 1;
      this.sessions.add(`s${this.#opened}`);
      return reply({ result: initialized }, { 'mcp-session-id': `s${this.#opened}` });
    }
    if (method.startsWith('notifications/')) return text(202, '');
    if (!this.sessions.has(request.headers['mcp-session-id'] ?? '')) {
      const body = JSON.stringify({
        jsonrpc: '2.0',
        id: null,
        error: { code: -32000, message: 'No such session' },
      });
      return this.mood === 'forgetful' ? text(400, body) : text(404, '');
    }
    return this.mood === 'cannot-ping'
      ? reply({ error: { code: -32601, message: 'Method not found' } })
      : reply({ result: {} });
  }
}

/** Reaches fake servers by endpoint; an endpoint that nobody has refuses. */
export class FakeUpstream implements Upstream {
  readonly servers = new Map<string, FakeServer>();
  /** Most exchanges that were under way at once. */
  atOnce = 0;
  #now = 0;

  add(endpoint: string, server: FakeServer): FakeServer {
    this.servers.set(endpoint, server);
    return server;
  }

  async exchange(request: UpstreamRequest): Promise<UpstreamResponse | UpstreamFault> {
    this.#now += 1;
    this.atOnce = Math.max(this.atOnce, this.#now);
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#now -= 1;
    const server = this.servers.get(request.endpoint);
    if (!server || server.mood === 'down')
      return { fault: 'unreachable', detail: 'connection refused', neverLeft: true };
    if (server.mood === 'silent') return { fault: 'timeout', detail: 'no answer', neverLeft: false };
    return server.answer(request);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.servers.clear();
  }
}

function text(status: number, body: string, headers: Record<string, string> = {}): UpstreamResponse {
  return { status, headers, body: { kind: 'text', text: body } };
}

const initialized = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: {} },
  serverInfo: { name: 'fake', version: '1' },
};
const discovered = {
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: {} },
  ttlMs: 0,
  cacheScope: 'private',
};
