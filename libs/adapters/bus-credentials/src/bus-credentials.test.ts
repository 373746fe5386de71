/** Leases as a holder sees them: shared, renewed ahead, kept through outages, gone when revoked; against a broker that is scripted. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newSealKeys, openSeal, sealTo, sign } from '@cruvero/contracts';
import { SecretText, type Integration, type TenantId } from '@cruvero/core';
import { isCredentialFault, type CredentialLease } from '@cruvero/ports';
import { acme, github, open, subjects, type Step } from './scripted-broker.fixture.ts';

const tokenOf = (lease: CredentialLease | undefined): string | undefined =>
  lease?.fields.get('token')?.reveal();

describe('a lease', () => {
  it('is asked for once by many, and is at hand afterwards', async () => {
    await using t = await open();
    assert.equal(t.credentials.held(acme, github), undefined);
    const many = await t.pass(
      Promise.all(Array.from({ length: 50 }, () => t.credentials.lease(acme, github))),
    );
    assert.equal(new Set(many).size, 1);
    assert.equal(t.rig.asks.length, 1);
    const held = t.credentials.held(acme, github);
    assert.deepEqual([tokenOf(held), held?.provider], ['one', 'vault']);
    assert.equal(t.credentials.held('globex' as TenantId, github), undefined);
    assert.equal(t.telemetry.gauge('cruvero_credential_leases'), 1);
  });

  it('that is used is renewed ahead, on from the one before; its change is told', async () => {
    await using t = await open();
    const first = await t.lease();
    assert.ok(t.credentials.held(acme, github));
    await t.clock.advance(42_000);
    await t.answers(2);
    assert.equal(t.rig.asks.length, 2);
    assert.ok(t.rig.asks[1]?.op === 'lease' && t.rig.asks[1].renews === first.leaseId);
    assert.deepEqual(t.changes, []);
    assert.ok(t.credentials.held(acme, github));
    t.rig.token = 'two';
    await t.clock.advance(42_000);
    await t.answers(3);
    assert.equal(tokenOf(t.credentials.held(acme, github)), 'two');
    assert.deepEqual(t.changes, ['other acme/github']);
  });

  it('that is used late in its life only is renewed then', async () => {
    await using t = await open();
    await t.lease();
    await t.clock.advance(45_000);
    await t.settled();
    assert.equal(t.rig.asks.length, 1);
    t.rig.token = 'two';
    assert.equal(tokenOf(t.credentials.held(acme, github)), 'one');
    await t.answers(2);
    await t.clock.advance(15_000);
    assert.equal(tokenOf(t.credentials.held(acme, github)), 'two');
    assert.deepEqual(t.changes, ['other acme/github']);
  });

  it('that is asked for as the one before ends is one that hears of revocations', async () => {
    await using t = await open();
    await t.lease();
    await t.clock.advance(59_999);
    const gate = Promise.withResolvers<void>();
    t.rig.gate = gate.promise;
    // A call that comes before the timer of the end.
    const { monotonicMs } = t.clock;
    t.clock.monotonicMs = () => monotonicMs.call(t.clock) + 1;
    const asking = t.credentials.lease(acme, github);
    t.clock.monotonicMs = monotonicMs;
    await t.clock.advance(1);
    await t.settled();
    t.rig.refusal = { why: 'not_found', retryAfterMs: 0 };
    await t.revoke('revoked');
    gate.resolve();
    t.rig.gate = undefined;
    assert.partialDeepStrictEqual(await t.pass(asking), { fault: 'not_found' });
    assert.equal(t.clock.pending, 0);
  });

  it('that nobody uses is not renewed, and goes at its end', async () => {
    await using t = await open();
    await t.lease();
    await t.clock.advance(59_999);
    await t.settled();
    assert.equal(t.rig.asks.length, 1);
    await t.clock.advance(1);
    assert.equal(t.credentials.held(acme, github), undefined);
    assert.deepEqual(t.changes, ['gone acme/github']);
    assert.equal(t.clock.pending, 0);
  });

  it('that is kept is renewed though nobody uses it, until it is not kept any more', async () => {
    await using t = await open();
    const kept = t.credentials.keep(acme, github);
    await t.lease();
    for (let n = 0; n < 3; n += 1) {
      await t.clock.advance(42_000);
      await t.answers(n + 2);
    }
    assert.equal(t.rig.asks.length, 4);
    kept[Symbol.dispose]();
    kept[Symbol.dispose]();
    await t.clock.advance(200_000);
    await t.settled();
    assert.equal(t.rig.asks.length, 4);
  });

  it('makes room for others, the one unused longest first, unless it is kept', async () => {
    await using t = await open(2);
    using _kept = t.credentials.keep(acme, 'kept' as Integration);
    await t.lease(acme, 'kept' as Integration);
    await t.lease(acme, 'a' as Integration);
    await t.lease(acme, 'b' as Integration);
    const isHeld = (name: string): boolean => t.credentials.held(acme, name as Integration) !== undefined;
    assert.deepEqual(['kept', 'a', 'b'].map(isHeld), [true, false, true]);
    assert.deepEqual(t.changes, ['other acme/kept', 'gone acme/a'], 'nobody would hear of its revocation');
  });

  it('is not asked for by one that is ending', async () => {
    const t = await open();
    const gate = Promise.withResolvers<void>();
    t.rig.gate = gate.promise;
    const asking = t.credentials.lease(acme, github);
    await t.settled();
    await t[Symbol.asyncDispose]();
    gate.resolve();
    assert.partialDeepStrictEqual(await t.pass(asking), { fault: 'away' });
  });
});

describe('an outage', () => {
  it('leaves what is held to its end, asks now and then, and goes over by itself', async () => {
    await using t = await open();
    await t.lease();
    assert.ok(t.credentials.held(acme, github));
    t.rig.refusal = { why: 'away', retryAfterMs: 0 };
    for (let second = 1; second < 60; second += 1) {
      await t.clock.advance(1_000);
      await t.quiet();
      assert.ok(t.credentials.held(acme, github), `second ${second}`);
    }
    assert.ok(t.rig.asks.length <= 8, `${t.rig.asks.length} asks`);
    await t.clock.advance(1_000);
    await t.settled();
    assert.equal(t.credentials.held(acme, github), undefined);
    assert.deepEqual(t.changes, ['gone acme/github']);
    t.rig.refusal = undefined;
    await t.clock.advance(15_000);
    assert.equal(tokenOf(await t.lease()), 'one');
  });

  it('is answered from memory for as long as it asks, however many want something', async () => {
    await using t = await open();
    t.rig.refusal = { why: 'busy', retryAfterMs: 2_000 };
    assert.deepEqual(await t.fault(), { fault: 'busy', detail: 'said', retryAfterMs: 2_000 });
    await t.clock.advance(1_500);
    for (let n = 0; n < 20; n += 1) assert.equal((await t.fault()).retryAfterMs, 500);
    assert.equal(t.rig.asks.length, 1);
    t.rig.refusal = undefined;
    await t.clock.advance(500);
    assert.equal(tokenOf(await t.lease()), 'one');
  });

  it('of the bus is said, and when it is back everybody asks whether a revocation was missed', async () => {
    await using t = await open();
    await t.lease();
    t.hub.setReachable(false);
    await t.settled();
    const away = await t.pass(t.credentials.lease('globex' as TenantId, github));
    assert.ok(isCredentialFault(away) && away.fault === 'away' && /bus_disconnected/.test(away.detail));
    t.rig.refusal = { why: 'not_found', retryAfterMs: 0 };
    t.hub.setReachable(true);
    await t.settled();
    await t.clock.advance(300);
    await t.answers(3);
    assert.equal(t.credentials.held(acme, github), undefined);
    assert.deepEqual(t.changes, ['gone acme/github']);
  });

  it('does not keep one that is kept from coming back by itself', async () => {
    await using t = await open();
    using _kept = t.credentials.keep(acme, github);
    t.rig.refusal = { why: 'away', retryAfterMs: 0 };
    await t.fault();
    t.rig.refusal = undefined;
    await t.clock.advance(1_000);
    await t.answers(2);
    assert.equal(tokenOf(t.credentials.held(acme, github)), 'one');
    assert.deepEqual(t.changes, ['other acme/github']);
    t.hub.setReachable(false);
    t.hub.setReachable(true);
    await t.settled();
    await t.clock.advance(300);
    await t.answers(3);
    assert.equal(t.rig.asks.length, 3);
  });
});

describe('a revocation', () => {
  it('is at once the end of what is held; the next one asks', async () => {
    await using t = await open();
    await t.lease();
    await t.revoke('revoked');
    assert.equal(t.credentials.held(acme, github), undefined);
    t.rig.refusal = { why: 'not_found', retryAfterMs: 0 };
    assert.equal((await t.fault()).fault, 'not_found');
    await t.revoke('rotated');
    assert.deepEqual(t.changes, ['gone acme/github', 'other acme/github']);
    t.rig.refusal = undefined;
    assert.equal(tokenOf(await t.lease()), 'one');
  });

  it('of one that is kept has it asked for again', async () => {
    await using t = await open();
    using _kept = t.credentials.keep(acme, github);
    await t.lease();
    t.rig.token = 'two';
    await t.revoke('revoked');
    await t.answers(2);
    assert.equal(tokenOf(t.credentials.held(acme, github)), 'two');
    assert.deepEqual(t.changes.slice(-2), ['gone acme/github', 'other acme/github']);
  });

  it('by rotation lets the old one serve until the new one is there', async () => {
    await using t = await open();
    await t.lease();
    t.rig.token = 'two';
    const gate = Promise.withResolvers<void>();
    t.rig.gate = gate.promise;
    await t.revoke('rotated');
    assert.equal(tokenOf(t.credentials.held(acme, github)), 'one');
    gate.resolve();
    await t.answers(2);
    assert.equal(tokenOf(t.credentials.held(acme, github)), 'two');
  });

  it('that comes while an answer is on its way makes that answer worthless', async () => {
    await using t = await open();
    const gate = Promise.withResolvers<void>();
    t.rig.gate = gate.promise;
    const asking = t.credentials.lease(acme, github);
    await t.settled();
    t.rig.refusal = { why: 'not_found', retryAfterMs: 0 };
    await t.revoke('revoked');
    gate.resolve();
    assert.partialDeepStrictEqual(await t.pass(asking), { fault: 'not_found' });
    t.rig.refusal = undefined;
    t.rig.step = async () => {
      await t.brokerBus.publish(subjects.revoked, await t.broadcast());
      await new Promise((resolve) => setTimeout(resolve, 5));
      return undefined;
    };
    await t.clock.advance(20_000);
    assert.equal((await t.fault()).detail, 'it changes all the time');
  });

  it('of something else, or that is no such message, is nothing to it', async () => {
    await using t = await open();
    await t.lease();
    await t.revoke('revoked', 'other');
    await t.say(await t.broadcast({ integration: '../github', why: 'revoked' }));
    await t.say(await t.broadcast({ why: 'bored' }));
    await t.say({ to: { 'gw-2': 'x.y.z' } });
    await t.say(7);
    assert.equal(tokenOf(t.credentials.held(acme, github)), 'one');
    await t.listening.close();
    await t.revoke('revoked');
    assert.deepEqual(t.changes, []);
  });

  it('that is not signed by the broker for this asker, is late, or comes again is not believed', async () => {
    await using t = await open();
    await t.lease();
    const claims = { tenant: 'acme', integration: 'github', why: 'revoked' };
    await t.say(claims);
    await t.say(await t.broadcast(claims, new Uint8Array(32).fill(8)));
    for (const byMs of [-60_001, 60_001])
      await t.say(await t.broadcast({ ...claims, at_ms: t.clock.nowMs() + byMs }));
    const ask = await sign('cruvero-credential-ask', 'gw-1', new Uint8Array(32).fill(7), claims);
    await t.say({ to: { 'gw-1': ask } });
    assert.equal(tokenOf(t.credentials.held(acme, github)), 'one');
    const warned = t.telemetry.lines.filter(({ message }) => message.includes('not believed'));
    assert.equal(warned.length, 1, 'a flood of them is one line');
    const real = await t.broadcast(claims);
    await t.say(real);
    assert.equal(t.credentials.held(acme, github), undefined);
    await t.lease();
    await t.say(real);
    assert.ok(t.credentials.held(acme, github), 'said once more it is nothing');
    assert.equal(t.rig.asks.length, 2);
  });

  it('by a verdict of the broker ends what is held', async () => {
    await using t = await open();
    await t.lease();
    assert.ok(t.credentials.held(acme, github));
    t.rig.refusal = { why: 'denied', retryAfterMs: 0 };
    await t.clock.advance(42_000);
    await t.answers(2);
    assert.equal(t.credentials.held(acme, github), undefined);
  });
});

describe('a credential that its server refuses', () => {
  it('is asked for anew, but not in a storm', async () => {
    await using t = await open();
    const first = await t.lease();
    t.rig.token = 'two';
    const second = await t.pass(t.credentials.refused(acme, github, first));
    assert.ok(!isCredentialFault(second) && tokenOf(second) === 'two');
    assert.equal(
      await t.pass(t.credentials.refused(acme, github, first)),
      second,
      'there is another one already',
    );
    for (let n = 0; n < 20; n += 1)
      assert.equal(await t.pass(t.credentials.refused(acme, github, second)), second);
    assert.equal(t.rig.asks.length, 2);
    await t.clock.advance(5_000);
    t.rig.refusal = { why: 'away', retryAfterMs: 0 };
    assert.equal(await t.pass(t.credentials.refused(acme, github, second)), second, 'an outage leaves it');
    await t.clock.advance(5_000);
    // What it asks by itself after the outage is answered before the broker says something else.
    await t.quiet();
    t.rig.refusal = { why: 'not_found', retryAfterMs: 0 };
    assert.partialDeepStrictEqual(await t.pass(t.credentials.refused(acme, github, second)), {
      fault: 'not_found',
    });
  });
});

describe('an answer that does not prove itself', () => {
  it('is none, and nothing that is held ends by it', async () => {
    await using t = await open();
    await t.lease();
    const other = await newSealKeys();
    const sealedFor =
      (more: object): Step =>
      async (ask) => {
        assert.ok(ask.op === 'lease');
        const { nonce, tenant, integration } = ask;
        const sealed = await sealTo(ask.public_key, {
          nonce,
          tenant,
          integration,
          fields: { token: 'x' },
          ...more,
        });
        return { outcome: 'lease', lease_id: 'l', provider: 'p', ttl_ms: 1_000, sealed };
      };
    const steps: readonly Step[] = [
      () => ({ nonce: 'n'.repeat(24), outcome: 'refused', why: 'not_found', detail: 'd', retry_after_ms: 0 }),
      () => ({ outcome: 'written', provider: 'p' }),
      () => ({ outcome: 'anything' }),
      async () => ({
        outcome: 'lease',
        lease_id: 'l',
        provider: 'p',
        ttl_ms: 1_000,
        sealed: await sealTo(other.publicKey, {}),
      }),
      sealedFor({ tenant: 'initech' }),
      sealedFor({ integration: 'gitlab' }),
      sealedFor({ nonce: 'm'.repeat(24) }),
      sealedFor({ fields: 7 }),
    ];
    let at = 0;
    for (const step of steps) {
      t.rig.step = step;
      const read = await t.pass(t.credentials.lease('globex' as TenantId, `s${(at += 1)}` as Integration));
      assert.ok(isCredentialFault(read) && read.fault === 'away', `step ${at}`);
      assert.match(read.detail, /prove/);
    }
    t.rig.step = undefined;
    for (const raw of [{}, 7, { jws: 'x' }] as const) {
      t.rig.raw = raw;
      const read = await t.pass(t.credentials.lease(acme, `r${(at += 1)}` as Integration));
      assert.ok(isCredentialFault(read) && read.fault === 'away');
    }
    t.rig.raw = undefined;
    t.rig.answersAs = 'cruvero-credential-ask';
    assert.ok(isCredentialFault(await t.pass(t.credentials.lease(acme, 'back' as Integration))));
    assert.equal(tokenOf(t.credentials.held(acme, github)), 'one');
  });
});

describe('a secret that is written', () => {
  const fields = new Map([['token', new SecretText('canary-7f3a')]]);

  it('is sealed to the broker, which says where it is now', async () => {
    await using t = await open();
    const written = await t.pass(t.credentials.put(acme, github, fields, 'ann'));
    assert.deepEqual(written, { provider: 'vault', stillIn: ['put'] });
    const put = t.rig.asks.at(-1);
    assert.ok(put?.op === 'put' && put.by === 'ann');
    assert.doesNotMatch(JSON.stringify(t.rig.asks), /canary/);
    assert.partialDeepStrictEqual(await openSeal(t.brokerKeys, put.sealed), {
      tenant: acme,
      integration: github,
      nonce: put.nonce,
      fields: { token: 'canary-7f3a' },
    });
    assert.deepEqual(await t.pass(t.credentials.delete(acme, github, 'ann')), {
      provider: 'vault',
      stillIn: ['delete'],
    });
  });

  it('is refused where it is larger than the bus takes, and need not be tried again', async () => {
    await using t = await open();
    const fields = Array.from(
      { length: 31 },
      (_, n) => [`f${n}`, new SecretText('x'.repeat(32_768))] as const,
    );
    const refused = await t.pass(t.credentials.put(acme, github, new Map(fields), 'ann'));
    assert.partialDeepStrictEqual(refused, { fault: 'unfit' });
  });

  it('is refused where the broker refuses', async () => {
    await using t = await open();
    t.rig.refusal = { why: 'denied', retryAfterMs: 0 };
    assert.partialDeepStrictEqual(await t.pass(t.credentials.put(acme, github, fields, 'ann')), {
      fault: 'denied',
    });
    assert.partialDeepStrictEqual(await t.pass(t.credentials.delete(acme, github, 'ann')), {
      fault: 'denied',
    });
  });
});
