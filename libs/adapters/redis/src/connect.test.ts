/** Cache and Counter over a real redis-server keep their contracts; away or hung, Redis costs nothing. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { cacheContract } from '@cruvero/ports/contracts/cache';
import { counterContract } from '@cruvero/ports/contracts/counter';
import type { Server } from '@cruvero/stack';
import { freePort, startRedis } from '@cruvero/stack';
import { Redis } from 'ioredis';

import { connectedStores, eventually, openStores, pause } from './redis-rig.fixture.ts';

let server: Server;
before(async () => {
  server = await startRedis();
});
after(() => server.stop());

let rigs = 0;
/** A slow machine must not make a contract test fail: the bound on time has a test of its own. */
const patient = () => ({ keyPrefix: `t${(rigs += 1)}:`, commandMsMax: 2_000 });

cacheContract('Redis cache', async () => {
  const stores = await connectedStores(server.url, patient());
  return { cache: stores.cache, passTime: pause, [Symbol.asyncDispose]: () => stores[Symbol.asyncDispose]() };
});

counterContract('Redis counter', async () => {
  const options = patient();
  const stores = await connectedStores(server.url, options);
  const other = await connectedStores(server.url, options);
  return {
    counter: stores.counter,
    second: async () => other.counter,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([stores[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
    },
  };
});

/** How long a call took, and what it gave. */
async function timed<T>(call: () => Promise<T>): Promise<readonly [T, number]> {
  const beganMs = performance.now();
  const answer = await call();
  return [answer, performance.now() - beganMs];
}

describe('Redis stores', () => {
  it('put the prefix before every key, and give every key an end', async () => {
    await using redis = await startRedis();
    const stores = await connectedStores(redis.url, { keyPrefix: 'cruvero:one:' });
    await stores.cache.set('k', 'v', 60_000);
    await stores.counter.add('k', 60_000, 1_800_000_000_000);
    const raw = new Redis(redis.port, '127.0.0.1');
    const keys = await raw.keys('*');
    assert.equal(keys.length, 2);
    for (const key of keys) {
      assert.ok(key.startsWith('cruvero:one:'), key);
      assert.ok((await raw.pttl(key)) > 0, key);
    }
    raw.disconnect();
    await stores[Symbol.asyncDispose]();
  });

  it('are a miss at once while nothing listens, and work by themselves when Redis comes', async () => {
    const port = await freePort();
    const { stores, telemetry } = await openStores(`127.0.0.1:${port}`);
    for (let n = 0; n < 50; n += 1) {
      const [value, tookMs] = await timed(() => stores.cache.get('k'));
      assert.equal(value, undefined);
      assert.ok(tookMs < 45, `${tookMs} ms`);
    }
    assert.equal(await stores.counter.add('k', 1_000, 0), undefined);
    await stores.cache.set('k', 'v', 1_000);
    await stores.cache.delete('k');
    await using redis = await startRedis({ port });
    assert.ok(redis.alive);
    await eventually('it works', async () => {
      await stores.cache.set('k', 'v', 60_000);
      return (await stores.cache.get('k')) === 'v';
    });
    assert.equal(
      telemetry.lines.filter((line) => line.level === 'warn').length,
      1,
      'one line for one outage',
    );
    await stores[Symbol.asyncDispose]();
  });

  it('survive kill -9 of Redis, and come back with it', async () => {
    await using redis = await startRedis();
    const stores = await connectedStores(redis.url);
    await redis.kill('SIGKILL');
    const calls = Array.from({ length: 100 }, (_, n) => timed(() => stores.cache.get(`k${n}`)));
    for (const [value, tookMs] of await Promise.all(calls)) {
      assert.equal(value, undefined);
      assert.ok(tookMs < 150, `${tookMs} ms`);
    }
    await redis.restart();
    await eventually('it counts again', async () => (await stores.counter.add('k', 60_000, 0)) !== undefined);
    await stores[Symbol.asyncDispose]();
  });

  it('wait no longer than the bound for a hung Redis, soon not at all, and use it again when it is well', async () => {
    await using redis = await startRedis();
    const { stores, telemetry } = await openStores(redis.url, { commandMsMax: 50 });
    await eventually('connected', () => stores.connected);
    await stores.cache.set('k', 'v', 60_000);
    process.kill(redis.pid, 'SIGSTOP');
    const tookMs: number[] = [];
    for (let n = 0; n < 200; n += 1) {
      const [value, ms] = await timed(() => stores.cache.get('k'));
      assert.equal(value, undefined);
      tookMs.push(ms);
    }
    assert.ok(Math.max(...tookMs) < 150, `${Math.max(...tookMs)} ms at most`);
    const waits = tookMs.filter((ms) => ms > 20).length;
    assert.ok(waits <= 6, `${waits} of 200 calls waited`);
    assert.ok(telemetry.lines.some((line) => line.message.includes('going on without it')));
    process.kill(redis.pid, 'SIGCONT');
    await eventually('it hits again', async () => (await stores.cache.get('k')) === 'v');
    await stores[Symbol.asyncDispose]();
  });

  it('do not keep what is too large, nor what was there before it', async () => {
    const stores = await connectedStores(server.url, patient());
    await stores.cache.set('k', 'small', 60_000);
    await stores.cache.set('k', 'x'.repeat((4 << 20) + 1), 60_000);
    assert.equal(await stores.cache.get('k'), undefined);
    await stores[Symbol.asyncDispose]();
  });

  it('send the password and show it nowhere', async () => {
    await using redis = await startRedis();
    const raw = new Redis(redis.port, '127.0.0.1');
    await raw.config('SET', 'requirepass', 'pa55w0rd');
    const wrong = await openStores(`redis://:wr0ngw0rd@127.0.0.1:${redis.port}`);
    const right = await openStores(redis.url, { password: { reveal: () => 'pa55w0rd' } });
    await eventually('the right one is let in', () => right.stores.connected);
    await eventually('the wrong one is told', () =>
      wrong.telemetry.lines.some((line) => line.level === 'warn'),
    );
    assert.equal(wrong.stores.connected, false);
    assert.equal(await wrong.stores.cache.get('k'), undefined);
    const said = JSON.stringify([wrong.telemetry.lines, right.telemetry.lines]);
    assert.doesNotMatch(said, /pa55w0rd|wr0ngw0rd/);
    raw.disconnect();
    await Promise.all([wrong.stores[Symbol.asyncDispose](), right.stores[Symbol.asyncDispose]()]);
  });
});
