/** `/healthz`, `/readyz` and `/metrics`: what orchestrators, balancers and Prometheus ask every service. */

import type { IncomingMessage, ServerResponse } from 'node:http';

import type { HttpHandler, Metrics } from '@cruvero/ports';

import type { Health } from './health.ts';
import { hostAllowed, originAllowed, soleHeader } from './host-check.ts';

export interface StatusOptions {
  readonly service: string;
  readonly version: string;
  readonly health: Pick<Health, 'read'>;
  readonly metrics: Pick<Metrics, 'text'>;
}

export interface StatusEndpointOptions extends StatusOptions {
  /** Beside loopback names and the listener's own address: `name` or `name:port`. */
  readonly allowedHosts: readonly string[];
}

export interface StatusReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

const pathShownCharsMax = 200;

const json = (status: number, value: object): StatusReply => ({
  status,
  contentType: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});

/**
 * The answer to one of the three paths (without query), undefined for any other; for services that have HTTP
 * of their own.
 */
export async function statusReply(path: string, options: StatusOptions): Promise<StatusReply | undefined> {
  switch (path) {
    case '/healthz':
      return json(200, { status: 'alive', service: options.service, version: options.version });
    case '/readyz': {
      const { ready, checks } = await options.health.read();
      return json(ready ? 200 : 503, { status: ready ? 'ready' : 'not_ready', checks });
    }
    case '/metrics':
      return {
        status: 200,
        contentType: 'text/plain; version=0.0.4; charset=utf-8',
        body: await options.metrics.text(),
      };
    default:
      return undefined;
  }
}

/** For services that have no other HTTP: the three paths, and JSON errors for all else. */
export function statusEndpoint(options: StatusEndpointOptions): HttpHandler {
  return (request, response) => {
    request.resume();
    // a connection that breaks is the asker's affair
    response.on('error', () => undefined);
    answer(request, options).then(
      (reply) => send(request, response, reply),
      () => send(request, response, refusal(500, 'internal', 'The status could not be read.')),
    );
  };
}

async function answer(request: IncomingMessage, options: StatusEndpointOptions): Promise<StatusReply> {
  const host = soleHeader(request.rawHeaders, 'host');
  const ownAddress = request.socket.localAddress;
  const allowed = {
    names: options.allowedHosts,
    loopback: true,
    ...(ownAddress === undefined ? {} : { ownAddress }),
  };
  if (!hostAllowed(host, allowed)) {
    return refusal(403, 'wrong_host', 'This service does not answer to that Host header.');
  }
  // Only browsers send one, and no page has any business here.
  if (!originAllowed(soleHeader(request.rawHeaders, 'origin'), { names: [], loopback: true })) {
    return refusal(403, 'wrong_origin', 'This service does not answer to pages of that origin.');
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return refusal(405, 'wrong_http_method', 'This service takes GET and HEAD only.');
  }
  const path = (request.url ?? '').replace(/[?#].*$/s, '');
  const shown = path.slice(0, pathShownCharsMax);
  return (
    (await statusReply(path, options)) ??
    refusal(404, 'no_such_path', `Nothing is served at ${shown}; there are /healthz, /readyz and /metrics.`)
  );
}

function refusal(status: number, error: string, message: string): StatusReply {
  return json(status, { error, message });
}

function send(request: IncomingMessage, response: ServerResponse, reply: StatusReply): void {
  response.writeHead(reply.status, {
    'content-type': reply.contentType,
    'content-length': Buffer.byteLength(reply.body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(reply.status === 405 ? { allow: 'GET, HEAD' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : reply.body);
}
