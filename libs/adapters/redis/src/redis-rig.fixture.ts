/** What the tests against a real redis-server share. */

import { MemoryTelemetry } from '@cruvero/testkit';

import type { RedisStores } from './connect.ts';
import { connectRedis } from './connect.ts';
import type { RedisOptions } from './link.ts';

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for a condition, at most ten seconds. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`not within ten seconds: ${what}`);
    await pause(10);
  }
}

export async function openStores(
  url: string,
  more: Partial<RedisOptions> = {},
): Promise<{ readonly stores: RedisStores; readonly telemetry: MemoryTelemetry }> {
  const telemetry = new MemoryTelemetry();
  const fixed = { name: 'test', keyPrefix: 'test:', random: Math.random, log: telemetry.log };
  return { stores: await connectRedis({ url, ...fixed, ...more }), telemetry };
}

export async function connectedStores(url: string, more: Partial<RedisOptions> = {}): Promise<RedisStores> {
  const { stores } = await openStores(url, more);
  await eventually('connected', () => stores.connected);
  return stores;
}
