/** What a scrape shows, line by line. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { MemoryTelemetry } from '@cruvero/testkit';

import { ScrapedMetrics } from './metrics.ts';
import { watchProcess } from './process-metrics.ts';

function bench(labelSetsMax = 2_000) {
  const { log, lines } = new MemoryTelemetry();
  const metrics = new ScrapedMetrics({ service: 'gateway', version: '1.2.3', log, labelSetsMax });
  const scrape = async () => (await metrics.text()).split('\n');
  return { metrics, scrape, lines };
}

describe('counters', () => {
  test('have help, type and a value for each label set', async () => {
    const { metrics, scrape } = bench();
    const calls = metrics.counter('mcp_calls_total', 'Calls that ended.');
    calls.add(1, { tool: 'echo', status: 'ok' });
    calls.add(2, { status: 'ok', tool: 'echo' });
    calls.add(0.5);
    const lines = await scrape();
    assert.ok(lines.includes('# HELP mcp_calls_total Calls that ended.'));
    assert.ok(lines.includes('# TYPE mcp_calls_total counter'));
    assert.ok(lines.includes('mcp_calls_total{status="ok",tool="echo"} 3'), lines.join('\n'));
    assert.ok(lines.includes('mcp_calls_total 0.5'));
  });

  test('go on over several scrapes and do not count what is negative or no number', async () => {
    const { metrics, scrape } = bench();
    const calls = metrics.counter('calls_total', 'Calls.');
    calls.add(1);
    await scrape();
    for (const value of [-1, Number.NaN, Infinity]) calls.add(value);
    calls.add(1);
    assert.ok((await scrape()).includes('calls_total 2'));
  });

  test('asked for twice are one and the same', async () => {
    const { metrics, scrape } = bench();
    metrics.counter('calls_total', 'Calls.').add(1);
    metrics.counter('calls_total', 'Calls.').add(1);
    assert.ok((await scrape()).includes('calls_total 2'));
  });

  test('escape label values so that no line can be forged', async () => {
    const { metrics, scrape } = bench();
    metrics.counter('calls_total', 'Calls.').add(1, { tool: 'a"} 99\ncalls_total{tool="\\b' });
    const lines = (await scrape()).filter((line) => line.startsWith('calls_total'));
    assert.deepEqual(lines, ['calls_total{tool="a\\"} 99\\ncalls_total{tool=\\"\\\\b"} 1']);
  });

  test('fold what is beyond the bound into other, say so, and stay folded over scrapes', async () => {
    const { metrics, scrape } = bench(2_000);
    const calls = metrics.counter('calls_total', 'Calls.');
    for (let round = 0; round < 2; round += 1) {
      for (let i = 0; i < 2_500; i += 1) calls.add(1, { tool: `t${i + round * 2_500}` });
      await scrape();
    }
    const lines = await scrape();
    assert.equal(lines.filter((line) => line.startsWith('calls_total{')).length, 2_001);
    assert.ok(lines.includes('calls_total{tool="other"} 3000'));
    assert.ok(lines.includes('metric_label_sets_folded_total{metric="calls_total"} 3000'));
  });
});

describe('histograms', () => {
  test('count into buckets whose upper bound belongs to them', async () => {
    const { metrics, scrape } = bench();
    const took = metrics.histogram('call_seconds', 'Time of a call.', [0.1, 1]);
    for (const value of [0.1, 0.5, 1, 7]) took.record(value, { tool: 'echo' });
    took.record(Number.NaN, { tool: 'echo' });
    const lines = await scrape();
    assert.ok(lines.includes('# TYPE call_seconds histogram'));
    assert.deepEqual(
      lines.filter((line) => line.startsWith('call_seconds')),
      [
        'call_seconds_count{tool="echo"} 4',
        'call_seconds_sum{tool="echo"} 8.6',
        'call_seconds_bucket{tool="echo",le="0.1"} 1',
        'call_seconds_bucket{tool="echo",le="1"} 3',
        'call_seconds_bucket{tool="echo",le="+Inf"} 4',
      ],
    );
  });

  test('whose buckets do not ascend, or differ from those it has, are bugs and throw', () => {
    const { metrics } = bench();
    assert.throws(() => metrics.histogram('a_seconds', '', [1, 1]), RangeError);
    metrics.histogram('b_seconds', '', [1, 2]);
    assert.throws(() => metrics.histogram('b_seconds', '', [1, 3]), /other buckets/);
  });
});

describe('gauges', () => {
  test('are read at each scrape, and sets that are gone are not shown', async () => {
    const { metrics, scrape } = bench();
    let up = ['a', 'b'];
    metrics.gauge('server_up', 'One a server.', () => up.map((server) => ({ value: 1, labels: { server } })));
    assert.equal((await scrape()).filter((line) => line.startsWith('server_up{')).length, 2);
    up = ['b'];
    assert.deepEqual(
      (await scrape()).filter((line) => line.startsWith('server_up{')),
      ['server_up{server="b"} 1'],
    );
  });

  test('of one name are all read; of one label set the last value counts', async () => {
    const { metrics, scrape } = bench();
    metrics.gauge('depth', 'Queue.', () => [
      { value: 1, labels: { queue: 'a' } },
      { value: 2, labels: { queue: 'b' } },
    ]);
    metrics.gauge('depth', 'Queue.', () => [{ value: 9, labels: { queue: 'b' } }]);
    assert.deepEqual(
      (await scrape()).filter((line) => line.startsWith('depth{')),
      ['depth{queue="a"} 1', 'depth{queue="b"} 9'],
    );
  });

  test('beyond the bound are summed up as other', async () => {
    const { metrics, scrape } = bench(2);
    metrics.gauge('depth', 'Queue.', () =>
      [1, 2, 3, 4].map((value) => ({ value, labels: { queue: `q${value}` } })),
    );
    assert.ok((await scrape()).includes('depth{queue="other"} 7'));
  });

  test('that cannot be read are told once and hide nothing else', async () => {
    const { metrics, scrape, lines } = bench();
    metrics.counter('calls_total', 'Calls.').add(1);
    metrics.gauge('broken', 'Broken.', () => {
      throw new Error('gone');
    });
    await scrape();
    assert.ok((await scrape()).includes('calls_total 1'));
    assert.deepEqual(
      lines.map(({ level, fields }) => [level, fields['metric']]),
      [['warn', 'broken']],
    );
  });
});

test('the service stands in target_info', async () => {
  const { scrape } = bench();
  assert.ok((await scrape()).includes('target_info{service_name="gateway",service_version="1.2.3"} 1'));
});

test('two kinds of one name, and names that Prometheus does not take, are bugs and throw', () => {
  const { metrics } = bench();
  metrics.counter('a_total', '');
  assert.throws(() => metrics.gauge('a_total', '', () => []), /another kind/);
  assert.throws(() => metrics.counter('a-b', ''), /no name/);
});

test('scrapes side by side all get the whole text', async () => {
  const { metrics } = bench();
  metrics.counter('calls_total', 'Calls.').add(1);
  const texts = await Promise.all(Array.from({ length: 5 }, () => metrics.text()));
  assert.equal(new Set(texts).size, 1);
  assert.match(texts[0] ?? '', /calls_total 1\n/);
});

test('a process tells its memory, processor time, start and event loop lag', async () => {
  const { metrics, scrape } = bench();
  using _watching = watchProcess(metrics);
  const lines = await scrape();
  const value = (name: string) => Number(lines.find((line) => line.startsWith(`${name} `))?.split(' ')[1]);
  assert.ok(value('process_resident_memory_bytes') > 1e6);
  assert.ok(value('process_heap_bytes{state="used"}') > 1e5);
  assert.ok(value('process_cpu_seconds_total') > 0);
  assert.ok(Math.abs(value('process_start_time_seconds') - Date.now() / 1_000) < 3_600);
  assert.ok(value('process_event_loop_lag_p99_seconds') >= 0);
  assert.ok(lines.includes('# TYPE process_cpu_seconds_total counter'));
});

test('counting costs a fraction of a call: a million additions take no more than a few seconds', () => {
  const { metrics } = bench();
  const calls = metrics.counter('calls_total', 'Calls.');
  const before = performance.now();
  for (let i = 0; i < 1_000_000; i += 1) calls.add(1, { server: 'everything', tool: 'echo', status: 'ok' });
  const tookMs = performance.now() - before;
  assert.ok(tookMs < 5_000, `${tookMs} ms`);
});
