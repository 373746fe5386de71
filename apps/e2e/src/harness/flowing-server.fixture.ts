/** A modern server whose large results and long streams flow only as fast as they are read: it holds none of them in memory. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isJsonObject, modernLatest, type Json, type JsonObject } from '@cruvero/core';
import { readBody, serveHttp, type HttpHost } from '@cruvero/testkit';

const inputSchema = { type: 'object' };
const tools = ['echo', 'large', 'talkative'].map((name) => ({ name, inputSchema }));
const cached = { resultType: 'complete', ttlMs: 60_000, cacheScope: 'public' };
const results: Readonly<Record<string, JsonObject>> = {
  'server/discover': {
    ...cached,
    supportedVersions: [modernLatest],
    capabilities: { tools: {} },
    _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'flowing', version: '1.0.0' } },
  },
  'tools/list': { ...cached, tools },
};

const piece = Buffer.alloc(64 << 10, 'x');
/** `large` answers so much text in one result: more than the sockets on the way hold. */
export const flowBytes = 64 * piece.length;
/** `talkative` tells so much in events before its result. */
const talkBytes = 8 * piece.length;

/** Tools: `echo`; `large`, one big result; `talkative`, many big events of progress before a small result. */
export const startFlowingServer = (): Promise<HttpHost> =>
  serveHttp((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST') return void response.writeHead(405, { allow: 'POST' }).end();
  const { id = null, method, params } = JSON.parse(await readBody(request)) as JsonObject;
  const { name, _meta: meta } = isJsonObject(params) ? params : {};
  const head = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},`;
  if (method === 'tools/call' && name === 'large') return large(head, response);
  if (method === 'tools/call' && name === 'talkative')
    return talk(head, isJsonObject(meta) ? (meta['progressToken'] ?? null) : null, response);
  const result = method === 'tools/call' ? said : results[String(method)];
  const text = result
    ? `${head}"result":${JSON.stringify(result)}}`
    : `${head}"error":{"code":-32601,"message":"Method not found"}}`;
  response.writeHead(result ? 200 : 404, { 'content-type': 'application/json' }).end(text);
}

const said: JsonObject = { resultType: 'complete', content: [{ type: 'text', text: 'here' }] };

async function large(head: string, response: ServerResponse): Promise<void> {
  const before = `${head}"result":{"resultType":"complete","content":[{"type":"text","text":"`;
  const behind = '"}]}}';
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': before.length + flowBytes + behind.length,
  });
  const pieces = function* (): Generator<string | Buffer> {
    yield before;
    for (let sent = 0; sent < flowBytes; sent += piece.length) yield piece;
    yield behind;
  };
  await pipeline(Readable.from(pieces()), response);
}

async function talk(head: string, progressToken: Json, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const events = function* (): Generator<string> {
    for (let sent = 0; sent < talkBytes; sent += piece.length) {
      const params = { progressToken, progress: sent + 1, message: piece.toString() };
      yield event(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params }));
    }
    yield event(`${head}"result":${JSON.stringify(said)}}`);
  };
  await pipeline(Readable.from(events()), response);
}

const event = (text: string): string => `event: message\ndata: ${text}\n\n`;
