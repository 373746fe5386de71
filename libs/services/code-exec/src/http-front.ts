/** `/mcp` and the status paths over HTTP, for callers that are meant to be here. */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { toNodeHandler, type NodeIncomingMessageLike } from '@modelcontextprotocol/node';
import type { McpHttpHandler } from '@modelcontextprotocol/server';
import {
  hostAllowed,
  originAllowed,
  soleHeader,
  statusReply,
  type Secret,
  type StatusOptions,
} from '@cruvero/chassis';
import { faultTable, type FaultName } from '@cruvero/core';
import type { Boundary, HttpHandler } from '@cruvero/ports';

export interface FrontOptions {
  readonly mcp: McpHttpHandler;
  readonly status: StatusOptions;
  readonly boundary: Boundary;
  readonly token: Secret | undefined;
  readonly allowedHosts: readonly string[];
  readonly bodyBytesMax: number;
  /** Whether the listener is bound to loopback only. */
  readonly loopback: () => boolean;
}

export function httpFront(options: FrontOptions): HttpHandler {
  const mcp = toNodeHandler(options.mcp, { maxRequestBodySize: options.bodyBytesMax });
  return (request, response) => {
    response.on('error', () => undefined);
    serve(request, response, options, mcp).catch(() => response.destroy());
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  options: FrontOptions,
  mcp: ReturnType<typeof toNodeHandler>,
): Promise<void> {
  const refused = refuse(request, options);
  if (refused) return answer(request, response, refused.status, refused.body);
  const path = pathOf(request);
  if (path === '/mcp') {
    if (!tokenMatches(request, options.token)) {
      response.setHeader('www-authenticate', 'Bearer');
      const message = 'Bring the token of this server (MCP_CODE_EXEC_TOKEN) as a bearer token.';
      return answer(request, response, 401, rpcError('unauthenticated', message));
    }
    // Types of the SDK and of Node differ in what may be undefined.
    return mcp(request as NodeIncomingMessageLike, response);
  }
  const reply = await statusReply(path, options.status);
  if (!reply || request.method !== 'GET') {
    const message = 'Nothing is served here; there are /mcp, /healthz, /readyz and /metrics.';
    return answer(request, response, 404, rpcError('no_such_path', message));
  }
  const body = path === '/healthz' ? withBoundary(reply.body, options.boundary) : reply.body;
  answer(request, response, reply.status, body, reply.contentType);
}

const pathOf = (request: IncomingMessage): string => (request.url ?? '').replace(/[?#].*$/s, '');

/** What the boundary is made of belongs to what the service says of itself. */
function withBoundary(body: string, boundary: Boundary): string {
  return `${JSON.stringify({ ...(JSON.parse(body) as object), boundary })}\n`;
}

function refuse(
  request: IncomingMessage,
  { allowedHosts, loopback }: FrontOptions,
): { readonly status: number; readonly body: string } | undefined {
  const ownAddress = request.socket.localAddress;
  const allowed = {
    names: allowedHosts,
    loopback: loopback(),
    ...(ownAddress === undefined ? {} : { ownAddress }),
  };
  if (!hostAllowed(soleHeader(request.rawHeaders, 'host'), allowed)) {
    const message = 'This server does not answer to that Host header; see MCP_CODE_EXEC_ALLOWED_HOSTS.';
    return { status: 403, body: rpcError('wrong_host', message) };
  }
  // Only browsers send one, and no page has any business here.
  if (!originAllowed(soleHeader(request.rawHeaders, 'origin'), { names: [], loopback: false })) {
    return { status: 403, body: rpcError('wrong_origin', 'Web pages may not call this server.') };
  }
  return undefined;
}

/** Hashes are compared, so that the time taken tells neither length nor content. */
function tokenMatches(request: IncomingMessage, token: Secret | undefined): boolean {
  if (!token) return true;
  const given = /^bearer +(\S+)$/i.exec(soleHeader(request.rawHeaders, 'authorization') ?? '')?.[1] ?? '';
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(token.reveal()));
}

function rpcError(fault: FaultName, message: string): string {
  return JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: faultTable[fault].code, message } });
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  body: string,
  contentType = 'application/json',
): void {
  // The rest of a body that nobody wants ends with the connection.
  if (!request.complete) response.shouldKeepAlive = false;
  request.resume();
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(body);
}
