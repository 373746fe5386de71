/** A stdio server that says the digest of what stands in CHILD_TOKEN, and never the text itself. */

import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';

const digest = createHash('sha256')
  .update(process.env['CHILD_TOKEN'] ?? '')
  .digest('hex');
process.stderr.write(`started with a token: ${process.env['CHILD_TOKEN'] ?? 'none'}\n`);

interface Asked {
  readonly id?: number | string;
  readonly method: string;
}

function resultOf(method: string): object | undefined {
  switch (method) {
    case 'initialize':
      return {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'env-child', version: '1' },
      };
    case 'tools/list':
      return { tools: [{ name: 'digest', inputSchema: { type: 'object' } }] };
    case 'tools/call':
      return { content: [{ type: 'text', text: digest }] };
    case 'ping':
      return {};
    default:
      return undefined;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method } = JSON.parse(line) as Asked;
  if (id === undefined) continue;
  const result = resultOf(method);
  const error = { code: -32601, message: 'Method not found' };
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...(result ? { result } : { error }) })}\n`);
}
