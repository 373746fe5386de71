/** Nothing leaves without its credential, and a server that refuses one is shown the next. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SecretText, type CredentialUse, type Integration, type TenantId } from '@cruvero/core';
import {
  isUpstreamFault,
  type CredentialFault,
  type CredentialLease,
  type UpstreamRequest,
  type UpstreamResponse,
} from '@cruvero/ports';
import { credentialed } from './credentialed.ts';

const acme = 'acme' as TenantId;
const use: CredentialUse = { secretRef: 'github' as Integration, scheme: 'bearer', field: 'token' };
const leaseOf = (id: string, fields: Readonly<Record<string, string>> = { token: id }): CredentialLease => ({
  leaseId: id,
  provider: 'vault',
  fields: new Map(Object.entries(fields).map(([name, text]) => [name, new SecretText(text)])),
});
const away: CredentialFault = { fault: 'away', detail: 'sealed', retryAfterMs: 1 };

function stage(answers: (request: UpstreamRequest) => UpstreamResponse) {
  const sent: UpstreamRequest[] = [];
  const state = {
    held: undefined as CredentialLease | undefined,
    leased: leaseOf('one') as CredentialLease | CredentialFault,
    next: leaseOf('two') as CredentialLease | CredentialFault,
    gone: new AbortController(),
    asked: 0,
  };
  const below = {
    exchange: async (request: UpstreamRequest) => {
      sent.push(request);
      return answers(request);
    },
    [Symbol.asyncDispose]: async () => assert.fail('it has an owner'),
  };
  const upstreams = credentialed(
    { http: below, inproc: below },
    {
      tenantId: acme,
      use,
      credentials: {
        held: () => state.held,
        lease: async () => {
          state.asked += 1;
          return state.leased;
        },
        refused: async () => state.next,
      },
      gone: () => state.gone.signal,
    },
  );
  const send = (more: Partial<UpstreamRequest> = {}) =>
    upstreams.http?.exchange({
      httpMethod: 'POST',
      endpoint: 'http://s.test/mcp',
      headers: { accept: 'a' },
      body: '{}',
      signal: new AbortController().signal,
      timeoutMs: 1,
      bytesMax: 1,
      ...more,
    }) ?? assert.fail();
  return { sent, state, upstreams, send };
}

const text = (status: number): UpstreamResponse => ({
  status,
  headers: {},
  body: { kind: 'text', text: '' },
});
const shown = (request: UpstreamRequest | undefined): string | undefined => request?.headers['authorization'];

describe('an exchange with a server that wants a credential', () => {
  it('carries what is held, or what is asked for where nothing is', async () => {
    const { sent, state, send } = stage(() => text(200));
    await send();
    state.held = leaseOf('held');
    await send();
    await send();
    assert.deepEqual(sent.map(shown), ['Bearer one', 'Bearer held', 'Bearer held']);
    assert.deepEqual([sent[0]?.headers['accept'], state.asked], ['a', 1]);
  });

  it('does not leave where there is none, or none that fits', async () => {
    const { sent, state, send } = stage(() => text(200));
    state.leased = away;
    const none = await send();
    assert.ok(isUpstreamFault(none) && none.neverLeft && /sealed/.test(none.detail));
    state.leased = leaseOf('x', { other: 'canary-7f3a' });
    const unfit = await send();
    assert.ok(isUpstreamFault(unfit) && unfit.neverLeft);
    assert.doesNotMatch(unfit.detail, /canary/);
    assert.equal(sent.length, 0);
  });

  it('that is refused is made once more, if there is another credential by now', async () => {
    const { sent, state, send } = stage((request) => text(shown(request) === 'Bearer two' ? 200 : 401));
    assert.partialDeepStrictEqual(await send(), { status: 200 });
    assert.deepEqual(sent.map(shown), ['Bearer one', 'Bearer two']);
    for (const next of [away, leaseOf('one')]) {
      sent.length = 0;
      state.next = next;
      assert.partialDeepStrictEqual(await send(), { status: 401 });
      assert.equal(sent.length, 1);
    }
  });

  it('is not made once more where the refusal is a stream, or there was no answer', async () => {
    const chunks = (async function* () {})();
    const streamed = stage(() => ({ status: 401, headers: {}, body: { kind: 'stream', chunks } }));
    await streamed.send();
    assert.equal(streamed.sent.length, 1);
  });

  it('over a stream that lasts ends when the credential is revoked; a call does not', async () => {
    const { sent, state, send } = stage(() => text(200));
    await send({ httpMethod: 'GET' });
    await send({ headers: { 'mcp-method': 'subscriptions/listen' } });
    await send();
    state.gone.abort();
    assert.deepEqual(
      sent.map(({ signal }) => signal.aborted),
      [true, true, false],
    );
  });

  it('within this process is left as it is, and so are ways that are not there', async () => {
    const { upstreams } = stage(() => text(200));
    assert.equal(upstreams.sse, undefined);
    const plain = await upstreams.inproc?.exchange({
      httpMethod: 'POST',
      endpoint: 'inproc://a/b',
      headers: {},
      signal: new AbortController().signal,
      timeoutMs: 1,
      bytesMax: 1,
    });
    assert.partialDeepStrictEqual(plain, { status: 200 });
    await upstreams.http?.[Symbol.asyncDispose]();
  });
});
