/** The server behind everything that is measured: node:http, one JSON.parse, ready-made answers; run as a process of its own. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const large = JSON.stringify({
  resultType: 'complete',
  content: [{ type: 'text', text: 'x'.repeat(256 << 10) }],
});
const small = JSON.stringify({ resultType: 'complete', content: [{ type: 'text', text: 'hello' }] });
const tools = Array.from({ length: 50 }, (_, i) => ({
  name: `tool-${i}`,
  description: `Does the ${i}th thing that this server can do, and does it well.`,
  inputSchema: {
    type: 'object',
    properties: { message: { type: 'string' }, count: { type: 'integer' } },
    required: ['message'],
  },
}));
const list = JSON.stringify({ resultType: 'complete', tools, ttlMs: 0, cacheScope: 'private' });
const discover = JSON.stringify({
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: {} },
  ttlMs: 0,
  cacheScope: 'private',
});

interface Asked {
  readonly id?: unknown;
  readonly method: string;
  readonly params?: { readonly name?: string };
}

function resultFor({ method, params }: Asked): string {
  if (method === 'server/discover') return discover;
  if (method === 'tools/list') return list;
  return params?.name === 'large' ? large : small;
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const asked = JSON.parse(Buffer.concat(chunks).toString()) as Asked;
    const text = `{"jsonrpc":"2.0","id":${JSON.stringify(asked.id ?? null)},"result":${resultFor(asked)}}`;
    const sse = asked.params?.name === 'stream';
    const body = sse ? `event: message\ndata: ${text}\n\n` : text;
    response.writeHead(200, {
      'content-type': sse ? 'text/event-stream' : 'application/json',
      'content-length': Buffer.byteLength(body),
    });
    response.end(body);
  });
});
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  process.stdout.write(`ready http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
