/** What every service tells of its own process: memory, processor time and how late its event loop runs. */

import { monitorEventLoopDelay } from 'node:perf_hooks';

import type { ScrapedMetrics } from './metrics.ts';

const resolutionMs = 20;
const nsPerSecond = 1e9;

/** Disposing of what is returned stops the measuring. */
export function watchProcess(metrics: Pick<ScrapedMetrics, 'gauge' | 'total'>): Disposable {
  const startedAtSeconds = Date.now() / 1_000 - process.uptime();
  metrics.gauge('process_start_time_seconds', 'When the process started, in seconds since 1970.', () => [
    { value: startedAtSeconds },
  ]);
  metrics.gauge('process_resident_memory_bytes', 'Resident memory.', () => [
    { value: process.memoryUsage.rss() },
  ]);
  metrics.gauge('process_heap_bytes', 'JavaScript heap: in use, and reserved.', () => {
    const { heapUsed, heapTotal } = process.memoryUsage();
    return [
      { value: heapUsed, labels: { state: 'used' } },
      { value: heapTotal, labels: { state: 'reserved' } },
    ];
  });
  metrics.total('process_cpu_seconds_total', 'Processor time, user and system.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  const lag = monitorEventLoopDelay({ resolution: resolutionMs });
  lag.enable();
  metrics.gauge(
    'process_event_loop_lag_p99_seconds',
    'How late timers ran since the last scrape, 99th percentile.',
    () => [{ value: takeLagSeconds(lag) }],
  );
  return { [Symbol.dispose]: () => void lag.disable() };
}

/** What is measured is the time between two ticks, so that the tick itself is no lag. */
function takeLagSeconds(lag: ReturnType<typeof monitorEventLoopDelay>): number {
  const ticks = lag.count;
  const p99Ns = lag.percentile(99);
  lag.reset();
  return ticks === 0 ? 0 : Math.max(0, p99Ns / nsPerSecond - resolutionMs / 1_000);
}
