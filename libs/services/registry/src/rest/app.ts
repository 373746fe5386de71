/** The registry's HTTP handler: who may knock at all, then the routes, then answers for everything else. */

import { hostAllowed, originAllowed, soleHeader, statusReply } from '@cruvero/chassis';
import type { StatusOptions } from '@cruvero/chassis';
import { StoreUnavailable } from '@cruvero/ports';
import type { HttpHandler, Log } from '@cruvero/ports';
import express from 'express';
import type { NextFunction, Request, Response } from 'express';
import type { RegistryConfig } from '../config.ts';
import { deleteApiKey, listApiKeys, postApiKey } from './api-keys.ts';
import { authenticate, isRefusal } from './authenticate.ts';
import { deleteCredential, putCredential } from './credentials.ts';
import { listGateways } from './gateways.ts';
import { postLifecycleEvent } from './lifecycle-events.ts';
import { meshDeregister, meshDiscover, meshRegister, meshServices } from './mesh.ts';
import { openApiDocument } from './openapi.ts';
import type { RestParts } from './parts.ts';
import { getProfiles, putProfiles } from './profiles.ts';
import { problem } from './reply.ts';
import type { RestReply } from './reply.ts';
import type { Route } from './route.ts';
import { getServer, listServers } from './servers-read.ts';
import { deleteServer, deregisterServer, postServer, putServer } from './servers-write.ts';
import {
  deleteVirtualServer,
  getVirtualServer,
  listVirtualServers,
  postVirtualServer,
  putVirtualServer,
} from './virtual-servers.ts';

export interface AppParts extends RestParts {
  readonly log: Log;
  readonly status: StatusOptions;
}

const bodyBytesMax = 1 << 20;
const retryAfterS = '2';

const routesOf = (parts: RestParts): readonly Route[] =>
  [
    listServers,
    postServer,
    getServer,
    putServer,
    deleteServer,
    deregisterServer,
    listGateways,
    listApiKeys,
    postApiKey,
    deleteApiKey,
    getProfiles,
    putProfiles,
    listVirtualServers,
    postVirtualServer,
    getVirtualServer,
    putVirtualServer,
    deleteVirtualServer,
    putCredential,
    deleteCredential,
    meshRegister,
    meshServices,
    meshDiscover,
    meshDeregister,
    postLifecycleEvent,
  ].map((make) => make(parts));

function send(response: Response, { status, body, headers = {} }: RestReply): void {
  response
    .status(status)
    .set({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers });
  if (body === undefined) response.end();
  else response.json(body);
}

const away: RestReply = {
  ...problem(503, 'store_unavailable', 'The registry cannot reach its store now; try again in a moment.'),
  headers: { 'retry-after': retryAfterS },
};

/** Express hands over what its body parser and our handlers throw. */
function replyTo(error: unknown, log: Log): RestReply {
  if (error instanceof StoreUnavailable) return away;
  const type = (error as { type?: unknown } | null)?.type;
  if (type === 'entity.too.large') {
    return problem(
      413,
      'body_too_large',
      `The body is larger than ${bodyBytesMax} bytes, the most that is taken here.`,
    );
  }
  if (type === 'entity.parse.failed') return problem(400, 'bad_json', 'The body is not valid JSON.');
  if (typeof type === 'string' && /^(charset|encoding)\./.test(type)) {
    return problem(415, 'wrong_content_type', 'Send JSON in UTF-8, plain or compressed with gzip.');
  }
  if (type === 'request.aborted' || error instanceof URIError)
    return problem(400, 'bad_request', 'The request cannot be read.');
  log.error('a request failed', { error });
  return problem(500, 'internal', 'Something went wrong here; the log has more.');
}

/** Also for the status paths: a page of somebody else must read nothing. */
function guard(config: RegistryConfig) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const { loopback } = config;
    const ownAddress = request.socket.localAddress;
    const hosts = {
      names: config.allowedHosts,
      loopback,
      ...(ownAddress === undefined ? {} : { ownAddress }),
    };
    if (!hostAllowed(soleHeader(request.rawHeaders, 'host'), hosts)) {
      const message =
        'This registry does not answer to that Host header; add it to CRUVERO_REGISTRY_ALLOWED_HOSTS if it should.';
      return send(response, problem(403, 'wrong_host', message));
    }
    const origins = { names: config.allowedOrigins, loopback };
    if (!originAllowed(soleHeader(request.rawHeaders, 'origin'), origins)) {
      const message =
        'Pages of that origin may not call; add it to CRUVERO_REGISTRY_ALLOWED_ORIGINS if they should.';
      return send(response, problem(403, 'wrong_origin', message));
    }
    next();
  };
}

/** Paths of the status endpoints; `mounted` leaves them to the service that mounts this handler. */
function statusPaths(parts: AppParts, document: object) {
  return async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    const reply = await statusReply(request.path, parts.status);
    if (!reply && request.path !== '/openapi.json') return next();
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return send(response, wrongMethod('GET, HEAD'));
    if (!reply) return send(response, { status: 200, body: document });
    response.status(reply.status).set({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    response.type(reply.contentType).send(reply.body);
  };
}

function wrongMethod(allow: string): RestReply {
  return { ...problem(405, 'wrong_http_method', `This path takes ${allow} only.`), headers: { allow } };
}

function hasBody(request: Request): boolean {
  return (
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  );
}

const keepBody = express.json({ limit: bodyBytesMax, strict: false });

/** The key is checked before a byte of the body is read. */
function perform(route: Route, parts: AppParts) {
  return async (request: Request, response: Response): Promise<void> => {
    const principal = await authenticate(request, parts.ring);
    if (isRefusal(principal)) return send(response, principal);
    if (route.body && hasBody(request) && !request.is(['application/json', 'application/*+json'])) {
      const got = JSON.stringify((request.headers['content-type'] ?? '').slice(0, 100));
      return send(
        response,
        problem(415, 'wrong_content_type', `Content-Type is ${got}; send application/json.`),
      );
    }
    if (route.body)
      await new Promise<void>((resolve, reject) =>
        keepBody(request, response, (e?: unknown) => (e ? reject(e) : resolve())),
      );
    const path = Object.fromEntries(
      Object.entries(request.params).map(([key, value]) => [key, String(value)]),
    );
    send(response, await route.run({ principal, path, query: { ...request.query }, body: request.body }));
  };
}

/** OpenAPI writes `{name}`, Express `:name`. */
const expressPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');

export function registryHandler(config: RegistryConfig, parts: AppParts): HttpHandler {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('strict routing');
  app.enable('case sensitive routing');
  app.set('query parser', 'simple');
  const routes = routesOf(parts);
  app.use(guard(config));
  app.use(statusPaths(parts, openApiDocument(routes, config.version)));
  const methods = new Map<string, Set<string>>();
  for (const route of routes) {
    app[route.method](expressPath(route.path), perform(route, parts));
    const taken = methods.get(route.path) ?? new Set();
    methods.set(route.path, taken.add(route.method.toUpperCase()));
  }
  for (const [path, taken] of methods) {
    if (taken.has('GET')) taken.add('HEAD');
    app.all(expressPath(path), (_request, response) => send(response, wrongMethod([...taken].join(', '))));
  }
  app.use((request: Request, response: Response) => {
    const shown = request.path.slice(0, 200);
    send(
      response,
      problem(404, 'no_such_path', `Nothing is served at ${shown}; /openapi.json lists what is.`),
    );
  });
  app.use((error: unknown, _request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(error);
    send(response, replyTo(error, parts.log));
  });
  return app;
}
