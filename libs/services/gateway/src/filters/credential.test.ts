/** A call goes on with its credential at hand, or ends with the reason why there is none. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SecretText, type CredentialUse, type Fault, type Integration, type Reply } from '@cruvero/core';
import type { CredentialChange, CredentialFault, CredentialLease, UpstreamRequest } from '@cruvero/ports';
import { defaultBounds } from '@cruvero/upstream';
import { SimClock } from '@cruvero/testkit';
import { done, instance, routed, server } from '../calls.fixture.ts';
import { Links } from '../links.ts';
import { credentialFilter } from './credential.ts';
import { stateKey } from './balance.ts';

const use: CredentialUse = { secretRef: 'github' as Integration, scheme: 'bearer', field: 'token' };
const guarded = server('github', { credential: use });
const lease = (fields: Readonly<Record<string, string>> = { token: 't' }): CredentialLease => ({
  leaseId: 'l',
  provider: 'vault',
  fields: new Map(Object.entries(fields).map(([name, text]) => [name, new SecretText(text)])),
});
const sealed: CredentialFault = { fault: 'away', detail: 'Vault: it is sealed', retryAfterMs: 2_000 };

function stage(held: CredentialLease | undefined, asked: Promise<CredentialLease | CredentialFault>) {
  const state = { forwarded: 0, asks: 0 };
  const filter = credentialFilter({
    held: () => held,
    lease: () => {
      state.asks += 1;
      return asked;
    },
  });
  const next = filter(async () => {
    state.forwarded += 1;
    return done;
  });
  return { state, next };
}

describe('the credential filter', () => {
  it('lets a call of a server without one through, and asks nobody', async () => {
    const { state, next } = stage(undefined, Promise.resolve(sealed));
    assert.equal(await next(routed(), instance()), done);
    const child = instance('c', { transport: 'inproc', endpoint: 'inproc://a/b' });
    assert.equal(await next(routed({ server: guarded }), child), done);
    assert.deepEqual(state, { forwarded: 2, asks: 0 });
  });

  it('goes on with what is held, or with what is asked for', async () => {
    const held = stage(lease(), Promise.resolve(sealed));
    assert.equal(await held.next(routed({ server: guarded }), instance()), done);
    assert.deepEqual(held.state, { forwarded: 1, asks: 0 });
    const asked = stage(undefined, Promise.resolve(lease()));
    assert.equal(await asked.next(routed({ server: guarded }), instance()), done);
    assert.deepEqual(asked.state, { forwarded: 1, asks: 1 });
  });

  it('ends the call where there is none, or none that fits', async () => {
    const expected: readonly (readonly [ReturnType<typeof stage>, Partial<Fault>])[] = [
      [
        stage(undefined, Promise.resolve(sealed)),
        { why: 'away', detail: 'Vault: it is sealed', retryAfterMs: 2_000 },
      ],
      [stage(undefined, Promise.resolve(lease({}))), { why: 'unfit' }],
      [stage(lease({ token: 'canary\n' }), Promise.resolve(sealed)), { why: 'unfit' }],
    ];
    for (const [{ state, next }, fault] of expected) {
      const outcome: Reply | Fault = await next(routed({ server: guarded }), instance());
      assert.partialDeepStrictEqual(outcome, { fault: 'credential_unavailable', server: 'github', ...fault });
      assert.doesNotMatch(JSON.stringify(outcome), /canary/);
      assert.equal(state.forwarded, 0);
    }
    const none = credentialFilter(undefined)(async () => done);
    assert.partialDeepStrictEqual(await none(routed({ server: guarded }), instance()), { why: 'away' });
  });

  it('waits no longer than its caller', async () => {
    const never = new Promise<CredentialFault>(() => undefined);
    for (const before of [true, false]) {
      const { next, state } = stage(undefined, never);
      const call = routed({ server: guarded });
      if (before) call.abort.abort();
      const waiting = next(call, instance());
      call.abort.abort();
      assert.deepEqual(await waiting, { fault: 'cancelled' });
      assert.equal(state.forwarded, 0);
    }
  });
});

describe('the links to a server with a credential', () => {
  function linked(withCredentials: boolean) {
    const sent: UpstreamRequest[] = [];
    const listeners: ((change: CredentialChange) => void)[] = [];
    const http = {
      exchange: async (request: UpstreamRequest) => {
        sent.push(request);
        return { status: 500, headers: {}, body: { kind: 'text', text: '' } } as const;
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
    const credentials = {
      held: () => lease(),
      lease: async () => lease(),
      refused: async () => sealed,
      keep: () => ({ [Symbol.dispose]: () => undefined }),
      onChange: (listener: (change: CredentialChange) => void) => {
        listeners.push(listener);
        return { close: async () => undefined };
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
    const ports = { upstreams: { http }, clock: new SimClock(), random: () => 0.5, clientInfo: {} };
    const links = new Links(defaultBounds, ports, ...(withCredentials ? [credentials] : []));
    const tell = (change: CredentialChange): void => {
      for (const listener of listeners) listener(change);
    };
    return { links, sent, tell };
  }

  it('carry it, and those to others do not', async () => {
    const { links, sent, tell } = linked(true);
    await links.of(guarded, instance()).face();
    await links.of(server('plain'), instance()).face();
    assert.deepEqual(
      [sent[0]?.headers['authorization'], sent.at(-1)?.headers['authorization']],
      ['Bearer t', undefined],
    );
    const { tenantId } = guarded;
    const integration = use.secretRef;
    for (const change of ['other', 'gone', 'gone'] as const) tell({ tenantId, integration, change });
    await links.close();
  });

  it('reach nobody where there is no broker', async () => {
    const { links, sent } = linked(false);
    assert.partialDeepStrictEqual(await links.of(guarded, instance()).face(), {
      fault: 'upstream_unavailable',
    });
    assert.equal(sent.length, 0);
  });

  it('are other ones for another credential', () => {
    const keys = [guarded, server('github'), server('github', { credential: { ...use, field: 'other' } })];
    assert.equal(new Set(keys.map((one) => stateKey(one, instance()))).size, 3);
  });
});
