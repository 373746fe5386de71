/** The gateway's one door to HTTP: who is asked (Host, Origin), then which path, then the room behind it. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { readServerName, type Fault } from '@cruvero/core';
import { hostAllowed, originAllowed, soleHeader, statusReply, type StatusOptions } from '@cruvero/chassis';
import type { HttpHandler, Telemetry } from '@cruvero/ports';
import { failedInside } from '../callers/caller.ts';
import type { Door } from '../door.ts';
import { homePage, type HomeFacts } from './home-page.ts';
import { sendFault, sendJson } from './respond.ts';
import { messagesPath } from './sse-door.ts';

export interface FrontParts {
  readonly status: StatusOptions;
  readonly telemetry: Telemetry;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  /** Of the aggregate, where the URL says nothing. */
  readonly nameStyle: 'canonical' | 'safe';
  /** True where the listener is bound to loopback. */
  readonly loopback: () => boolean;
  readonly home: (host: string) => HomeFacts;
  readonly serveMcp: (request: IncomingMessage, response: ServerResponse, door: Door) => Promise<void>;
  /** HTTP+SSE: the stream, and where its client POSTs. */
  readonly openSse: (request: IncomingMessage, response: ServerResponse, door: Door) => void;
  readonly takeSse: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  /** REST facades; each takes every path under its prefix. */
  readonly mounts: readonly { readonly prefix: string; readonly handler: HttpHandler }[];
}

export function front(parts: FrontParts): HttpHandler {
  const requests = parts.telemetry.metrics.counter(
    'mcpgw_http_requests_total',
    'Requests by method, path and status',
  );
  return (request, response) => {
    const path = pathOf(request);
    response.once('finish', () => {
      const labels = {
        method: request.method ?? '',
        path: pathLabel(path, parts.mounts),
        status_code: String(response.statusCode),
      };
      requests.add(1, labels);
    });
    const refused = refuse(request, parts);
    if (refused) return sendFault(response, refused);
    serve(request, response, path, parts).catch((thrown: unknown) => {
      parts.telemetry.log.error('a request failed inside', {
        path: pathLabel(path, parts.mounts),
        error: thrown,
      });
      if (response.headersSent) response.destroy();
      else sendFault(response, failedInside);
    });
  };
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/';
  const query = url.search(/[?#]/);
  return query < 0 ? url : url.slice(0, query);
}

/** Every route is behind this: a page of somebody else must not reach a gateway on a laptop (DNS rebinding). */
function refuse(request: IncomingMessage, parts: FrontParts): Fault | undefined {
  const host = soleHeader(request.rawHeaders, 'host');
  const origin = soleHeader(request.rawHeaders, 'origin');
  const ownAddress = request.socket.localAddress;
  const loopback = parts.loopback();
  const hosts = { names: parts.allowedHosts, loopback, ...(ownAddress === undefined ? {} : { ownAddress }) };
  if (!hostAllowed(host, hosts)) return { fault: 'wrong_host', host: (host ?? '').slice(0, 128) };
  const origins = { names: parts.allowedOrigins, loopback };
  if (!originAllowed(origin, origins)) return { fault: 'wrong_origin', origin: (origin ?? '').slice(0, 128) };
  return undefined;
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  parts: FrontParts,
): Promise<void> {
  const door = doorOf(path, request.url ?? '', parts.nameStyle);
  if (door && path.endsWith('/sse')) return parts.openSse(request, response, door);
  if (door) return parts.serveMcp(request, response, door);
  if (path === messagesPath) return parts.takeSse(request, response);
  const mount = mountOf(path, parts.mounts);
  if (mount) return mount.handler(request, response);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return sendFault(response, knownPath(path) ? { fault: 'wrong_http_method', allow: 'GET' } : noPath(path));
  }
  if (path === '/') return sendPage(response, homePage(parts.home(request.headers.host ?? '')));
  const reply = await statusReply(path, parts.status);
  if (!reply) return sendFault(response, noPath(path));
  if (reply.contentType === 'application/json') return sendJson(response, reply.status, reply.body);
  response.writeHead(reply.status, { 'content-type': reply.contentType, 'cache-control': 'no-store' });
  response.end(reply.body);
}

function mountOf(path: string, mounts: FrontParts['mounts']) {
  return mounts.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`));
}

function noPath(path: string): Fault {
  return { fault: 'no_such_path', path: path.slice(0, 128) };
}

function knownPath(path: string): boolean {
  return path === '/' || path === '/healthz' || path === '/readyz' || path === '/metrics';
}

const ownPath = /^\/(servers|virtual)\/([^/]+)\/(mcp|sse)$/;

function doorOf(path: string, url: string, nameStyle: 'canonical' | 'safe'): Door | undefined {
  if (path === '/mcp' || path === '/sse') return aggregateDoor(url, nameStyle);
  const found = ownPath.exec(path);
  const name = readServerName(found?.[2]);
  return name && { door: found?.[1] === 'virtual' ? 'virtual' : 'server', name };
}

export function aggregateDoor(url: string, nameStyle: 'canonical' | 'safe'): Door {
  return { door: 'aggregate', names: nameStyleOf(url) ?? nameStyle };
}

/** `?names=safe` for clients that take no dots in names. */
export function nameStyleOf(url: string): 'canonical' | 'safe' | undefined {
  const asked = /[?&]names=(canonical|safe)(?:&|$)/.exec(url)?.[1];
  return asked === 'safe' || asked === 'canonical' ? asked : undefined;
}

/** Bounded: a path is a label only where it is one of ours. */
function pathLabel(path: string, mounts: FrontParts['mounts']): string {
  if (path === '/mcp' || path === '/sse' || path === messagesPath || knownPath(path)) return path;
  const own = ownPath.exec(path);
  if (own) return `/${own[1]}/{name}/${own[3]}`;
  return mountOf(path, mounts)?.prefix ?? 'other';
}

function sendPage(response: ServerResponse, html: string): void {
  response.writeHead(200, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
    'x-content-type-options': 'nosniff',
  });
  response.end(html);
}
