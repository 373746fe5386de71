/** A Node server that answers every request with the same list, under the id that was asked: what an aggregated list is held against. */

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { idText, type Asked } from './dialogue.ts';
import { listenAndSay } from './process-end.ts';

/** The text of a whole result. */
const result = readFileSync(process.argv[2] ?? '');
const tail = Buffer.concat([result, Buffer.from('}')]);

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const asked = JSON.parse(Buffer.concat(chunks).toString()) as Asked;
    const head = Buffer.from(`{"jsonrpc":"2.0","id":${idText(asked)},"result":`);
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': head.length + tail.length,
    });
    response.write(head);
    response.end(tail);
  });
});
server.keepAliveTimeout = 300_000;
listenAndSay(server);
