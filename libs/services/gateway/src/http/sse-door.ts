/**
 * HTTP+SSE, the transport of MCP 2024-11-05: GET opens a stream whose first event says where to POST; answers come over the
 * stream. A session lives as long as its stream, on the replica that holds it.
 */

import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  encodeSse,
  faultTable,
  isFault,
  readMessage,
  type Fault,
  type Message,
  type RequestMessage,
  type Spoken,
} from '@cruvero/core';
import type { Door } from '../door.ts';
import { openSession, takeNotification, takeRequest, takeResponse } from '../receive.ts';
import { ownerKey, sessionAgeMsMax } from '../sessions/sessions.ts';
import { isJsonType, readAccept, readBody } from './body.ts';
import {
  accepted,
  admit,
  isAdmitted,
  refuseDoor,
  traceFor,
  type EndpointParts,
  type Exchange,
} from './exchange.ts';
import { eraHeaders } from './headers.ts';
import { classifyLegacy } from './legacy-only.ts';
import { attend, noRoom } from './listening.ts';
import { errorMessage, sendFault, sendJson } from './respond.ts';
import { SseConnection } from './sse-connection.ts';

/** Where clients of every such stream POST. */
export const messagesPath = '/messages';

/** Requests of one client under way; others hold a connection for each, this one would not. */
const runningMax = 256;

const aggregate: Door = { door: 'aggregate', names: 'canonical' };
const bad = (detail: string): Fault => ({ fault: 'bad_request', detail });

export class SseDoor {
  readonly #connections = new Map<string, SseConnection>();
  readonly #parts: EndpointParts;

  constructor(parts: EndpointParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#connections.size;
  }

  /** GET: opens the stream. */
  open(request: IncomingMessage, response: ServerResponse, door: Door): void {
    if (request.method !== 'GET') return sendFault(response, { fault: 'wrong_http_method', allow: 'GET' });
    const exchange = admit(request, response, door, this.#parts);
    if (isFault(exchange)) return sendFault(response, exchange);
    const { accept } = request.headers;
    if (accept !== undefined && !readAccept(accept).sse)
      return sendFault(response, { fault: 'not_acceptable', got: accept.slice(0, 128) });
    const { streams, clock, config } = this.#parts;
    if (streams.full()) return sendFault(response, noRoom);
    const id = randomBytes(24).toString('base64url');
    const stream = streams.open(
      response,
      () => connection.closed(),
      (aged) => aged.end(),
      {
        isAdmitted: () => isAdmitted(exchange, this.#parts),
        mayStay: () => this.#mayStay(connection, request, response),
        // Every answer goes this way: a long one may still be under way when the next one comes.
        unreadBytesMax: config.link.answerBytesMax,
      },
    );
    const facts = { id, principal: exchange.principal, door, openedAtMs: clock.nowMs() };
    const connection = new SseConnection(facts, response, stream);
    this.#connections.set(id, connection);
    connection.onClose(() => void this.#connections.delete(id));
    response.write(encodeSse(`${messagesPath}?sessionId=${id}`, 'endpoint'));
  }

  /** A stream that carries a session may become older than others: it cannot be opened anew without losing the session. */
  #mayStay(connection: SseConnection, request: IncomingMessage, response: ServerResponse): boolean {
    const ageMs = this.#parts.clock.nowMs() - connection.openedAtMs;
    if (!connection.session || !connection.keepsUp() || ageMs >= sessionAgeMsMax) return false;
    const again = admit(request, response, connection.door, this.#parts);
    return !isFault(again) && ownerKey(again.principal) === ownerKey(connection.principal);
  }

  /** POST: takes one message. What comes of it goes over the stream. */
  async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') return sendFault(response, { fault: 'wrong_http_method', allow: 'POST' });
    const exchange = admit(request, response, aggregate, this.#parts);
    if (isFault(exchange)) return sendFault(response, exchange);
    const id = sessionIdIn(request.url ?? '');
    if (id === undefined) {
      const detail = `Exactly one sessionId is needed: POST to the address that the event "endpoint" of the stream named.`;
      return sendFault(response, bad(detail));
    }
    const connection = this.#find(id, exchange);
    if (!connection) return sendUnknown(response);
    const { door } = connection;
    const refused = refuseDoor(door, exchange.principal, exchange.snapshot);
    if (refused) return sendFault(response, refused);
    const message = await this.#readMessage(exchange);
    if (isFault(message)) return sendFault(response, message);
    // Reading took its time.
    if (!connection.isOpen()) return sendUnknown(response);
    await this.#receive(message, { ...exchange, door }, connection);
  }

  /** An id of somebody else's looks like one of nobody's. */
  #find(id: string, { principal }: Exchange): SseConnection | undefined {
    const connection = this.#connections.get(id);
    return connection?.isOpen() && ownerKey(connection.principal) === ownerKey(principal)
      ? connection
      : undefined;
  }

  async #readMessage({ request }: Exchange): Promise<Message | Fault> {
    const type = request.headers['content-type'];
    if (!isJsonType(type)) return { fault: 'wrong_content_type', got: (type ?? '').slice(0, 128) };
    const text = await readBody(request, this.#parts.config.bodyBytesMax);
    return isFault(text) ? text : readMessage(text);
  }

  async #receive(message: Message, exchange: Exchange, connection: SseConnection): Promise<void> {
    const { request, response } = exchange;
    const { session } = connection;
    if (message.kind === 'response') {
      if (!session)
        return sendFault(response, bad('Nothing was asked on this connection; send initialize first.'));
      takeResponse(message, session, this.#parts);
      return accepted(response);
    }
    const idText = message.kind === 'request' ? message.idText : 'null';
    const spoken = classifyLegacy(message, eraHeaders(request).protocolVersion, 'HTTP+SSE (MCP 2024-11-05)');
    if (isFault(spoken)) return sendFault(response, spoken, idText);
    if (message.kind === 'notification') {
      takeNotification(message, session, this.#parts);
      return accepted(response);
    }
    const refused = refuseNow(message, connection);
    if (refused) return sendFault(response, refused, idText);
    if (message.method === 'initialize') return this.#initialize(message, exchange, connection);
    await this.#run(message, spoken, exchange, connection);
  }

  async #initialize(message: RequestMessage, exchange: Exchange, connection: SseConnection): Promise<void> {
    connection.hasBegun = true;
    accepted(exchange.response);
    const opened = await openSession(message, exchange, this.#parts);
    if (isFault(opened)) {
      connection.hasBegun = false;
      return connection.answer(message.idText, opened);
    }
    const { session, resultText } = opened;
    if (!connection.isOpen()) return this.#parts.sessions.end(session);
    const stream = connection.carry(session);
    connection.answer(message.idText, { kind: 'result', text: resultText });
    const ear = attend(exchange, session, stream, this.#parts);
    connection.onClose(() => {
      ear.close();
      this.#parts.sessions.end(session);
    });
  }

  async #run(
    message: RequestMessage,
    spoken: Spoken,
    { request, response, principal, snapshot }: Exchange,
    connection: SseConnection,
  ): Promise<void> {
    accepted(response);
    const { door, session } = connection;
    const outlet = connection.outlet(message.idText);
    const trace = traceFor(request, spoken);
    // The session's end aborts the call; there is no other way to leave.
    const onGone = (): void => undefined;
    const arrival = {
      door,
      principal,
      snapshot,
      spoken,
      session,
      trace,
      paramHeaders: undefined,
      outlet,
      onGone,
    };
    await takeRequest(message, arrival, this.#parts);
  }
}

/** What is better said at once than over the stream, where it would look like the answer to another request. */
function refuseNow(
  { method, idText }: RequestMessage,
  { session, hasBegun }: SseConnection,
): Fault | undefined {
  if (method === 'initialize')
    return hasBegun ? bad('initialize was sent before; a connection has one session.') : undefined;
  if (!session)
    return method === 'ping'
      ? undefined
      : bad('Send initialize first, and wait for its answer on the stream.');
  const running = session.workIfAny()?.running;
  if (running?.has(idText))
    return bad(
      `The id ${idText.slice(0, 64)} is in use by a request that is still running; ids are unique in a session.`,
    );
  if (running && running.size >= runningMax) {
    const detail = `${runningMax} requests of this session are under way, the most that may be; wait for answers.`;
    return { fault: 'overloaded', detail, retryAfterMs: 1_000 };
  }
  return undefined;
}

/** Undefined unless it is there once; what else is in the query may be there. */
function sessionIdIn(url: string): string | undefined {
  const query = url.indexOf('?');
  const ids = query < 0 ? [] : new URLSearchParams(url.slice(query)).getAll('sessionId');
  return ids.length === 1 ? ids[0] : undefined;
}

/** The client's way back is a new stream, not a new initialize. */
function sendUnknown(response: ServerResponse): void {
  const message =
    'No stream of yours with this sessionId is open here. A session of HTTP+SSE lives with its stream, on the replica that holds it: open a new stream.';
  const error = { code: faultTable.unknown_session.code, message };
  sendJson(response, faultTable.unknown_session.httpStatus, errorMessage('null', JSON.stringify(error)));
}
