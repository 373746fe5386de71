/** `npm run bench -- code-exec`: what the sandbox and the server around it add to a bare `python3`, side by side. */

import { spawn } from 'node:child_process';
import { median, percentile } from './figures.ts';
import { start } from './processes.ts';
import { table } from './report.ts';

export interface CodeExecPlan {
  readonly rounds: number;
}

export interface CodeExecFound {
  readonly bareMs: readonly number[];
  /** Of the whole tool call over HTTP. */
  readonly callMs: readonly number[];
  /** Middle of the differences, round by round, so that noise meets both sides alike. */
  readonly overheadMs: number;
  readonly errors: number;
}

const python = '/usr/bin/python3';
const code = 'print(1)';
const warmUps = 5;
export const overheadMsMax = 20;

/** @throws where the sandbox cannot be had here, with the reason. */
export async function measureCodeExec(
  { rounds }: CodeExecPlan,
  checkpoint: () => void,
): Promise<CodeExecFound> {
  await using server = await start('apps/code-exec/src/main.ts', {
    env: { MCP_CODE_EXEC_PORT: '0', MCP_CODE_EXEC_ANNOUNCE: 'false', CRUVERO_LOG_LEVEL: 'error' },
  });
  const call = (): Promise<boolean> => callTool(server.url);
  for (let round = 0; round < warmUps; round += 1) {
    await runBare();
    await call();
  }
  const [bareMs, callMs]: [number[], number[]] = [[], []];
  let errors = 0;
  for (let round = 0; round < rounds; round += 1) {
    checkpoint();
    const both = [
      async () => void bareMs.push(await timed(runBare)),
      async () => void callMs.push(await timed(async () => void ((await call()) || (errors += 1)))),
    ];
    for (const each of round % 2 === 0 ? both : both.reverse()) await each();
  }
  const overheadMs = median(callMs.map((ms, round) => ms - (bareMs[round] ?? 0)));
  return { bareMs, callMs, overheadMs, errors };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

function runBare(): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, ['-c', code], { env: {}, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.resume();
    child.stderr.resume();
    child.once('error', reject);
    child.once('close', () => resolve());
  });
}

/** True where the answer is what the program says. */
async function callTool(url: string): Promise<boolean> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'python_exec',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: {
        name: 'python_exec',
        arguments: { code },
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    }),
  });
  return (await answer.text()).includes('"stdout":"1\\n"');
}

export function codeExecText({ bareMs, callMs, overheadMs, errors }: CodeExecFound): string {
  const row = (name: string, values: readonly number[]): readonly string[] => {
    const sorted = Float64Array.from(values).sort();
    return [name, percentile(sorted, 0.5).toFixed(1), percentile(sorted, 0.99).toFixed(1)];
  };
  const verdict = overheadMs <= overheadMsMax ? 'met' : 'NOT met';
  return [
    table([
      [`python3 -c '${code}', ${bareMs.length} rounds`, 'p50 ms', 'p99 ms'],
      row('bare', bareMs),
      row('python_exec over HTTP', callMs),
    ]),
    `\noverhead over bare python3: ${overheadMs.toFixed(1)} ms at the median; goal ≤ ${overheadMsMax} ms: ${verdict}`,
    ...(errors === 0 ? [] : [`${errors} answers were wrong`]),
  ].join('\n');
}
