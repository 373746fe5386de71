/** Legacy sessions of the conformance server: over Streamable HTTP, and over HTTP+SSE. */

import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import type { Transport } from '@modelcontextprotocol/server';
import { memoryEventStore } from './event-store.ts';
import { conformanceProtocol } from './protocol.ts';
import type { World } from './world.ts';

/** What a client is told to wait before it comes back to a closed stream. */
const retryMs = 200;

const sessionNotFound = JSON.stringify({
  jsonrpc: '2.0',
  id: null,
  error: { code: -32001, message: 'Session not found' },
});

export interface LegacyLeg {
  readonly sessionCount: () => number;
  handle(request: IncomingMessage, response: ServerResponse, body?: unknown): Promise<void>;
  close(): Promise<void>;
}

/** GET stream, Last-Event-ID and DELETE; an unknown session is answered 404. */
export function streamableSessions(world: World): LegacyLeg {
  const sessions = new Map<string, NodeStreamableHTTPServerTransport>();
  const fresh = async (): Promise<NodeStreamableHTTPServerTransport> => {
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      eventStore: memoryEventStore(),
      retryInterval: retryMs,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await conformanceProtocol(world, 'legacy').connect(transport);
    return transport;
  };
  return {
    sessionCount: () => sessions.size,
    handle: async (request, response, body) => {
      const id = request.headers['mcp-session-id'];
      const session = typeof id === 'string' ? sessions.get(id) : await fresh();
      if (session) return session.handleRequest(request, response, body);
      response.writeHead(404, { 'content-type': 'application/json' }).end(sessionNotFound);
    },
    close: async () => {
      const open = [...sessions.values()];
      sessions.clear();
      await Promise.all(open.map((transport) => transport.close()));
    },
  };
}

/** The transport of 2024-11-05: GET /sse, POST /messages?sessionId=…. */
export function sseSessions(world: World): LegacyLeg {
  const sessions = new Map<string, SSEServerTransport>();
  const open = async (response: ServerResponse): Promise<void> => {
    const transport = new SSEServerTransport('/messages', response);
    sessions.set(transport.sessionId, transport);
    response.on('close', () => void sessions.delete(transport.sessionId));
    // A transport of the older SDK: the same face, with looser types.
    await conformanceProtocol(world, 'legacy').connect(transport as unknown as Transport);
  };
  return {
    sessionCount: () => sessions.size,
    handle: async (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://fixture');
      const session = sessions.get(searchParams.get('sessionId') ?? '');
      if (pathname === '/sse' && request.method === 'GET') return open(response);
      if (pathname === '/messages' && request.method === 'POST' && session)
        return session.handlePostMessage(request, response);
      response.writeHead(pathname === '/sse' ? 405 : 404).end();
    },
    close: async () => {
      const all = [...sessions.values()];
      sessions.clear();
      await Promise.all(all.map((transport) => transport.close()));
    },
  };
}
