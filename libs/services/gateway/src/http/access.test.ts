/** What a key may do holds for everything that it reaches: streams that are open, methods of a session, lists that are odd. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '@cruvero/chassis';
import { defaultProfile, isJsonObject, type JsonObject, type PolicyProfile } from '@cruvero/core';
import type { Clock } from '@cruvero/ports';
import { probeSse, startLegacyServer, startModernServer, type SseProbe } from '@cruvero/testkit';
import { offeredHere } from '../catalog/server-door.ts';
import { doorOf, routed } from '../calls.fixture.ts';
import { Client } from '../client.fixture.ts';
import { authPayload, keys, profileRow, stage } from '../gateway.fixture.ts';

/** Streams beat often, so that no test waits. */
const quick: Clock = {
  nowMs: () => systemClock.nowMs(),
  monotonicMs: () => systemClock.monotonicMs(),
  after: (delayMs, run) => systemClock.after(delayMs, run),
  every: (periodMs, run) => systemClock.every(Math.min(periodMs, 20), run),
};

const without = (principal: string): JsonObject => {
  const auth = authPayload(2);
  const kept = Array.isArray(auth['keys']) ? auth['keys'] : [];
  return { ...auth, keys: kept.filter((key) => !isJsonObject(key) || key['principal'] !== principal) };
};

/** Rejects where it does not end in time. */
async function untilEnd(stream: SseProbe): Promise<void> {
  while ((await stream.next()) !== undefined);
}

describe('the streams of a key that is withdrawn', () => {
  it('end, whatever carries them, and nobody else’s do', async () => {
    await using server = await startModernServer();
    await using gateway = await stage({ servers: [{ name: 'files', endpoint: server.url }], clock: quick });
    const open = async (key: string) => {
      const legacy = await new Client('legacy', `${gateway.url}/mcp`, key).open();
      const modern = await new Client('modern', `${gateway.url}/mcp`, key).open();
      const sse = probeSse(`${gateway.url}/sse`, { headers: [['authorization', `Bearer ${key}`]] });
      return Promise.all([legacy.listen(), modern.listen(), sse]);
    };
    const [bobs, alices] = [await open(keys.bob), await open(keys.alice)];
    await gateway.configure('auth', without('bob'));
    for (const stream of bobs) await untilEnd(stream);
    await gateway.fleet([]);
    for (const stream of alices.slice(0, 2)) {
      const told = async (): Promise<boolean> => {
        const event = await stream.next();
        return event === undefined ? assert.fail('it ended') : event.data.includes('list_changed');
      };
      while (!(await told()));
    }
    for (const stream of alices) stream.close();
  });
});

describe('methods of a session', () => {
  it('count as calls', async () => {
    await using server = await startLegacyServer();
    const slow = profileRow('strict', { rate_limit: 0.001, rate_burst: 3 });
    await using gateway = await stage({
      servers: [{ name: 'files', endpoint: server.url }],
      profiles: [profileRow(), slow],
    });
    const client = await new Client('legacy', `${gateway.url}/servers/files/mcp`, keys.strict).open();
    const uri = 'fixture://notes/welcome';
    const level = await client.call('logging/setLevel', { level: 'debug' });
    assert.equal(level.error, undefined);
    await client.call('resources/subscribe', { uri });
    await client.call('resources/unsubscribe', { uri });
    for (const [method, params] of [
      ['logging/setLevel', { level: 'info' }],
      ['resources/subscribe', { uri }],
      ['resources/unsubscribe', { uri }],
    ] as const)
      assert.equal((await client.call(method, params)).error?.code, -31029, method);
  });
});

describe('what a client declares', () => {
  it('is refused where its session could not be used', async () => {
    await using gateway = await stage();
    const open = (letters: number) =>
      new Client('legacy', `${gateway.url}/mcp`, keys.bob, {
        experimental: { x: '漢'.repeat(letters) },
      }).open();
    const fits = await open(1_300);
    assert.equal((await fits.call('ping')).status, 200);
    assert.equal((await open(4_000)).session, undefined);
  });
});

describe('a list of tools that is odd', () => {
  const denied: PolicyProfile = { ...defaultProfile, toolDenylist: ['mcp.files.secret'] };
  const shown = (text: string, profile: PolicyProfile = denied): string =>
    offeredHere(routed({ door: doorOf('files'), method: 'tools/list', profile }), 'legacy', text);

  for (const [what, text] of [
    ['holds an item that is odd', '{"tools":[{"name":"secret","name":"secret"},{"name":"read"}]}'],
    ['is there twice', '{"tools":[{"name":"secret"}],"tools":[{"name":"secret"}]}'],
  ] as const) {
    it(`because it ${what} shows nothing that is denied`, () => {
      assert.doesNotMatch(shown(text), /secret/);
      assert.equal(shown(text, defaultProfile), text, 'everybody else sees it to the letter');
    });
  }
});
