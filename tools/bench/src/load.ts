/** A closed loop of callers over kept-alive connections: unique ids, every answer checked. */

import { Pool } from 'undici';

export interface Shape {
  readonly name: string;
  readonly connections: number;
  readonly calls: number;
  /** Text of the params' members besides `_meta`. */
  readonly params: string;
  readonly method: string;
  /** Must stand in every answer. */
  readonly expect: string;
}

export interface Measured {
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
}

export interface Target {
  readonly name: string;
  readonly url: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Tool names are exposed under this prefix. */
  readonly prefix: string;
}

const envelope =
  '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}';

export async function measure(target: Target, shape: Shape): Promise<Measured> {
  const pool = new Pool(target.url, { connections: shape.connections, pipelining: 1 });
  const params = shape.params.replace('PREFIX', target.prefix);
  const name = /"name":"([^"]+)"/.exec(params)?.[1];
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': shape.method,
    ...(name === undefined ? {} : { 'mcp-name': name }),
    ...target.headers,
  };
  const tookMs: number[] = [];
  let next = 0;
  let errors = 0;
  const caller = async (): Promise<void> => {
    for (;;) {
      const id = (next += 1);
      if (id > shape.calls) return;
      const body = `{"jsonrpc":"2.0","id":${id},"method":"${shape.method}","params":{${params}${params === '' ? '' : ','}${envelope}}}`;
      const fromMs = performance.now();
      const answer = await pool.request({ path: target.path, method: 'POST', headers, body });
      const text = await answer.body.text();
      tookMs.push(performance.now() - fromMs);
      if (answer.statusCode !== 200 || !text.includes(shape.expect) || !text.includes(`"id":${id}`))
        errors += 1;
    }
  };
  const fromMs = performance.now();
  await Promise.all(Array.from({ length: shape.connections }, caller));
  const seconds = (performance.now() - fromMs) / 1_000;
  await pool.close();
  tookMs.sort((a, b) => a - b);
  const at = (share: number): number =>
    tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * share))] ?? 0;
  return { callsPerSecond: shape.calls / seconds, p50Ms: at(0.5), p99Ms: at(0.99), errors };
}
