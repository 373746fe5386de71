/** The transports of the suite's servers over HTTP: modern, legacy with sessions, and HTTP+SSE. */

import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { JsonObject } from '@cruvero/core';
import { flatHeaders, readBody } from '@cruvero/testkit';
import { Conversation, type Back } from './conversation.ts';
import type { World } from './world.ts';

export type Leg = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

const event = (text: string): string => `event: message\ndata: ${text}\n\n`;
const sse = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' };
const json = { 'content-type': 'application/json' };

/** JSON, or an event stream as soon as something comes before the answer. */
function backOver(
  response: ServerResponse,
  headers: Readonly<Record<string, string>> = {},
  status = statusOf,
): Back {
  const begin = (): void => void (response.headersSent || response.writeHead(200, { ...sse, ...headers }));
  return {
    send: (text) => {
      begin();
      response.write(event(text));
    },
    finish: (text) => {
      if (response.headersSent) response.end(event(text));
      else response.writeHead(status(text), { ...json, ...headers }).end(text);
    },
  };
}

const okAlways = (): number => 200;

/** The HTTP status of an error in the modern era. */
function statusOf(text: string): number {
  const code = /^\{"jsonrpc":"2.0","id":[^{]*"error":\{"code":(-?\d+)/.exec(text)?.[1];
  return code === '-32601' ? 404 : code === '-32602' || /^-3202\d$/.test(code ?? '') ? 400 : 200;
}

/** A conversation for each request: nothing is kept between two of them. */
export const modernLeg =
  (world: World): Leg =>
  async (request, response) => {
    if (request.method !== 'POST') return void response.writeHead(405, { allow: 'POST' }).end();
    const text = await readBody(request);
    const { id } = JSON.parse(text) as JsonObject;
    const conversation = new Conversation(world);
    conversation.take(text, flatHeaders(request.headers), backOver(response));
    if (id === undefined) return void response.writeHead(202).end();
    response.once('close', () => conversation.gone(JSON.stringify(id)));
  };

const noSession = JSON.stringify({
  jsonrpc: '2.0',
  id: null,
  error: { code: -32001, message: 'Session not found' },
});
const notInitialized = JSON.stringify({
  jsonrpc: '2.0',
  id: null,
  error: { code: -32000, message: 'Bad Request: Server not initialized' },
});

/** Sessions, a GET stream for each, DELETE. A lost connection ends nothing. */
export function legacyLeg(world: World): Leg {
  const sessions = new Map<string, Conversation>();
  const begin = (text: string, request: IncomingMessage, response: ServerResponse): void => {
    const id = randomUUID();
    const conversation = new Conversation(world);
    sessions.set(id, conversation);
    conversation.take(
      text,
      flatHeaders(request.headers),
      backOver(response, { 'mcp-session-id': id }, okAlways),
    );
  };
  const listen = (session: Conversation, response: ServerResponse): void => {
    response.writeHead(200, sse).flushHeaders();
    const write = (text: string): void => void response.write(event(text));
    session.outlet = write;
    response.once('close', () => {
      if (session.outlet === write) session.outlet = undefined;
    });
  };
  return async (request, response) => {
    const text = await readBody(request);
    const sessionId = request.headers['mcp-session-id'];
    if (sessionId === undefined) {
      if (request.method === 'POST' && text.includes('"initialize"')) return begin(text, request, response);
      return void response.writeHead(400, json).end(notInitialized);
    }
    const session = sessions.get(String(sessionId));
    if (!session) return void response.writeHead(404, json).end(noSession);
    if (request.method === 'GET') return listen(session, response);
    if (request.method === 'DELETE') {
      sessions.delete(String(sessionId));
      session.close();
      return void response.writeHead(200).end();
    }
    const { id, method } = JSON.parse(text) as JsonObject;
    session.take(text, flatHeaders(request.headers), backOver(response, {}, okAlways));
    if (id === undefined || method === undefined) response.writeHead(202).end();
  };
}

/** The transport of 2024-11-05: everything comes back on one stream. */
export function sseLeg(world: World, messagesPath: string): Leg {
  const sessions = new Map<string, Conversation>();
  const open = (response: ServerResponse): void => {
    const id = randomUUID();
    const conversation = new Conversation(world);
    sessions.set(id, conversation);
    conversation.outlet = (text) => void response.write(event(text));
    response.once('close', () => {
      sessions.delete(id);
      conversation.close();
    });
    response.writeHead(200, sse).write(`event: endpoint\ndata: ${messagesPath}?session=${id}\n\n`);
  };
  return async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://suite');
    const text = await readBody(request);
    if (request.method === 'GET' && pathname !== messagesPath) return open(response);
    const session = sessions.get(searchParams.get('session') ?? '');
    if (request.method !== 'POST' || pathname !== messagesPath || !session)
      return void response.writeHead(pathname === messagesPath ? 404 : 405).end();
    const send = (message: string): void => session.outlet?.(message);
    session.take(text, flatHeaders(request.headers), { send, finish: send });
    response.writeHead(202).end('Accepted');
  };
}
