/** MCP over Streamable HTTP: POST a message, GET a session's stream, DELETE a session; both eras at every door. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  classify,
  isBatch,
  isFault,
  readMessage,
  type Message,
  type RequestMessage,
  type Spoken,
} from '@cruvero/core';
import type { Door } from '../door.ts';
import { openSession, takeNotification, takeRequest, takeResponse, type Arrival } from '../receive.ts';
import type { Listener } from '../listening/listener.ts';
import type { ClientSession } from '../sessions/client-session.ts';
import { takeBatch } from './batch.ts';
import { isJsonType, readAccept, readBody } from './body.ts';
import { CallAnswer } from './call-answer.ts';
import {
  accepted,
  admit,
  eventsOf,
  findSession,
  isAdmitted,
  traceFor,
  type EndpointParts,
  type Exchange,
} from './exchange.ts';
import { eraHeaders, lastEventIdOf, paramHeadersOf, sessionIdOf } from './headers.ts';
import { openListen, openSessionStream } from './listening.ts';
import { resultMessage, sendFault, sendJson } from './respond.ts';

/** Answers whatever comes; never rejects. */
export async function serveMcp(
  request: IncomingMessage,
  response: ServerResponse,
  door: Door,
  parts: EndpointParts,
): Promise<void> {
  const exchange = admit(request, response, door, parts);
  if (isFault(exchange)) return sendFault(response, exchange);
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
  if (isBatch(text)) return takeBatch(text, exchange, accepts.sse, parts);
  const message = readMessage(text);
  if (isFault(message)) return sendFault(response, message);
  await take(message, exchange, accepts.sse, parts);
}

async function take(
  message: Message,
  exchange: Exchange,
  acceptsSse: boolean,
  parts: EndpointParts,
): Promise<void> {
  const { request, response } = exchange;
  if (message.kind === 'response') {
    const session = await findSession(exchange, parts);
    if (isFault(session)) return sendFault(response, session);
    takeResponse(message, session, parts);
    return accepted(response);
  }
  const spoken = classify(message, eraHeaders(request));
  const idText = message.kind === 'request' ? message.idText : 'null';
  if (isFault(spoken)) return sendFault(response, spoken, idText, 'modern');
  if (message.method === 'initialize' && message.kind === 'request')
    return initialize(exchange, message, parts);
  // A legacy request needs the session that initialize made; a modern one has none and never mentions one.
  const session = spoken.era === 'modern' ? undefined : await findSession(exchange, parts);
  if (isFault(session)) return sendFault(response, session, idText);
  if (message.kind === 'notification') {
    takeNotification(message, session, parts);
    return accepted(response);
  }
  if (message.method === 'subscriptions/listen' && spoken.era === 'modern')
    return subscribe(exchange, message, acceptsSse, parts);
  await takeRequest(message, arrival(exchange, message, spoken, session, acceptsSse, parts), parts);
}

/** The request as the rest of the way needs it. */
function arrival(
  { request, response, door, principal, snapshot }: Exchange,
  message: RequestMessage,
  spoken: Spoken,
  session: ClientSession | undefined,
  acceptsSse: boolean,
  parts: EndpointParts,
): Arrival {
  const events =
    session && session.facts.version >= '2025-03-26' ? () => eventsOf(session, parts) : undefined;
  const primes = session !== undefined && session.facts.version >= '2025-11-25';
  return {
    door,
    principal,
    snapshot,
    spoken,
    session,
    trace: traceFor(request, spoken),
    paramHeaders: spoken.era === 'modern' ? paramHeadersOf(request) : undefined,
    outlet: new CallAnswer(response, message.idText, {
      era: spoken.era,
      acceptsSse,
      streams: parts.streams,
      events,
      primes,
    }),
    onGone: (gone) => response.once('close', () => response.writableFinished || gone()),
  };
}

async function initialize(exchange: Exchange, message: RequestMessage, parts: EndpointParts): Promise<void> {
  const { response } = exchange;
  const opened = await openSession(message, exchange, parts);
  if (isFault(opened)) return sendFault(response, opened, message.idText, 'legacy');
  sendJson(response, 200, resultMessage(message.idText, opened.resultText), {
    'mcp-session-id': opened.session.id,
  });
}

async function subscribe(
  exchange: Exchange,
  message: RequestMessage,
  acceptsSse: boolean,
  parts: EndpointParts,
): Promise<void> {
  const { response } = exchange;
  const refused = acceptsSse
    ? await openListen(response, message, listenerOf(exchange, parts), parts)
    : ({ fault: 'not_acceptable', got: 'no text/event-stream' } as const);
  if (refused) sendFault(response, refused, message.idText, 'modern');
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
  const session = await findSession(exchange, parts);
  if (isFault(session)) return sendFault(response, session);
  // Gone while the session was looked for: nothing would tell that its stream has closed.
  if (response.destroyed) return;
  const refused = openSessionStream(
    response,
    listenerOf(exchange, parts),
    session,
    lastEventIdOf(request),
    eventsOf(session, parts),
    parts,
  );
  if (refused) sendFault(response, refused);
}

function listenerOf(exchange: Exchange, parts: EndpointParts): Listener {
  return { ...exchange, isAdmitted: () => isAdmitted(exchange, parts) };
}

async function end(exchange: Exchange, parts: EndpointParts): Promise<void> {
  const { request, response } = exchange;
  if (sessionIdOf(request) === undefined)
    return sendFault(response, { fault: 'wrong_http_method', allow: 'POST' });
  const session = await findSession(exchange, parts);
  if (isFault(session)) return sendFault(response, session);
  parts.sessions.end(session);
  response.writeHead(204);
  response.end();
}
