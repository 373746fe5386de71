/** `/api/v1/mcp`: tools and states of servers for callers that speak plain REST (requirements §14, appendix D). */

import { STATUS_CODES, type IncomingMessage } from 'node:http';
import express, { type NextFunction, type Request, type Response } from 'express';
import {
  depthMax,
  faultMessage,
  faultTable,
  isFault,
  isJsonObject,
  legacyLatest,
  paramsFrom,
  readServerName,
  serverKey,
  type Fault,
  type Instance,
  type Json,
  type JsonObject,
  type Principal,
  type Server,
  type ServerName,
  type Snapshot,
} from '@cruvero/core';
import type { Clock, HttpHandler, Log } from '@cruvero/ports';
import { identify, requireScope } from '../authn.ts';
import type { Calls } from '../calls.ts';
import { failedInside, silentCaller } from '../callers/caller.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { GatewayConfig } from '../config.ts';
import { serversOf } from '../control/state.ts';
import { Deadline } from '../deadline.ts';
import { isJsonType } from './body.ts';
import { presented, repeatedHeader, traceOf } from './headers.ts';

export const restPrefix = '/api/v1/mcp';

export interface RestParts {
  readonly config: GatewayConfig;
  readonly calls: Calls;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly snapshot: () => Snapshot;
  readonly log: Pick<Log, 'error'>;
}

interface Asked {
  readonly principal: Principal;
  readonly snapshot: Snapshot;
}

/** Paths with and without `/services/` in between: the document has the one, its code the other. */
export function restFacade(parts: RestParts): HttpHandler {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  const router = express.Router();
  // Nobody's body is read before it is known whose it is.
  router.use((request: Request, response: Response, next: NextFunction) => {
    const asked = asking(request, parts);
    if (isFault(asked)) sendRestFault(response, asked);
    else next();
  });
  router.use(express.json({ limit: parts.config.bodyBytesMax, strict: true }));
  router.get('/status', (request, response) => show(request, response, parts, overview));
  router.get('/health', (request, response) => show(request, response, parts, overview));
  router.get('/services', (request, response) => show(request, response, parts, names));
  for (const path of ['/services/:service', '/:service']) {
    router.get(`${path}/status`, (request, response) => show(request, response, parts, statusOf));
    router.get(`${path}/capabilities`, (request, response) => show(request, response, parts, offersOf));
    router.post(`${path}/execute`, (request, response) => execute(request, response, parts));
  }
  app.use(restPrefix, router);
  app.use((request: Request, response: Response) =>
    sendRestFault(response, { fault: 'no_such_path', path: request.path.slice(0, 128) }),
  );
  app.use(onError(parts));
  return (request, response) => void app(request, response);
}

function asking(request: IncomingMessage, parts: RestParts): Asked | Fault {
  const repeated = repeatedHeader(request);
  if (repeated) return repeated;
  const snapshot = parts.snapshot();
  const principal = identify(presented(request), snapshot, parts.config.auth, parts.config.tenantId);
  if (isFault(principal)) return principal;
  return requireScope(principal, 'admin') ?? { principal, snapshot };
}

type View = (asked: Asked, parts: RestParts, service: string) => unknown;

function show(request: Request, response: Response, parts: RestParts, view: View): void {
  const asked = asking(request, parts);
  const body = isFault(asked) ? asked : view(asked, parts, String(request.params['service'] ?? ''));
  if (isFault(body)) sendRestFault(response, body);
  else response.json(body);
}

/** `mcp-<name>` is the convention of the mesh; a server may also really be called so. */
function serverNamed({ principal, snapshot }: Asked, service: string): Server | Fault {
  for (const candidate of [service, service.replace(/^mcp-/, '')]) {
    const name = readServerName(candidate);
    const server = name && snapshot.servers.get(serverKey(principal.tenantId, name));
    if (server) return server;
  }
  const known = serversOf(snapshot, principal.tenantId).map((s) => s.name);
  return { fault: 'unknown_server', server: service.slice(0, 64), known };
}

const names: View = ({ principal, snapshot }) => serversOf(snapshot, principal.tenantId).map((s) => s.name);

const overview: View = ({ principal, snapshot }, parts) => {
  const servers = serversOf(snapshot, principal.tenantId);
  const services = servers.map((server) => [server.name, healthOf(server, parts)] as const);
  const healthy = services.filter(([, s]) => s.healthy).length;
  return {
    services: Object.fromEntries(services),
    summary: { total: services.length, healthy, unhealthy: services.length - healthy },
  };
};

function healthOf(server: Server, parts: RestParts) {
  const { state } = parts.catalog.listsOf(server);
  return {
    healthy: server.instances.some(isHealthy),
    available: state.at === 'seen',
    instances: server.instances.length,
    ...(state.at === 'failed' ? { reason: state.reason } : {}),
  };
}

const isHealthy = (instance: Instance): boolean =>
  instance.health === 'healthy' || instance.health === 'unknown';

/** Upper case as in the mesh's own answers; an instance nobody complained about counts as healthy. */
function detail(instance: Instance) {
  const state = instance.health === 'unknown' ? 'HEALTHY' : instance.health.toUpperCase();
  return { id: instance.instanceId, address: instance.endpoint, state, tags: instance.tags };
}

const statusOf: View = (asked, _parts, service) => {
  const server = serverNamed(asked, service);
  if (isFault(server)) return server;
  return {
    service: server.name,
    instances: server.instances.length,
    healthy: server.instances.filter(isHealthy).length,
    details: server.instances.map(detail),
  };
};

const offersOf: View = (asked, parts, service) => {
  const server = serverNamed(asked, service);
  if (isFault(server)) return server;
  const { lists } = parts.catalog.listsOf(server);
  const list = (kind: 'tools' | 'resources' | 'resourceTemplates' | 'prompts') =>
    lists?.[kind].map((item) => item.own) ?? [];
  return {
    service: server.name,
    tools: list('tools'),
    resources: list('resources'),
    resource_templates: list('resourceTemplates'),
    prompts: list('prompts'),
  };
};

/** As deep as the arguments of a call over MCP may be, where the message and its params stand around them. */
const levelsMax = depthMax - 2;

/** Looks no further down than `levels`, so it has a bound of its own. */
function isDeeper(value: Json | undefined, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner: Json | undefined) => isDeeper(inner, levels - 1));
}

interface Command {
  readonly method: string;
  readonly params: JsonObject;
  readonly timeoutMs: number;
}

const timeoutSecondsMax = 300;

/** A command is a tool's name unless it contains a slash, then an MCP method (appendix E 29). */
function readCommand(body: unknown, config: GatewayConfig): Command | Fault {
  if (!isJsonObject(body))
    return { fault: 'bad_request', detail: 'The body is a JSON object {"command": …, "params": {…}}.' };
  const command = body['command'] ?? body['method'];
  if (typeof command !== 'string' || command === '') {
    return {
      fault: 'bad_params',
      detail: '"command" is missing: the name of a tool, or an MCP method such as "tools/list".',
    };
  }
  const params = body['params'] ?? {};
  if (!isJsonObject(params)) return { fault: 'bad_params', detail: '"params" is an object.' };
  if (isDeeper(params, levelsMax))
    return { fault: 'bad_params', detail: `"params" is too deep: nesting is deeper than ${levelsMax}.` };
  const seconds = body['timeout'] ?? config.callDeadlineMs / 1_000;
  if (typeof seconds !== 'number' || !(seconds > 0) || seconds > timeoutSecondsMax) {
    return {
      fault: 'bad_params',
      detail: `"timeout" is a number of seconds above 0, at most ${timeoutSecondsMax}.`,
    };
  }
  const timeoutMs = Math.min(seconds * 1_000, config.callDeadlineMs);
  if (command.includes('/')) return { method: command, params, timeoutMs };
  return { method: 'tools/call', params: { name: command, arguments: params }, timeoutMs };
}

async function execute(request: Request, response: Response, parts: RestParts): Promise<void> {
  const asked = asking(request, parts);
  if (isFault(asked)) return sendRestFault(response, asked);
  const type = request.headers['content-type'];
  if (!isJsonType(type))
    return sendRestFault(response, { fault: 'wrong_content_type', got: (type ?? '').slice(0, 128) });
  const server = serverNamed(asked, String(request.params['service'] ?? ''));
  if (isFault(server)) return sendRestFault(response, server);
  const command = readCommand(request.body, parts.config);
  if (isFault(command)) return sendRestFault(response, command);
  const abort = new AbortController();
  response.once('close', () => response.writableFinished || abort.abort());
  const outcome = await parts.calls.run(
    inbound(request, asked, server.name, command, abort, parts),
    asked.principal,
  );
  if (response.destroyed) return;
  if (isFault(outcome)) return sendRestFault(response, outcome);
  const own = JSON.stringify(server.name);
  if (outcome.kind === 'error')
    return sendText(response, 422, `{"service":${own},"success":false,"error":${outcome.text}}`);
  sendText(response, 200, `{"service":${own},"success":true,"result":${outcome.text}}`);
}

function inbound(
  request: Request,
  { snapshot }: Asked,
  name: ServerName,
  command: Command,
  abort: AbortController,
  parts: RestParts,
) {
  const params = paramsFrom(JSON.stringify(command.params));
  return {
    door: { door: 'server', name },
    message: { kind: 'request', text: '', idText: '0', method: command.method, params },
    spoken: { era: 'legacy', version: legacyLatest, meta: undefined },
    snapshot,
    trace: traceOf(request),
    abort,
    session: undefined,
    deadline: new Deadline(command.timeoutMs, abort, parts.clock),
    caller: silentCaller,
    paramHeaders: undefined,
    pinnedTo: undefined,
  } as const;
}

function sendText(response: Response, status: number, text: string): void {
  response.status(status).type('application/json').send(text);
}

const restStatus: Readonly<Partial<Record<Fault['fault'], number>>> = {
  unknown_tool: 404,
  unknown_resource: 404,
};

/** `{error: {code, message, details}}`, as the admin API answers too. */
function sendRestFault(response: Response, fault: Fault): void {
  const status = restStatus[fault.fault] ?? faultTable[fault.fault].httpStatus;
  if (fault.fault === 'unauthenticated') response.set('www-authenticate', 'Bearer realm="cruvero-mcp"');
  if ('retryAfterMs' in fault) response.set('retry-after', String(Math.ceil(fault.retryAfterMs / 1_000)));
  const { fault: code, ...details } = fault;
  response.status(status).json({ error: { code, message: faultMessage(fault), details } });
}

/** What express and its body parser throw has a status; anything else is ours. */
function onError(parts: RestParts) {
  return (thrown: unknown, _request: Request, response: Response, next: NextFunction): void => {
    if (response.headersSent) return next(thrown);
    const status = statusIn(thrown);
    if (status === 413)
      return sendRestFault(response, { fault: 'body_too_large', bytesMax: parts.config.bodyBytesMax });
    if (status === 400 && isParseFailure(thrown))
      return sendRestFault(response, { fault: 'bad_json', detail: 'it cannot be parsed' });
    if (status >= 400 && status < 500) {
      return sendRestFault(response, {
        fault: 'bad_request',
        detail: `${STATUS_CODES[status] ?? 'Bad request'}.`,
      });
    }
    parts.log.error('a REST request failed inside', { error: thrown });
    sendRestFault(response, failedInside);
  };
}

/** The word of express for a body that is no JSON. */
function isParseFailure(thrown: unknown): boolean {
  return (
    typeof thrown === 'object' && thrown !== null && 'type' in thrown && thrown.type === 'entity.parse.failed'
  );
}

function statusIn(thrown: unknown): number {
  const status =
    typeof thrown === 'object' && thrown !== null && 'status' in thrown ? thrown.status : undefined;
  return typeof status === 'number' ? status : 500;
}
