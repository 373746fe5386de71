/** Each attempt gets an instance that its breaker lets through; what is under way is counted. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultBreaker, type Fault, type Instance, type Reply } from '@cruvero/core';
import { MemoryTelemetry, SimClock } from '@cruvero/testkit';
import {
  broke,
  done,
  instance,
  neverLeft,
  pseudoRandom,
  routed,
  server,
  tenant,
  timedOut,
} from '../calls.fixture.ts';
import { balancer, stateKey } from './balance.ts';

const two = server('files', { instances: [instance('i1'), instance('i2')] });
const one = server('files', { instances: [instance('i1')] });
const policy = { ...defaultBreaker, failuresMax: 3, successesMin: 2, pauseMs: 1_000, pauseMsMax: 4_000 };

/** Somebody sets the clock of the machine. */
class SetClock extends SimClock {
  setBackMs = 0;

  override nowMs(): number {
    return super.nowMs() - this.setBackMs;
  }
}

function stage(answer: (instance: Instance) => Reply | Fault | Promise<Reply | Fault>) {
  const clock = new SetClock();
  const telemetry = new MemoryTelemetry();
  const asked: string[] = [];
  const health: string[] = [];
  const gauges = new Map<string, () => Iterable<{ value: number; labels?: object }>>();
  const metrics = {
    ...telemetry.metrics,
    gauge: (name: string, _help: string, read: () => Iterable<{ value: number; labels?: object }>) =>
      void gauges.set(name, read),
  };
  const balance = balancer(
    policy,
    async (_call, to) => {
      asked.push(to.instanceId);
      return answer(to);
    },
    {
      clock,
      random: pseudoRandom(),
      telemetry: { ...telemetry, metrics },
      tried: new WeakMap(),
      onHealth: (_server, of, admitted) => void health.push(`${of.instanceId} ${admitted ? 'up' : 'down'}`),
    },
  );
  const gauge = () => [...(gauges.get('mcpgw_circuit_breaker_state')?.() ?? [])];
  return { clock, balance, asked, health, gauge };
}

describe('the balancer', () => {
  it('goes round the instances', async () => {
    const { balance, asked } = stage(() => done);
    for (let n = 0; n < 4; n += 1) await balance.next(routed({ server: two }));
    assert.deepEqual(asked, ['i1', 'i2', 'i1', 'i2']);
  });

  it('counts only calls that may go anywhere, so that a row of others does not send them all to one', async () => {
    const { balance, asked } = stage(() => done);
    for (let n = 0; n < 4; n += 1) {
      await balance.next(routed({ server: two }));
      await balance.next({ ...routed({ server: two }), pinnedTo: 'i1' });
    }
    assert.deepEqual(
      asked.filter((_, at) => at % 2 === 0),
      ['i1', 'i2', 'i1', 'i2'],
    );
  });

  it('asks a dead instance no more often first than the others', async () => {
    const { balance, asked } = stage(({ instanceId }) => (instanceId === 'i1' ? neverLeft : done));
    for (let n = 0; n < 4; n += 1) {
      const call = routed({ server: two });
      if ((await balance.next(call)) === neverLeft) await balance.next(call);
    }
    assert.deepEqual(asked, ['i1', 'i2', 'i2', 'i1', 'i2', 'i2']);
  });

  it('takes another instance for the next attempt of a call, until all were tried', async () => {
    const { balance, asked } = stage(() => neverLeft);
    const call = routed({ server: two });
    await balance.next(call);
    await balance.next(call);
    assert.equal(new Set(asked).size, 2);
    assert.partialDeepStrictEqual(await balance.next(call), {
      fault: 'upstream_unavailable',
      detail: 'every instance was tried',
      neverLeft: true,
    });
  });

  it('says so where a server has no instance', async () => {
    const { balance } = stage(() => done);
    assert.partialDeepStrictEqual(
      await balance.next(routed({ server: server('files', { instances: [] }) })),
      {
        fault: 'upstream_unavailable',
        detail: 'it has no running instance',
      },
    );
  });

  it('sends the least busy instance the next call, and counts what is under way', async () => {
    const gates: PromiseWithResolvers<Reply>[] = [];
    const { balance, asked } = stage(() => {
      const gate = Promise.withResolvers<Reply>();
      gates.push(gate);
      return gate.promise;
    });
    const busy = server('files', { strategy: 'least_connections', instances: two.instances });
    const calls = [0, 1, 2].map(() => balance.next(routed({ server: busy })));
    assert.equal(balance.inFlight(), 3);
    assert.deepEqual([...asked.slice(0, 2)].sort(), ['i1', 'i2']);
    for (const gate of gates) gate.resolve(done);
    await Promise.all(calls);
    assert.equal(balance.inFlight(), 0);
  });

  it('counts down also where an attempt throws', async () => {
    const { balance } = stage(() => Promise.reject(new Error('a bug')));
    await assert.rejects(balance.next(routed({ server: one })), /a bug/);
    assert.equal(balance.inFlight(), 0);
  });

  it('shares nothing between servers or tenants that have an instance of the same name and address', async () => {
    const { balance } = stage(() => broke);
    for (let n = 0; n < 3; n += 1) await balance.next(routed({ server: one }));
    assert.partialDeepStrictEqual(await balance.next(routed({ server: one })), {
      fault: 'upstream_unavailable',
    });
    for (const other of [server('web', { instances: one.instances }), { ...one, tenantId: tenant('acme') }]) {
      assert.equal(await balance.next(routed({ server: other })), broke);
    }
    const [i] = one.instances;
    assert.ok(i);
    assert.notEqual(stateKey(one, i), stateKey(one, { ...i, transport: 'sse' }));
  });
});

describe('the breaker of an instance', () => {
  const fail = async (
    balance: ReturnType<typeof stage>['balance'],
    times: number,
    fault = broke,
  ): Promise<void> => {
    for (let n = 0; n < times; n += 1) assert.equal(await balance.next(routed({ server: one })), fault);
  };

  it('shuts after failures in a row, is told of, and lets one call try after the pause', async () => {
    let well = false;
    const { balance, clock, asked, health } = stage(() => (well ? done : broke));
    await fail(balance, 3);
    assert.deepEqual(health, ['i1 down']);
    assert.partialDeepStrictEqual(await balance.next(routed({ server: one })), {
      detail: 'every instance failed repeatedly and is given a pause',
      neverLeft: true,
    });
    assert.equal(asked.length, 3);
    await clock.advance(1_000);
    well = true;
    assert.equal(await balance.next(routed({ server: one })), done);
    assert.deepEqual(health, ['i1 down'], 'one success is not enough');
    assert.equal(await balance.next(routed({ server: one })), done);
    assert.deepEqual(health, ['i1 down', 'i1 up']);
  });

  it('lets no second call through while the first one tries', async () => {
    let answer: () => Fault | Promise<Reply> = () => broke;
    const { balance, clock } = stage(() => answer());
    await fail(balance, 3);
    await clock.advance(1_000);
    const gate = Promise.withResolvers<Reply>();
    answer = () => gate.promise;
    const trying = balance.next(routed({ server: one }));
    assert.partialDeepStrictEqual(await balance.next(routed({ server: one })), {
      fault: 'upstream_unavailable',
    });
    gate.resolve(done);
    assert.equal(await trying, done);
  });

  it('sends on to another instance who belongs to the one that is given a pause', async () => {
    const { balance, clock, asked } = stage(({ instanceId }) => (instanceId === 'i1' ? broke : done));
    const own = () => ({ ...routed({ server: two }), pinnedTo: 'i1' });
    for (let n = 0; n < 3; n += 1) assert.equal(await balance.next(own()), broke);
    assert.equal(await balance.next(own()), done);
    assert.deepEqual(asked, ['i1', 'i1', 'i1', 'i2']);
    await clock.advance(1_000);
    assert.equal(await balance.next(own()), broke, 'after the pause it is asked again');
  });

  it('pauses no longer where the clock of the machine is set back', async () => {
    const { balance, clock, asked } = stage(() => broke);
    await fail(balance, 3);
    clock.setBackMs = 3_600_000;
    await clock.advance(1_000);
    await fail(balance, 1);
    assert.equal(asked.length, 4);
  });

  it('pauses longer after each try in vain', async () => {
    const { balance, clock, asked } = stage(() => broke);
    await fail(balance, 3);
    await clock.advance(1_000);
    await fail(balance, 1);
    await clock.advance(1_999);
    assert.partialDeepStrictEqual(await balance.next(routed({ server: one })), {
      fault: 'upstream_unavailable',
    });
    await clock.advance(1);
    await fail(balance, 1);
    assert.equal(asked.length, 5);
  });

  it('counts time-outs and refused connections as failures', async () => {
    for (const fault of [timedOut, neverLeft]) {
      const { balance, health } = stage(() => fault);
      await fail(balance, 3, fault);
      assert.deepEqual(health, ['i1 down']);
    }
  });

  const innocent: readonly (Fault | Reply)[] = [
    { fault: 'cancelled' },
    { fault: 'upstream_too_large', server: 'files', bytesMax: 1 },
    { kind: 'error', code: -32603, text: '{}' },
  ];
  for (const outcome of innocent) {
    it(`does not count ${'fault' in outcome ? outcome.fault : 'an error that the server answers'}`, async () => {
      const { balance, health, asked } = stage(() => outcome);
      for (let n = 0; n < 6; n += 1) await balance.next(routed({ server: one }));
      assert.equal(asked.length, 6);
      assert.deepEqual(health, []);
    });
  }

  it('is shown as a metric by server and instance, without the address', async () => {
    const secret = server('files', {
      instances: [instance('i1', { endpoint: 'https://x.test/mcp?token=hunter2' })],
    });
    const { balance, gauge } = stage(() => broke);
    for (let n = 0; n < 3; n += 1) await balance.next(routed({ server: secret }));
    assert.deepEqual(gauge(), [{ value: 1, labels: { backend: 'default/files/i1', state: 'shut' } }]);
  });

  it('is forgotten with its instance, but not under a call that runs', async () => {
    const gate = Promise.withResolvers<Reply>();
    const { balance, gauge } = stage(() => gate.promise);
    const running = balance.next(routed({ server: one }));
    balance.keepOnly([]);
    assert.equal(gauge().length, 1);
    gate.resolve(done);
    await running;
    balance.keepOnly([one]);
    assert.equal(gauge().length, 1);
    balance.keepOnly([
      server('files', { instances: [instance('i1', { endpoint: 'http://elsewhere.test/mcp' })] }),
    ]);
    assert.equal(gauge().length, 0);
  });
});
