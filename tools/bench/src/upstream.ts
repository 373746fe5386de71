/** The server behind everything that is measured: node:http, one JSON.parse, ready-made answers; a process of its own. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  callFrame,
  idText,
  progressText,
  resultOf,
  unknownMethod,
  type Asked,
  type Era,
} from './dialogue.ts';
import { contentOf, floodPieceBytes, progressCount } from './payloads.ts';
import { listenAndSay } from './process-end.ts';

/** Calls of the tool `flood` so far and under way, and bytes that their streams took: how others see that all of them stand still. */
const floods = { begun: 0, open: 0, bytes: 0 };

const server = createServer((request, response) => {
  if (request.method === 'GET' && request.url === '/floods') {
    response.end(JSON.stringify(floods));
    return;
  }
  const era: Era = request.url === '/legacy/mcp' ? 'legacy' : 'modern';
  if (request.method !== 'POST') {
    response.writeHead(request.method === 'DELETE' && era === 'legacy' ? 204 : 405).end();
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () =>
    answer(JSON.parse(Buffer.concat(chunks).toString()) as Asked, era, response, request),
  );
});
server.keepAliveTimeout = 300_000;

function answer(asked: Asked, era: Era, response: ServerResponse, request: IncomingMessage): void {
  if (asked.id === undefined) {
    response.writeHead(202).end();
    return;
  }
  if (asked.method === 'tools/call') return answerCall(asked, era, response, request);
  const result = resultOf(asked, era);
  const text =
    result === undefined
      ? unknownMethod(asked)
      : `{"jsonrpc":"2.0","id":${idText(asked)},"result":${result}}`;
  const session =
    asked.method === 'initialize' && result !== undefined ? `session-${(sessions += 1)}` : undefined;
  sendJson(response, [Buffer.from(text)], session);
}

let sessions = 0;

function answerCall(asked: Asked, era: Era, response: ServerResponse, request: IncomingMessage): void {
  const { name = '', arguments: given } = asked.params ?? {};
  const { head, tail } = callFrame(asked, era);
  const { own, rest } = contentOf(name, given?.n ?? 0);
  const pieces = [Buffer.from(head + own), rest, Buffer.from(tail)];
  if (name !== 'stream' && name !== 'flood') return sendJson(response, pieces, undefined);
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    // Tells proxies that know this header to pass events on at once.
    'x-accel-buffering': 'no',
  });
  const last = `event: message\ndata: ${Buffer.concat(pieces).toString()}\n\n`;
  if (name === 'stream') sendProgress(asked, response, last);
  else sendFlood(asked, response, era, request);
}

function sendJson(response: ServerResponse, pieces: readonly Buffer[], session: string | undefined): void {
  const body = Buffer.concat(pieces);
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': body.length,
    ...(session === undefined ? {} : { 'mcp-session-id': session }),
  });
  response.end(body);
}

/** Each event in a turn of the loop of its own, so that they leave apart as those of a real tool do. */
function sendProgress(asked: Asked, response: ServerResponse, last: string): void {
  let sent = 0;
  const next = (): void => {
    if (response.destroyed) return;
    if (sent === progressCount) {
      response.end(last);
      return;
    }
    sent += 1;
    response.write(`event: message\ndata: ${progressText(asked, sent, progressCount, 'under way')}\n\n`);
    setImmediate(next);
  };
  next();
}

const filler = Buffer.from('f'.repeat(floodPieceBytes));

/** A progress event, then a result of many pieces: as fast as the other side reads and no faster. */
function sendFlood(asked: Asked, response: ServerResponse, era: Era, request: IncomingMessage): void {
  const { n = 0, pieces = 1 } = asked.params?.arguments ?? {};
  const { head, tail } = callFrame(asked, era);
  let sent = 0;
  const next = (): void => {
    while (sent < pieces && !response.destroyed) {
      sent += 1;
      floods.bytes += floodPieceBytes;
      if (!response.write(filler)) {
        response.once('drain', next);
        return;
      }
    }
    response.end(`"}]${tail}\n\n`);
  };
  floods.begun += 1;
  floods.open += 1;
  request.socket.once('close', () => response.destroy());
  response.once('close', () => (floods.open -= 1));
  response.write(`event: message\ndata: ${progressText(asked, 1, 1, 'under way')}\n\n`);
  response.write(`event: message\ndata: ${head}"content":[{"type":"text","text":"answer ${n}`);
  next();
}

listenAndSay(server);
