/** A thousand clients that read slowly or not at all cost the gateway a bounded amount of memory, and others none of their speed. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as rest } from 'node:timers/promises';
import type { HttpHost } from '@cruvero/testkit';
import { flowBytes, startFlowingServer } from '../harness/flowing-server.fixture.ts';
import type { Layout } from '../harness/layout.fixture.ts';
import { liftRates } from '../harness/lift-rates.fixture.ts';
import { cpuMsOf, memoryOf, probed, rssOf, type Memory } from '../harness/memory.fixture.ts';
import { startLayout } from '../harness/over-layouts.fixture.ts';
import { modernCall, QuickClient } from '../harness/quick-client.fixture.ts';
import { until } from '../harness/until.fixture.ts';
import { startSlowReaders, type Reading } from '../harness/slow-readers.fixture.ts';

const of = (count: number, reading: Reading): readonly Reading[] => Array<Reading>(count).fill(reading);
const slowly = 16 << 10;
const large = [...of(60, call('large', 0)), ...of(20, call('large', slowly))];
const listening = {
  method: 'subscriptions/listen',
  params: { notifications: { toolsListChanged: true } },
  bytes: 0,
};
/** 1,000 in all. */
const readings: readonly Reading[] = [
  ...large,
  ...of(80, call('talkative', 0)),
  ...of(20, call('talkative', slowly)),
  ...of(820, listening),
];

function call(tool: string, bytes: number): Reading {
  return { method: 'tools/call', params: { name: `mcp.flowing.${tool}`, arguments: {} }, bytes };
}

/** One copy of a result that is not read (there is a bound to each, CRUVERO_MCPGW_ANSWER_MAX), and a quarter of a MiB for any stream. */
const bytesMax = large.length * flowBytes + readings.length * (256 << 10);
/** At least two; more only while what else this machine does hides the answer. */
const roundsMin = 2;
const roundsMax = 6;
const windowMs = 1_200;
const callers = 4;
const ratioMax = 1.5;
/** Below this two windows differ by what else this machine does: a quantum of its scheduler, a collection of garbage. */
const noiseMs = 3;

/** Less than a fifth of one core is in use over a quarter of a second. */
async function isQuiet(layout: Layout): Promise<boolean> {
  const before = cpuMsOf(layout);
  await rest(250);
  return cpuMsOf(layout) - before < 50;
}

const mib = (bytes: number): number => Math.round(bytes / (1 << 20));
const held = ({ heapUsed, external }: Memory): number => heapUsed + external;
/** Whatever else this machine does makes a window slower, never faster: the quietest one of each kind tells. */
const quietest = (values: readonly number[]): number => Math.min(...values);

describe('slow readers', () => {
  let server: HttpHost;
  let layout: Layout;

  before(async () => {
    server = await startFlowingServer();
    layout = await startLayout('embedded', {
      env: probed,
      servers: { flowing: { url: `${server.origin}/mcp` } },
    });
    await liftRates(layout);
  });
  after(async () => {
    await layout?.stop();
    await server?.close();
  });

  /** Times of small calls to the same server, in ms, sorted. */
  async function window(ms = windowMs): Promise<readonly number[]> {
    using client = new QuickClient(layout, callers);
    const { headers, message } = modernCall('mcp.flowing.echo');
    const times: number[] = [];
    const endMs = performance.now() + ms;
    const caller = async (): Promise<void> => {
      while (performance.now() < endMs) {
        const startMs = performance.now();
        const { status, text } = await client.send('POST', '/mcp', headers, message);
        assert.equal(status, 200, text);
        times.push(performance.now() - startMs);
      }
    };
    await Promise.all(Array.from({ length: callers }, caller));
    return times.toSorted((a, b) => a - b);
  }
  const p99 = (times: readonly number[]): number => times[Math.floor(times.length * 0.99)] ?? Number.NaN;

  it('are kept waiting at little cost, while others are served as before', async (t) => {
    await window(2_000);
    const empty = await memoryOf(layout);
    const [without, within]: [number[], number[]] = [[], []];
    let [heldBytes, rssBytes] = [0, 0];
    let calls = 0;
    const isUnmoved = (): boolean => {
      const a = quietest(without);
      return quietest(within) <= Math.max(a * ratioMax, a + noiseMs);
    };
    for (let round = 0; round < roundsMax && (round < roundsMin || !isUnmoved()); round += 1) {
      const before = await window();
      without.push(p99(before));
      await using crowd = await startSlowReaders(layout, readings);
      await until('what they asked for has come as far as it can', () => isQuiet(layout));
      const beside = await window();
      within.push(p99(beside));
      rssBytes = Math.max(rssBytes, rssOf(layout));
      heldBytes = Math.max(heldBytes, held(await memoryOf(layout)));
      calls += before.length + beside.length;
      t.diagnostic(
        `${crowd.count} slow readers, ${crowd.cut()} cut off; p99 ${p99(before).toFixed(2)} → ${p99(beside).toFixed(2)} ms`,
      );
    }
    const grown = heldBytes - held(empty);
    const [a, b] = [quietest(without), quietest(within)];
    t.diagnostic(
      `${mib(grown)} MiB for ${readings.length} of them, at most ${mib(bytesMax)} (the process with its garbage: ${mib(rssBytes)}); ` +
        `p99 ${a.toFixed(2)} ms without, ${b.toFixed(2)} ms with them: ratio ${(b / a).toFixed(2)} (${calls} calls)`,
    );
    assert.ok(grown <= bytesMax, `${mib(grown)} MiB`);
    assert.ok(isUnmoved(), `p99 ${a} ms without, ${b} ms with them`);

    const left = await memoryOf(layout);
    t.diagnostic(`heap ${mib(empty.heapUsed)} MiB before, ${mib(left.heapUsed)} MiB after`);
    assert.ok(left.heapUsed - empty.heapUsed < 32 << 20, 'what they held is given back');
  });
});
