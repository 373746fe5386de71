/** `npm run bench`: direct, a bare Node proxy and the gateway, side by side in one run; figures are ratios, not records. */

import { readFileSync } from 'node:fs';
import { measure, type Measured, type Shape, type Target } from './load.ts';
import { startBareProxy, startGateway, startUpstream } from './processes.ts';

const servers = 24;
const scale = process.argv.includes('--quick') ? 0.1 : 1;

const call = (name: string, connections: number, calls: number, tool: string, expect: string): Shape => ({
  name,
  connections,
  calls: Math.ceil(calls * scale),
  method: 'tools/call',
  params: `"name":"PREFIX${tool}","arguments":{"message":"hello there"}`,
  expect,
});

const shapes: readonly Shape[] = [
  call('small call, 32 connections', 32, 20_000, 'echo', 'hello'),
  call('small call, 1 connection', 1, 4_000, 'echo', 'hello'),
  call('result of 256 KiB, 8 connections', 8, 3_000, 'large', 'xxxxxxxx'),
  call('result in an event stream, 32 connections', 32, 8_000, 'stream', 'hello'),
];
const list: Shape = {
  name: `tools/list of ${servers} servers × 50 tools, 8 connections`,
  connections: 8,
  calls: Math.ceil(2_000 * scale),
  method: 'tools/list',
  params: '',
  expect: 'tool-49',
};

/** Warmed up first; the best of three, because whatever else runs here only ever takes away. */
async function best(target: Target, shape: Shape): Promise<Measured> {
  await measure(target, { ...shape, calls: Math.ceil(shape.calls / 5) });
  let found: Measured | undefined;
  for (let round = 0; round < 3; round += 1) {
    const measured = await measure(target, shape);
    if (!found || measured.callsPerSecond > found.callsPerSecond) found = measured;
  }
  if (!found) throw new Error('nothing was measured');
  return found;
}

function row(name: string, one: Measured, against: Measured | undefined): string {
  const ratio = against ? (one.callsPerSecond / against.callsPerSecond).toFixed(2) : '';
  const cells = [
    one.callsPerSecond.toFixed(0),
    one.p50Ms.toFixed(3),
    one.p99Ms.toFixed(2),
    String(one.errors),
    ratio,
  ];
  return `  ${name.padEnd(12)}${cells.map((cell) => cell.padStart(11)).join('')}`;
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);

await using upstream = await startUpstream();
await using bare = await startBareProxy(upstream.url);
await using gateway = await startGateway(upstream.url, servers);
const plain = { headers: {}, path: '/mcp', prefix: '' };
const targets: readonly Target[] = [
  { name: 'direct', url: upstream.url, ...plain },
  { name: 'bare proxy', url: bare.url, ...plain },
  {
    name: 'gateway',
    url: gateway.url,
    path: '/mcp',
    prefix: 'mcp.s0.',
    headers: { authorization: `Bearer ${gateway.key}` },
  },
];

print(`Node ${process.version}, ${scale === 1 ? 'full' : 'quick'} run`);
for (const shape of shapes) {
  print(`\n${shape.name}`);
  print(
    `  ${' '.repeat(12)}${['calls/s', 'p50 ms', 'p99 ms', 'errors', 'of bare'].map((t) => t.padStart(11)).join('')}`,
  );
  const measured = new Map<string, Measured>();
  for (const target of targets) measured.set(target.name, await best(target, shape));
  for (const [name, one] of measured) print(row(name, one, measured.get('bare proxy')));
}
print(`\n${list.name}`);
const [, , through] = targets;
if (through) print(row('gateway', await best(through, list), undefined));
const memory = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1];
print(`\nmemory of the embedded layout afterwards: ${Math.round(Number(memory) / 1_024)} MiB RSS`);
