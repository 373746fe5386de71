/** Who asks gets what is theirs, sealed, for a while; everybody else gets nothing, and everything is written down. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { credentialBroadcastSchema, sealTo, sign, verify } from '@cruvero/contracts';
import { SecretText, type Json } from '@cruvero/core';
import { broadcastsOf } from './broadcast.ts';
import { config, FakeProvider, keyOf, keyText, leased, openBroker, secret } from './broker.fixture.ts';

const canary = 'canary-7f3a';

async function open(more = {}) {
  const vault = new FakeProvider('vault', { writes: true });
  const environment = new FakeProvider('environment');
  vault.secrets.set('acme/github', { fields: secret({ token: canary }) });
  const rig = await openBroker([vault, environment], more);
  return { vault, environment, ...rig };
}

describe('an asker', () => {
  it('gets its secret sealed, with an end, and with the name of the place where it was', async () => {
    await using rig = await open();
    const lease = leased(await rig.lease('gw-1', 'acme', 'github'));
    assert.deepEqual(lease.fields, { token: canary });
    assert.deepEqual([lease.provider, lease.ttlMs], ['vault', 60_000]);
    const again = leased(await rig.lease('gw-1', 'acme', 'github', lease.id));
    assert.notEqual(again.id, lease.id);
    await rig.settle();
    const said = JSON.stringify(rig.heard) + JSON.stringify(rig.telemetry.lines);
    assert.doesNotMatch(said, /canary/);
    for (const part of said.matchAll(/[A-Za-z0-9_-]{20,}/g))
      assert.doesNotMatch(Buffer.from(part[0], 'base64url').toString('latin1'), /canary/);
    assert.deepEqual(rig.actions(), ['issued gw-1 acme/github', 'renewed gw-1 acme/github']);
    assert.deepEqual(
      rig.audits().map(({ lease_id: id, provider }) => [id, provider]),
      [
        [lease.id, 'vault'],
        [again.id, 'vault'],
      ],
    );
  });

  it('gets what it may have, and nothing of others', async () => {
    await using rig = await open();
    rig.vault.secrets.set('globex/github', { fields: secret({ token: 'of globex' }) });
    rig.vault.secrets.set('acme/gitlab', { fields: secret({ token: 'gitlab' }) });
    assert.deepEqual(leased(await rig.lease('bridge', 'acme', 'github')).fields, { token: canary });
    assert.equal(await rig.lease('bridge', 'globex', 'github'), 'denied');
    assert.equal(await rig.lease('bridge', 'acme', 'gitlab'), 'denied');
    assert.equal(await rig.lease('registry', 'acme', 'github'), 'denied', 'who writes does not read');
    assert.equal(await rig.lease('gw-1', 'acme', 'nothing'), 'not_found');
    assert.deepEqual(rig.actions().slice(1), [
      'denied bridge globex/github',
      'denied bridge acme/gitlab',
      'denied registry acme/github',
      'denied gw-1 acme/nothing',
    ]);
  });

  it('shares one look with those who ask at the same time', async () => {
    await using rig = await open();
    const gate = Promise.withResolvers<void>();
    rig.vault.gate = gate.promise;
    const asking = Array.from({ length: 50 }, () => rig.lease('gw-1', 'acme', 'github'));
    await rig.busyWith(50);
    gate.resolve();
    const leases = await Promise.all(asking);
    assert.equal(new Set(leases.map((lease) => leased(lease).id)).size, 50);
    assert.equal(rig.vault.reads, 1);
  });
});

describe('whoever does not prove to be an asker', () => {
  it('gets no answer, whatever it says', async () => {
    await using rig = await open();
    const claims = {
      op: 'lease',
      tenant: 'acme',
      integration: 'github',
      public_key: rig.keys.publicKey,
      nonce: rig.nonce(),
      at_ms: rig.clock.nowMs(),
    };
    const signed = (as: string, key: Uint8Array, more: object = {}): Promise<string> =>
      sign('cruvero-credential-ask', as, key, { ...claims, nonce: rig.nonce(), ...more });
    const bodies: readonly Json[] = [
      {},
      7,
      { jws: 'x' },
      { jws: await signed('nobody', keyOf('gw-1')) },
      { jws: await signed('gw-1', keyOf('registry')) },
      { jws: await sign('cruvero-credential-answer', 'gw-1', keyOf('gw-1'), claims) },
      { jws: await signed('gw-1', keyOf('gw-1'), { tenant: '../x' }) },
      { jws: await signed('gw-1', keyOf('gw-1'), { integration: '*' }) },
      { jws: await signed('gw-1', keyOf('gw-1'), { op: 'everything' }) },
      { jws: await signed('gw-1', keyOf('gw-1'), { public_key: { ...rig.keys.publicKey, d: 'x' } }) },
      { jws: await signed('gw-1', keyOf('gw-1'), { at_ms: rig.clock.nowMs() - 60_001 }) },
      { jws: await signed('gw-1', keyOf('gw-1'), { at_ms: rig.clock.nowMs() + 60_001 }) },
    ];
    for (const body of bodies) assert.deepEqual(await rig.raw(body), {}, JSON.stringify(body).slice(0, 80));
    assert.equal(rig.vault.reads, 0);
    assert.deepEqual(rig.audits(), []);
    const warned = rig.telemetry.lines.filter(({ level }) => level === 'warn');
    assert.equal(warned.length, 1, 'a flood of them is one line');
    await rig.clock.advance(10_000);
    await rig.raw({});
    assert.equal(rig.telemetry.lines.filter(({ level }) => level === 'warn').length, 2);
  });

  it('cannot send again what an asker has sent', async () => {
    await using rig = await open();
    const nonce = rig.nonce();
    const claims = { op: 'lease', tenant: 'acme', integration: 'github', public_key: rig.keys.publicKey };
    const jws = await sign('cruvero-credential-ask', 'gw-1', keyOf('gw-1'), {
      ...claims,
      nonce,
      at_ms: rig.clock.nowMs(),
    });
    assert.ok('jws' in ((await rig.raw({ jws })) as object));
    assert.deepEqual(await rig.raw({ jws }), {});
    await rig.clock.advance(61_000);
    assert.deepEqual(await rig.raw({ jws }), {});
  });
});

describe('a place for secrets', () => {
  it('that comes first wins, and the answer says which it was', async () => {
    await using rig = await open();
    rig.environment.secrets.set('acme/github', { fields: secret({ token: 'env' }) });
    rig.environment.secrets.set('acme/jira', { fields: secret({ token: 'env' }) });
    assert.equal(leased(await rig.lease('gw-1', 'acme', 'github')).provider, 'vault');
    assert.equal(leased(await rig.lease('gw-1', 'acme', 'jira')).provider, 'environment');
  });

  it('that is away ends the search: another one might have another secret', async () => {
    await using rig = await open();
    rig.environment.secrets.set('acme/github', { fields: secret({ token: 'env' }) });
    rig.vault.fault = { fault: 'away', detail: 'Vault: it is sealed', retryAfterMs: 2_000 };
    assert.equal(await rig.lease('gw-1', 'acme', 'github'), 'away');
    assert.deepEqual(rig.actions(), ['unavailable gw-1 acme/github']);
    assert.deepEqual(rig.broker.troubles(), { vault: 'Vault: it is sealed' });
    rig.vault.fault = undefined;
    assert.equal(leased(await rig.lease('gw-1', 'acme', 'github')).provider, 'vault');
    assert.deepEqual(rig.broker.troubles(), {});
  });

  it('that breaks is a fault, and the broker goes on', async () => {
    await using rig = await open();
    rig.vault.make = () => {
      throw new Error('a bug');
    };
    assert.equal(await rig.lease('gw-1', 'acme', 'github'), 'away');
    rig.vault.make = undefined;
    assert.equal(leased(await rig.lease('gw-1', 'acme', 'github')).provider, 'vault');
  });
});

describe('a secret that changes behind the broker', () => {
  it('is noticed at the next look, and holders are told', async () => {
    await using rig = await open();
    await rig.lease('gw-1', 'acme', 'github');
    await rig.clock.advance(10_000);
    assert.deepEqual(rig.revoked, []);
    rig.vault.secrets.set('acme/github', { fields: secret({ token: 'two' }) });
    await rig.clock.advance(10_000);
    await rig.settle();
    assert.deepEqual(rig.revoked, ['rotated acme/github']);
    rig.vault.secrets.delete('acme/github');
    await rig.clock.advance(10_000);
    await rig.settle();
    assert.deepEqual(rig.revoked, ['rotated acme/github', 'revoked acme/github']);
    assert.deepEqual(rig.actions().slice(1), ['rotated * acme/github', 'revoked * acme/github']);
  });

  it('is told to the others when one of them renews', async () => {
    await using rig = await open();
    const lease = leased(await rig.lease('gw-1', 'acme', 'github'));
    rig.vault.secrets.set('acme/github', { fields: secret({ token: 'two' }) });
    assert.deepEqual(leased(await rig.lease('bridge', 'acme', 'github', lease.id)).fields, { token: 'two' });
    await rig.settle();
    assert.deepEqual(rig.revoked, ['rotated acme/github']);
    assert.match(rig.actions().join(), /issued bridge/, 'another secret is no renewal');
  });

  it('cannot be looked at while its place is away, and is not looked at once nobody holds it', async () => {
    await using rig = await open();
    await rig.lease('gw-1', 'acme', 'github');
    rig.vault.fault = { fault: 'away', detail: 'd', retryAfterMs: 0 };
    await rig.clock.advance(10_000);
    assert.deepEqual(rig.revoked, []);
    rig.vault.fault = undefined;
    await rig.clock.advance(60_000);
    const { reads } = rig.vault;
    await rig.clock.advance(60_000);
    assert.equal(rig.vault.reads, reads);
  });

  it('is told even where the bus is away at that moment: it is in the log', async () => {
    await using rig = await open();
    await rig.lease('gw-1', 'acme', 'github');
    assert.equal(rig.broker.unready(), undefined);
    rig.vault.secrets.delete('acme/github');
    rig.hub.setReachable(false);
    assert.equal(rig.broker.unready(), 'the bus is not connected');
    await rig.clock.advance(10_000);
    await rig.settle();
    assert.ok(rig.telemetry.lines.some(({ message }) => message === 'a revocation could not be said'));
    assert.ok(
      rig.telemetry.lines.some(({ message }) => message === 'an audit record stands in the log only'),
    );
    rig.hub.setReachable(true);
  });
});

describe('a secret that is written', () => {
  it('is sealed on its way, is there at once, and its holders are told', async () => {
    await using rig = await open();
    await rig.lease('gw-1', 'acme', 'github');
    const answer = await rig.put('acme', 'github', { token: 'canary-new' });
    assert.ok(answer.outcome === 'written' && answer.provider === 'vault');
    assert.deepEqual(leased(await rig.lease('gw-1', 'acme', 'github')).fields, { token: 'canary-new' });
    await rig.settle();
    assert.deepEqual(rig.revoked, ['rotated acme/github']);
    assert.doesNotMatch(JSON.stringify(rig.heard), /canary/);
    const written = rig.audits().find(({ action }) => action === 'written');
    assert.deepEqual([written?.by, written?.provider, written?.asker], ['ann', 'vault', 'registry']);
  });

  it('and deleted is gone, holders are told, and places that still have one are named', async () => {
    await using rig = await open();
    await rig.lease('gw-1', 'acme', 'github');
    rig.environment.secrets.set('acme/github', { fields: secret({ token: 'env' }) });
    const answer = await rig.remove('acme', 'github');
    assert.ok(answer.outcome === 'written');
    assert.deepEqual([answer.provider, answer.still_in], ['vault', ['environment']]);
    await rig.settle();
    assert.deepEqual(rig.revoked, ['revoked acme/github']);
    const readOnly = await rig.remove('acme', 'github');
    assert.ok(readOnly.outcome === 'refused' && readOnly.why === 'unfit');
    rig.environment.secrets.clear();
    const none = await rig.remove('acme', 'github');
    assert.ok(none.outcome === 'refused' && none.why === 'not_found');
  });

  it('and deleted half way is leased no more, though the deletion has failed', async () => {
    const [vault, file] = ['vault', 'file'].map((name) => new FakeProvider(name, { writes: true }));
    assert.ok(vault && file);
    vault.secrets.set('acme/github', { fields: secret({ token: 'x' }) });
    await using rig = await openBroker([vault, file]);
    await rig.lease('gw-1', 'acme', 'github');
    file.fault = { fault: 'away', detail: 'it cannot be read', retryAfterMs: 0 };
    const answer = await rig.remove('acme', 'github');
    assert.ok(answer.outcome === 'refused' && answer.why === 'away');
    await rig.settle();
    assert.deepEqual(rig.revoked, ['revoked acme/github']);
  });

  it('is refused from whoever may not write, or where the seal is for something else', async () => {
    await using rig = await open();
    const about = { tenant: 'acme', integration: 'github', by: 'ann' };
    const denied = await rig.ask('gw-1', { op: 'delete', ...about, broker: rig.keys.publicKey.x });
    assert.ok(denied.outcome === 'refused' && denied.why === 'denied');
    const moved = await rig.put('acme', 'github', { token: 'x' }, { tenant: 'globex' });
    assert.ok(moved.outcome === 'refused' && moved.why === 'unfit');
    const strange = await rig.ask('registry', {
      op: 'put',
      ...about,
      sealed: await sealTo(rig.keys.publicKey, { any: 'thing' }),
    });
    assert.ok(strange.outcome === 'refused' && strange.why === 'unfit');
  });

  it('is written and deleted by the one broker that was meant, in its present run: caught on the bus it is worth nothing', async () => {
    await using one = await open();
    await using other = await open();
    await one.put('acme', 'github', { token: 'canary-new' });
    await one.remove('acme', 'github');
    // The same keys, the same time; another replica of it, or it after a restart.
    for (const op of ['put', 'delete']) {
      const [caught] = one.captured(op);
      assert.ok(caught !== undefined, op);
      assert.deepEqual(await one.raw(caught), {}, 'here it was answered already');
      const { jws } = (await other.raw(caught)) as { readonly jws: string };
      const answer = await verify('cruvero-credential-answer', 'registry', keyOf('registry'), jws);
      assert.partialDeepStrictEqual(answer, { outcome: 'refused', why: 'unfit' }, op);
    }
    await other.settle();
    assert.deepEqual(leased(await other.lease('gw-1', 'acme', 'github')).fields, { token: canary });
    assert.deepEqual(other.revoked, []);
    assert.deepEqual(other.actions(), ['issued gw-1 acme/github']);
  });

  it('is told to every asker under its own signature, in as many messages as it takes', async () => {
    const many = Array.from({ length: 300 }, (_, n) => [`gw-${n}`, keyText(`gw-${n}`)] as const);
    const claims = {
      ...{ tenant: 'acme', integration: 'github', why: 'revoked' as const },
      ...{ nonce: 'n'.repeat(24), at_ms: 1 },
    };
    const messages = await broadcastsOf(new Map([...many, ['unfit', new SecretText('short')]]), claims);
    const bodies = messages.map((message) => credentialBroadcastSchema.parse(message).to);
    assert.deepEqual(
      bodies.map((to) => Object.keys(to).length),
      [256, 44],
    );
    for (const to of bodies)
      for (const [asker, jws] of Object.entries(to)) {
        assert.deepEqual(await verify('cruvero-credential-revoked', asker, keyOf(asker), jws), claims);
        assert.equal(await verify('cruvero-credential-ask', asker, keyOf(asker), jws), undefined);
      }
  });

  it('is refused where nothing can be written to, or where that is away', async () => {
    await using rig = await open();
    rig.vault.fault = { fault: 'away', detail: 'Vault: it is sealed', retryAfterMs: 2_000 };
    const away = await rig.put('acme', 'github', { token: 'x' });
    assert.ok(away.outcome === 'refused' && away.why === 'away');
    const gone = await rig.remove('acme', 'github');
    assert.ok(gone.outcome === 'refused' && gone.why === 'away');
    rig.vault.fault = undefined;
    delete rig.vault.writing;
    const nowhere = await rig.put('acme', 'github', { token: 'x' });
    assert.ok(nowhere.outcome === 'refused' && nowhere.why === 'unfit');
  });
});

describe('a secret that its store makes', () => {
  function maker() {
    let made = 0;
    const vault = new FakeProvider('vault');
    vault.make = () => {
      made += 1;
      const lease = { id: `lease-${made}`, ttlMs: 100_000, renewable: true };
      return { fields: secret({ username: `u-${made}` }), lease };
    };
    return vault;
  }

  it('is shared, renewed in its second half, and taken back when nobody holds it', async () => {
    const vault = maker();
    await using rig = await openBroker([vault]);
    const one = leased(await rig.lease('gw-1', 'acme', 'db'));
    assert.deepEqual([one.fields, one.ttlMs], [{ username: 'u-1' }, 60_000]);
    assert.deepEqual(leased(await rig.lease('gw-1', 'acme', 'db')).fields, { username: 'u-1' });
    await rig.clock.advance(55_000);
    assert.deepEqual(leased(await rig.lease('gw-1', 'acme', 'db', one.id)).fields, { username: 'u-1' });
    assert.deepEqual(vault.renewed, ['lease-1']);
    await rig.clock.advance(80_000);
    await rig.settle();
    assert.deepEqual(vault.revoked, ['lease-1']);
  });

  it('at the end of its longest life is followed by another, and taken back once nobody can hold it', async () => {
    const vault = maker();
    await using rig = await openBroker([vault]);
    const one = leased(await rig.lease('gw-1', 'acme', 'db'));
    await rig.clock.advance(55_000);
    vault.renewal = { id: 'lease-1', ttlMs: 45_000, renewable: true };
    const two = leased(await rig.lease('gw-1', 'acme', 'db', one.id));
    assert.deepEqual(two.fields, { username: 'u-2' });
    await rig.settle();
    assert.deepEqual(rig.revoked, ['rotated acme/db']);
    assert.deepEqual(vault.revoked, []);
    await rig.clock.advance(20_000);
    await rig.settle();
    assert.deepEqual(vault.revoked, ['lease-1']);
  });

  it('that cannot be renewed is followed by another, and no lease outlives its secret', async () => {
    const vault = maker();
    await using rig = await openBroker([vault]);
    await rig.lease('gw-1', 'acme', 'db');
    await rig.clock.advance(55_000);
    for (const renewal of [{ fault: 'not_found', detail: 'd', retryAfterMs: 0 }] as const)
      vault.renewal = renewal;
    assert.deepEqual(leased(await rig.lease('gw-1', 'acme', 'db')).fields, { username: 'u-2' });
    vault.make = () => ({
      fields: secret({ username: 'short' }),
      lease: { id: 's', ttlMs: 10_000, renewable: false },
    });
    const short = leased(await rig.lease('gw-1', 'globex', 'db'));
    assert.equal(short.ttlMs, 10_000);
    await rig.clock.advance(6_000);
    assert.deepEqual(leased(await rig.lease('gw-1', 'globex', 'db')).fields, { username: 'short' });
  });

  it('and taken back while it is being renewed is not given out, but another', async () => {
    const vault = maker();
    await using rig = await openBroker([vault]);
    await rig.lease('gw-1', 'acme', 'db');
    await rig.clock.advance(56_000);
    const [gate, renewing] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { renew } = vault.leasing;
    vault.leasing.renew = async (...asked) => {
      renewing.resolve();
      await gate.promise;
      return renew(...asked);
    };
    const asking = rig.lease('gw-1', 'acme', 'db');
    await rig.pass(renewing.promise);
    await rig.clock.advance(4_000);
    await rig.pass(new Promise((resolve) => setImmediate(resolve)));
    assert.deepEqual(vault.revoked, ['lease-1']);
    gate.resolve();
    assert.deepEqual(leased(await asking).fields, { username: 'u-2' });
    assert.deepEqual(vault.revoked, ['lease-1']);
  });

  it('is taken back when it is deleted, and at the end of the broker; what cannot be is said', async () => {
    const vault = maker();
    const rig = await openBroker([vault]);
    await rig.lease('gw-1', 'acme', 'db');
    await rig.remove('acme', 'db');
    assert.deepEqual(vault.revoked, ['lease-1']);
    await rig.lease('gw-1', 'acme', 'db');
    const written = await rig.put('acme', 'db', { token: 'x' });
    assert.ok(written.outcome === 'refused');
    vault.fault = { fault: 'away', detail: 'sealed', retryAfterMs: 0 };
    await rig[Symbol.asyncDispose]();
    assert.equal(vault.revoked.length, 2);
    assert.ok(rig.telemetry.lines.some(({ message }) => message === 'a made secret was not taken back'));
  });
});

describe('an ask in the middle of a change', () => {
  it('does not share what was read before the secret was deleted', async () => {
    await using rig = await open();
    const gate = Promise.withResolvers<void>();
    rig.vault.gate = gate.promise;
    const early = rig.lease('gw-1', 'acme', 'github');
    await rig.busyWith(1);
    rig.vault.gate = undefined;
    await rig.remove('acme', 'github');
    assert.equal(await rig.lease('gw-1', 'acme', 'github'), 'not_found');
    gate.resolve();
    // It was read before; its asker has heard of the revocation by then and asks again.
    assert.deepEqual(leased(await early).fields, { token: canary });
  });

  it('is refused beyond what the broker does at once', async () => {
    await using rig = await open({ askers: config.askers });
    const gate = Promise.withResolvers<void>();
    rig.vault.gate = gate.promise;
    const many = Array.from({ length: 520 }, () => rig.lease('gw-1', 'acme', 'github'));
    await rig.busyWith(512, 8);
    gate.resolve();
    const outcomes = await Promise.all(many);
    assert.equal(outcomes.filter((outcome) => outcome === 'busy').length, 8);
  });
});
