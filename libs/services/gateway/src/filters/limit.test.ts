/** Every principal has its own bucket, and only its own. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultProfile, type PolicyProfile } from '@cruvero/core';
import type { Counter } from '@cruvero/ports';
import { memoryCounter } from '@cruvero/adapter-memory';
import { MemoryTelemetry, settle, SimClock } from '@cruvero/testkit';
import { alice, done, routed, tenant } from '../calls.fixture.ts';
import { limitFilter, rateLimit } from './limit.ts';

const slow: PolicyProfile = { ...defaultProfile, rateLimit: 2, rateBurst: 3 };

function stage() {
  const clock = new SimClock();
  const telemetry = new MemoryTelemetry();
  let passed = 0;
  const next = limitFilter(rateLimit(clock, telemetry))(async () => {
    passed += 1;
    return done;
  });
  return { clock, telemetry, next, passed: () => passed };
}

describe('the limit', () => {
  it('lets a burst through, then says how long to wait, then lets one through after that time', async () => {
    const { clock, next, passed } = stage();
    for (let n = 0; n < 3; n += 1) assert.equal(await next(routed({ profile: slow })), done);
    assert.deepEqual(await next(routed({ profile: slow })), { fault: 'rate_limited', retryAfterMs: 500 });
    await clock.advance(499);
    assert.partialDeepStrictEqual(await next(routed({ profile: slow })), { fault: 'rate_limited' });
    await clock.advance(1);
    assert.equal(await next(routed({ profile: slow })), done);
    assert.equal(passed(), 4);
  });

  it('of one principal does not touch another, nor the same name in another tenant', async () => {
    const { next } = stage();
    for (let n = 0; n < 4; n += 1) await next(routed({ profile: slow }));
    for (const principal of [
      { ...alice, name: 'bob' },
      { ...alice, tenantId: tenant('acme') },
    ]) {
      assert.equal(await next(routed({ profile: slow, principal })), done);
    }
    assert.partialDeepStrictEqual(await next(routed({ profile: slow })), { fault: 'rate_limited' });
  });

  it('in audit mode counts and lets through', async () => {
    const { next, telemetry } = stage();
    const profile = { ...slow, enforcementMode: 'audit' } as const;
    for (let n = 0; n < 5; n += 1) assert.equal(await next(routed({ profile })), done);
    const [key] = [...telemetry.counts.keys()].filter((one) => one.startsWith('mcpgw_rate_limited_total'));
    assert.equal(key, 'mcpgw_rate_limited_total{"client_id":"alice","route":"tools/call"}');
    assert.equal(telemetry.counts.get(key ?? ''), 2);
  });

  it('follows the profile that the call brings', async () => {
    const { next } = stage();
    for (let n = 0; n < 3; n += 1) await next(routed({ profile: slow }));
    assert.partialDeepStrictEqual(await next(routed({ profile: slow })), { fault: 'rate_limited' });
    assert.partialDeepStrictEqual(await next(routed({ profile: { ...slow, rateLimit: 100 } })), {
      fault: 'rate_limited',
      retryAfterMs: 10,
    });
  });

  it('keeps a bounded number of buckets', async () => {
    const { next } = stage();
    for (let n = 0; n < 3; n += 1) await next(routed({ profile: slow }));
    for (let n = 0; n < 10_000; n += 1)
      await next(routed({ profile: slow, principal: { ...alice, name: `p${n}` } }));
    assert.equal(
      await next(routed({ profile: slow })),
      done,
      'the bucket unused longest went, and is full again',
    );
  });
});

describe('the limit of several replicas', () => {
  it('holds nobody for longer than a window, also where the clock of the machine is set back', async () => {
    let setBackMs = 0;
    class SetClock extends SimClock {
      override nowMs(): number {
        return super.nowMs() - setBackMs;
      }
    }
    const clock = new SetClock();
    const far: Counter = { add: async () => 1_000, [Symbol.asyncDispose]: async () => undefined };
    const next = limitFilter(rateLimit(clock, new MemoryTelemetry(), far))(async () => done);
    assert.equal(await next(routed({ profile: slow })), done);
    await settle();
    assert.deepEqual(await next(routed({ profile: slow })), { fault: 'rate_limited', retryAfterMs: 1_000 });
    setBackMs = 3_600_000;
    await clock.advance(1_000);
    assert.equal(await next(routed({ profile: slow })), done);
  });

  /** Two replicas over one counter. */
  function replicas(counter = memoryCounter()) {
    const clock = new SimClock();
    const filters = [0, 1].map(() =>
      limitFilter(rateLimit(clock, new MemoryTelemetry(), counter))(async () => done),
    );
    const ask = async (replica: number) => {
      const outcome = await filters[replica]?.(routed({ profile: slow }));
      await settle();
      return outcome;
    };
    return { clock, ask };
  }

  it('is held to across them, from the call after the one that was too much', async () => {
    const { clock, ask } = replicas();
    // 2 a second and a burst of 3: each replica alone would let 3 through.
    for (let n = 0; n < 3; n += 1) {
      assert.equal(await ask(0), done);
      assert.equal(await ask(1), done);
    }
    await clock.advance(999);
    assert.partialDeepStrictEqual(await ask(1), { fault: 'rate_limited', retryAfterMs: 1 });
    await clock.advance(1);
    assert.equal(await ask(1), done, 'a new window');
  });

  it('is each replica own while the counter is away', async () => {
    const away: Counter = { add: async () => undefined, [Symbol.asyncDispose]: async () => undefined };
    const { ask } = replicas(away);
    for (let n = 0; n < 3; n += 1) assert.equal(await ask(0), done);
    assert.partialDeepStrictEqual(await ask(0), { fault: 'rate_limited' });
    assert.equal(await ask(1), done);
  });
});
