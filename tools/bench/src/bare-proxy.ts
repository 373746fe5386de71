/** The practical limit of the platform: node:http in, one JSON.parse, undici's dispatch out, chunks passed on; a process of its own. */

import { createServer, type ServerResponse } from 'node:http';
import { Pool, type Dispatcher } from 'undici';
import { listenAndSay } from './process-end.ts';

const pool = new Pool(process.argv[2] ?? '', { connections: 128, pipelining: 1 });

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
    if (body.length > 0) JSON.parse(body.toString());
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request.headers;
    const method = request.method === 'POST' ? 'POST' : 'DELETE';
    pool.dispatch({ path: request.url ?? '/', method, headers, body }, passOn(response));
  });
});
server.keepAliveTimeout = 300_000;

function passOn(response: ServerResponse): Dispatcher.DispatchHandler {
  return {
    // undici asks for it.
    onRequestStart: () => undefined,
    onResponseStart: (controller, status, headers) => {
      const { connection: _connection, 'keep-alive': _keepAlive, ...rest } = headers;
      response.writeHead(status, rest);
      response.on('drain', () => controller.resume());
    },
    onResponseData: (controller, chunk) => {
      if (!response.write(chunk)) controller.pause();
    },
    onResponseEnd: () => void response.end(),
    onResponseError: () => {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
    },
  };
}

listenAndSay(server);
