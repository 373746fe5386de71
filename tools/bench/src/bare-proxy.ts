/** The practical limit of the platform: node:http in, undici out, one JSON.parse, no policy; run as a process of its own. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';

const pool = new Pool(process.argv[2] ?? '', { connections: 100, pipelining: 1 });

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    JSON.parse(body.toString());
    const { host: _host, connection: _connection, ...headers } = request.headers;
    pool
      .request({ path: '/mcp', method: 'POST', headers, body })
      .then(async (answer) => {
        const bytes = Buffer.from(await answer.body.arrayBuffer());
        response.writeHead(answer.statusCode, {
          'content-type': String(answer.headers['content-type']),
          'content-length': bytes.length,
        });
        response.end(bytes);
      })
      .catch(() => response.writeHead(502).end());
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`ready http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
