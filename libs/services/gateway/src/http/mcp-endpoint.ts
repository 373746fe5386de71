/** MCP over Streamable HTTP: POST a message, GET a session's stream, DELETE a session; both eras at every door. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  classify,
  isFault,
  paramText,
  parseJsonObject,
  readMessage,
  type Fault,
  type NotificationMessage,
  type Principal,
  type RequestMessage,
  type Snapshot,
  type Spoken,
} from '@cruvero/core';
import type { Clock } from '@cruvero/ports';
import { identify, requireScope } from '../authn.ts';
import type { Calls } from '../calls.ts';
import type { GatewayConfig } from '../config.ts';
import { initializeResult, negotiate, readInitialize } from '../faces.ts';
import type { Door, Inbound } from '../pipeline.ts';
import { findServer } from '../route.ts';
import type { ClientSession, ClientSessions } from '../sessions.ts';
import { isJsonType, readAccept, readBody } from './body.ts';
import { eraHeaders, presented, repeatedHeader, sessionIdOf, traceOf } from './headers.ts';
import { openListen, openSessionStream, type ListeningParts } from './listening.ts';
import { CallAnswer, resultMessage, sendFault, sendJson } from './respond.ts';

export interface EndpointParts extends ListeningParts {
  readonly config: GatewayConfig;
  readonly calls: Calls;
  readonly sessions: ClientSessions;
  readonly clock: Clock;
  readonly snapshot: () => Snapshot;
}

/** Bytes of notifications kept for a caller who does not read; beyond it they are dropped. */
const notifyBufferedMax = 256 << 10;

/** One exchange as far as it is known. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly door: Door;
  readonly principal: Principal;
  readonly snapshot: Snapshot;
}

/** Answers whatever comes; never rejects. */
export async function serveMcp(
  request: IncomingMessage,
  response: ServerResponse,
  door: Door,
  parts: EndpointParts,
): Promise<void> {
  const snapshot = parts.snapshot();
  const principal = admit(request, snapshot, parts.config);
  if (isFault(principal)) return sendFault(response, principal);
  const server = door.door === 'server' ? findServer(snapshot, principal.tenantId, door.name) : undefined;
  if (isFault(server)) return sendFault(response, server);
  const exchange = { request, response, door, principal, snapshot };
  switch (request.method) {
    case 'POST':
      return post(exchange, parts);
    case 'GET':
      return listen(exchange, parts);
    case 'DELETE':
      return end(exchange, parts);
    default:
      return sendFault(response, { fault: 'wrong_http_method', allow: 'POST, GET, DELETE' });
  }
}

function admit(request: IncomingMessage, snapshot: Snapshot, config: GatewayConfig): Principal | Fault {
  const repeated = repeatedHeader(request);
  if (repeated) return repeated;
  const principal = identify(presented(request), snapshot, config.auth, config.tenantId);
  return isFault(principal) ? principal : (requireScope(principal, 'mcp') ?? principal);
}

async function post(exchange: Exchange, parts: EndpointParts): Promise<void> {
  const { request, response } = exchange;
  const type = request.headers['content-type'];
  if (!isJsonType(type))
    return sendFault(response, { fault: 'wrong_content_type', got: (type ?? '').slice(0, 128) });
  const accepts = readAccept(request.headers.accept);
  if (!accepts.json)
    return sendFault(response, {
      fault: 'not_acceptable',
      got: (request.headers.accept ?? '').slice(0, 128),
    });
  const text = await readBody(request, parts.config.bodyBytesMax);
  if (isFault(text)) return sendFault(response, text);
  const message = readMessage(text);
  if (isFault(message)) return sendFault(response, message);
  // Nothing here asks clients yet, so an answer has no question; it is taken and forgotten.
  if (message.kind === 'response') return accepted(response);
  const spoken = classify(message, eraHeaders(request));
  const idText = message.kind === 'request' ? message.idText : 'null';
  if (isFault(spoken)) return sendFault(response, spoken, idText, 'modern');
  const session = sessionFor(exchange, message, spoken, parts);
  if (isFault(session)) return sendFault(response, session, idText);
  if (message.kind === 'notification') return notified(response, message, session);
  await answer(exchange, message, spoken, session, accepts.sse, parts);
}

/** A legacy request needs the session that initialize made; a modern one has none and never mentions one. */
function sessionFor(
  exchange: Exchange,
  message: RequestMessage | NotificationMessage,
  spoken: Spoken,
  parts: EndpointParts,
): ClientSession | undefined | Fault {
  if (spoken.era === 'modern' || message.method === 'initialize') return undefined;
  return findSession(exchange, parts);
}

function findSession({ request, principal, door }: Exchange, parts: EndpointParts): ClientSession | Fault {
  const id = sessionIdOf(request);
  if (id === undefined) return { fault: 'session_required' };
  return parts.sessions.find(id, principal, door) ?? { fault: 'unknown_session' };
}

function accepted(response: ServerResponse): void {
  response.writeHead(202, { 'content-length': 0 });
  response.end();
}

/** Only a cancellation does something; all others are taken as read. */
function notified(
  response: ServerResponse,
  message: NotificationMessage,
  session: ClientSession | undefined,
): void {
  if (message.method === 'notifications/cancelled') {
    const requestId = paramText(message.params, 'requestId');
    if (requestId !== undefined) session?.running.get(requestId)?.abort();
  }
  accepted(response);
}

async function answer(
  exchange: Exchange,
  message: RequestMessage,
  spoken: Spoken,
  session: ClientSession | undefined,
  acceptsSse: boolean,
  parts: EndpointParts,
): Promise<void> {
  const { response, door, principal, snapshot } = exchange;
  if (message.method === 'initialize') return initialize(exchange, message, parts);
  if (message.method === 'subscriptions/listen' && spoken.era === 'modern') {
    if (!acceptsSse)
      return sendFault(
        response,
        { fault: 'not_acceptable', got: 'no text/event-stream' },
        message.idText,
        'modern',
      );
    const refused = openListen(response, message, principal, door, parts);
    return refused && sendFault(response, refused, message.idText, 'modern');
  }
  if (session?.running.has(message.idText)) {
    const detail = `The id ${message.idText.slice(0, 64)} is in use by a request that is still running; ids are unique in a session.`;
    return sendFault(response, { fault: 'bad_request', detail }, message.idText);
  }
  const abort = new AbortController();
  const reply = new CallAnswer(response, message.idText, spoken.era, acceptsSse, notifyBufferedMax);
  // A modern caller that closes its stream cancels; a legacy one may merely have lost the connection.
  if (spoken.era === 'modern') response.once('close', () => response.writableFinished || abort.abort());
  session?.running.set(message.idText, abort);
  try {
    const inbound = {
      door,
      message,
      spoken,
      snapshot,
      trace: traceFor(exchange.request, spoken),
      abort,
      deadlineMs: parts.clock.nowMs() + parts.config.callDeadlineMs,
      notify: (text: string) => reply.notify(text),
    };
    reply.finish(await parts.calls.run(inbound, principal));
  } finally {
    session?.running.delete(message.idText);
  }
}

/** The message's own trace context before the headers': proxies on the way may have begun another. */
function traceFor(request: IncomingMessage, spoken: Spoken): Inbound['trace'] {
  const traceparent = spoken.meta?.['traceparent'];
  if (typeof traceparent !== 'string') return traceOf(request);
  const tracestate = spoken.meta?.['tracestate'];
  return typeof tracestate === 'string' ? { traceparent, tracestate } : { traceparent };
}

async function initialize(exchange: Exchange, message: RequestMessage, parts: EndpointParts): Promise<void> {
  const { response, door, principal, snapshot } = exchange;
  const params = parseJsonObject(message.params.text);
  if (typeof params?.['protocolVersion'] !== 'string') {
    const detail = 'initialize needs params.protocolVersion, params.capabilities and params.clientInfo.';
    return sendFault(response, { fault: 'bad_params', detail }, message.idText, 'legacy');
  }
  const face = await parts.calls.face(door, principal, snapshot);
  if (isFault(face)) return sendFault(response, face, message.idText, 'legacy');
  const asked = readInitialize(message.params.text);
  const version = negotiate(asked.version);
  const { clientCapabilities, clientInfo } = asked;
  const session = parts.sessions.open({ principal, door, version, clientCapabilities, clientInfo });
  sendJson(response, 200, resultMessage(message.idText, initializeResult(face, version)), {
    'mcp-session-id': session.id,
  });
}

async function listen(exchange: Exchange, parts: EndpointParts): Promise<void> {
  const { request, response } = exchange;
  if (!readAccept(request.headers.accept).sse) {
    return sendFault(response, {
      fault: 'not_acceptable',
      got: (request.headers.accept ?? '').slice(0, 128),
    });
  }
  if (sessionIdOf(request) === undefined)
    return sendFault(response, { fault: 'wrong_http_method', allow: 'POST' });
  const session = findSession(exchange, parts);
  if (isFault(session)) return sendFault(response, session);
  const refused = openSessionStream(response, session, parts);
  if (refused) sendFault(response, refused);
}

async function end(exchange: Exchange, parts: EndpointParts): Promise<void> {
  const { request, response } = exchange;
  if (sessionIdOf(request) === undefined)
    return sendFault(response, { fault: 'wrong_http_method', allow: 'POST' });
  const session = findSession(exchange, parts);
  if (isFault(session)) return sendFault(response, session);
  parts.sessions.end(session);
  response.writeHead(204);
  response.end();
}
