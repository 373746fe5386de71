/** The reference server-everything as a process that listens: over Streamable HTTP, or HTTP+SSE. */

import { freePort } from '@cruvero/stack';
import { startProgram } from './program.fixture.ts';
import { until } from './until.fixture.ts';

export interface EverythingServer extends AsyncDisposable {
  /** With its path. */
  readonly url: string;
}

export async function startEverything(way: 'http' | 'sse'): Promise<EverythingServer> {
  const port = await freePort();
  const program = startProgram({
    file: 'node_modules/@modelcontextprotocol/server-everything/dist/index.js',
    args: [way === 'sse' ? 'sse' : 'streamableHttp'],
    env: { PORT: String(port) },
  });
  await until('server-everything listens', () => {
    if (!program.alive) throw new Error(`it ended: ${program.stderr()}`);
    return program.stderr().includes(`on port ${port}`);
  });
  const url = `http://127.0.0.1:${port}/${way === 'sse' ? 'sse' : 'mcp'}`;
  return { url, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}
