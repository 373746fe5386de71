/** A server that offers everything the official conformance scenarios name, in either era or in both. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  localhostHostValidation,
  localhostOriginValidation,
  toWebRequest,
  type NodeIncomingMessageLike,
} from '@modelcontextprotocol/node';
import { isLegacyRequest } from '@modelcontextprotocol/server';
import { readBody, serveHttp } from '../fixtures/http-host.ts';
import { sseSessions, streamableSessions, type LegacyLeg } from './legacy-sessions.ts';
import { modernLeg, type ModernLeg } from './modern-leg.ts';
import { World } from './world.ts';

export interface ConformanceServerOptions {
  /** `both`: requests with an envelope are modern, everything else belongs to legacy sessions. */
  readonly eras: 'both' | 'legacy' | 'modern';
  /** `sse` is the legacy HTTP+SSE transport, whatever `eras` says. Default `http`. */
  readonly transport?: 'http' | 'sse';
  /** Default: a free one. */
  readonly port?: number;
}

export interface ConformanceServer extends AsyncDisposable {
  /** The MCP endpoint. */
  readonly url: string;
  readonly port: number;
  readonly transport: 'http' | 'sse';
  /** Open legacy sessions. */
  sessionCount(): number;
  close(): Promise<void>;
}

type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Only for this machine: Host and Origin must name it. */
export async function startConformanceServer(options: ConformanceServerOptions): Promise<ConformanceServer> {
  const world = new World();
  const transport = options.transport ?? 'http';
  const legacy = transport === 'sse' ? sseSessions(world) : streamableSessions(world);
  const modern = modernLeg(world);
  const handle = transport === 'sse' ? legacy.handle : atMcp(handlerOf(options.eras, legacy, modern));
  const isHostAllowed = localhostHostValidation();
  const isOriginAllowed = localhostOriginValidation();
  const host = await serveHttp((request, response) => {
    if (!isHostAllowed(request, response) || !isOriginAllowed(request, response)) return;
    handle(request, response).catch(() => response.destroy());
  }, options.port);
  const close = async (): Promise<void> => {
    world.close();
    await legacy.close();
    await modern.close();
    await host.close();
  };
  return {
    url: `${host.origin}/${transport === 'sse' ? 'sse' : 'mcp'}`,
    port: host.port,
    transport,
    sessionCount: legacy.sessionCount,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function handlerOf(eras: ConformanceServerOptions['eras'], legacy: LegacyLeg, modern: ModernLeg): Handle {
  if (eras === 'legacy') return (request, response) => legacy.handle(request, response);
  if (eras === 'modern') return (request, response) => modern.handle(request, response);
  return async (request, response) => {
    if (request.method !== 'POST') return legacy.handle(request, response);
    const body = parsed(await readBody(request));
    if (body === undefined)
      return void response.writeHead(400, { 'content-type': 'application/json' }).end(parseError);
    const web = await toWebRequest(request as NodeIncomingMessageLike, body);
    return (await isLegacyRequest(web, body))
      ? legacy.handle(request, response, body)
      : modern.handle(request, response, body);
  };
}

const atMcp =
  (handle: Handle): Handle =>
  async (request, response) => {
    if (new URL(request.url ?? '/', 'http://fixture').pathname === '/mcp') return handle(request, response);
    response.writeHead(404).end();
  };

const parseError = JSON.stringify({
  jsonrpc: '2.0',
  id: null,
  error: { code: -32700, message: 'Parse error' },
});

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
