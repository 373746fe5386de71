/** A server that answers only those who show a credential that it knows, says whose it was, and never repeats it. */

import { readBody, serveHttp } from '@cruvero/testkit';

export interface GuardedServer extends AsyncDisposable {
  readonly url: string;
  /** Header text → what `whoami` answers. */
  readonly owners: Map<string, string>;
  /** Calls by what `whoami` answered. */
  readonly calls: ReadonlyMap<string, number>;
  /** Names and values of every header that came, credentials apart. */
  readonly seen: ReadonlySet<string>;
  /** Requests that were refused. */
  refusals(): number;
}

interface Asked {
  readonly id?: number | string;
  readonly method: string;
}

const tool = { name: 'whoami', inputSchema: { type: 'object' }, annotations: { readOnlyHint: true } };

export async function startGuarded(header = 'authorization'): Promise<GuardedServer> {
  const owners = new Map<string, string>();
  const calls = new Map<string, number>();
  const seen = new Set<string>();
  let refusals = 0;
  const answer = ({ id, method }: Asked, owner: string): string => {
    const say = (result: object): string => JSON.stringify({ jsonrpc: '2.0', id, result });
    switch (method) {
      case 'initialize':
        return say({
          protocolVersion: '2025-11-25',
          capabilities: { tools: {} },
          serverInfo: { name: 'guarded', version: '1' },
        });
      case 'tools/list':
        return say({ tools: [tool] });
      case 'tools/call':
        calls.set(owner, (calls.get(owner) ?? 0) + 1);
        return say({ content: [{ type: 'text', text: owner }] });
      case 'ping':
        return say({});
      default:
        return JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } });
    }
  };
  const host = await serveHttp((request, response) => {
    const shown = request.headers[header];
    for (const [name, value] of Object.entries(request.headers))
      if (name !== header) seen.add(`${name}: ${String(value)}`);
    const owner = typeof shown === 'string' ? owners.get(shown) : undefined;
    void readBody(request).then((text) => {
      if (owner === undefined) {
        refusals += 1;
        return void response.writeHead(401, { 'content-type': 'text/plain' }).end('who are you?');
      }
      if (request.method !== 'POST') return void response.writeHead(405).end();
      const asked = JSON.parse(text) as Asked;
      if (asked.id === undefined) return void response.writeHead(202).end();
      response.writeHead(200, { 'content-type': 'application/json' }).end(answer(asked, owner));
    });
  });
  return {
    url: `${host.origin}/mcp`,
    owners,
    calls,
    seen,
    refusals: () => refusals,
    [Symbol.asyncDispose]: host.close,
  };
}
