/** What a legacy feed loses, a stream or a whole session, it has again; and what a server never had is told once. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault } from '@cruvero/core';
import { settle } from '@cruvero/testkit';
import { answer, FakeStreams, legacyScript, scene, termsOf, text, until } from './fake-peer.fixture.ts';
import { alice, changed, everything, listen, paramsOf, stage, updated } from './feed-legacy.fixture.ts';

describe('a legacy feed whose stream breaks', () => {
  it('opens it again and says that something may have been missed', async () => {
    const { link, clock, gets } = stage();
    const { feed, states, gaps } = listen(link);
    (await gets.nth(0)).fail('the socket was reset');
    await until(() => states.length === 2);
    await clock.advance(375);
    await gets.nth(1);
    await until(() => gaps() === 1);
    assert.deepEqual(states, ['open', 'waiting', 'open']);
    feed.close();
  });

  it('says nothing of the kind where the server goes on behind its last event', async () => {
    const { link, clock, gets } = stage();
    const { feed, heard, states, gaps } = listen(link);
    const ear = await gets.nth(0);
    ear.push(`id: 1\nretry: 700\ndata: ${JSON.stringify(changed('tools'))}\n\n`);
    await until(() => heard.length === 1);
    ear.end();
    await settle();
    await clock.advance(700);
    (await gets.nth(1)).send(changed('tools'));
    await until(() => heard.length === 2);
    assert.equal(gets.seen(1).request.headers['last-event-id'], '1');
    assert.deepEqual(states, ['open', 'waiting', 'open']);
    assert.equal(gaps(), 0);
    feed.close();
  });

  it('waits longer each time, and not in step with others', async () => {
    const { link, peer, clock } = stage(undefined, () => text(503, ''));
    const { feed, states } = listen(link);
    await until(() => states.length === 1);
    const delays: number[] = [];
    let atMs = clock.monotonicMs();
    for (let tries = 2; tries <= 10; tries += 1) {
      while (peer.count('GET') < tries) await clock.advance(125);
      delays.push(clock.monotonicMs() - atMs);
      atMs = clock.monotonicMs();
    }
    assert.deepEqual(delays, [375, 750, 1_500, 3_000, 6_000, 12_000, 22_500, 22_500, 22_500]);
    feed.close();
    await settle();
    assert.equal(clock.pending, 0);
  });

  it('says that it waits where the server does not begin to answer, and waits on', async () => {
    const { link, peer, clock } = stage(undefined, () => 'silence', { timeoutMs: 1_000 });
    const { feed, states, faults } = listen(link);
    await until(() => peer.count('GET') === 1);
    await clock.advance(1_000);
    assert.deepEqual(states, ['waiting']);
    assert.partialDeepStrictEqual(faults[0], { fault: { fault: 'upstream_timeout', timeoutMs: 1_000 } });
    await clock.advance(60_000);
    assert.equal(peer.count('GET'), 1);
    feed.close();
    await settle();
    assert.equal(clock.pending, 0);
  });
});

describe('a legacy feed whose session is lost', () => {
  it('gets another one, subscribes again and says that something may have been missed', async () => {
    const { link, peer, clock, gets, script } = stage(
      undefined,
      undefined,
      {},
      { logging: {}, resources: {} },
    );
    const { feed, heard, states, gaps } = listen(link, alice, { ...everything, uris: ['a://1'] });
    const ear = await gets.nth(0);
    await feed.subscribe('a://2', new AbortController());
    await feed.setLogLevel('debug', new AbortController());
    script.forget();
    ear.fail('the socket was reset');
    await until(() => states.at(-1) === 'waiting');
    await clock.advance(1_000);
    const next = await gets.nth(1);
    const { session } = gets.seen(1);
    assert.notEqual(session, gets.seen(0).session);
    await until(() => gaps() === 1);
    assert.deepEqual(paramsOf(peer, 'resources/subscribe').slice(-2), [
      [session, { uri: 'a://1' }],
      [session, { uri: 'a://2' }],
    ]);
    assert.deepEqual(paramsOf(peer, 'logging/setLevel').at(-1), [session, { level: 'debug' }]);
    next.send(updated('a://1'));
    await until(() => heard.length === 1);
    feed.close();
  });

  it('is told so also where a call finds it out', async () => {
    const { link, clock, gets, script, ask } = stage();
    const { feed, gaps } = listen(link);
    const ear = await gets.nth(0);
    script.forget();
    assert.ok(!isFault(await ask({ terms: alice })));
    await until(() => ear.aborted);
    await clock.advance(1_000);
    await gets.nth(1);
    await until(() => gaps() === 1);
    feed.close();
  });

  it('has it back after the link was reset, and after it asked for the face anew', async () => {
    for (const terms of [alice, termsOf('link')]) {
      const { link, clock, gets } = stage();
      const { feed, gaps } = listen(link, terms);
      await gets.nth(0);
      await (terms === alice ? link.reset() : link.reask());
      await until(() => gets.at(0).aborted);
      await clock.advance(1_000);
      await gets.nth(1);
      await until(() => gaps() === 1);
      feed.close();
    }
  });

  it('waits as long as there is no server', async () => {
    const legacy = legacyScript();
    let down = true;
    const { link, peer, clock } = scene((seen) =>
      down ? { fault: 'unreachable', detail: 'refused', neverLeft: true } : legacy(seen),
    );
    const { feed, states, faults } = listen(link);
    await until(() => states.length === 1);
    assert.partialDeepStrictEqual(faults[0], { at: 'waiting', fault: { fault: 'upstream_unavailable' } });
    assert.partialDeepStrictEqual(await feed.subscribe('a://1', new AbortController()), {
      fault: 'upstream_unavailable',
    });
    down = false;
    await clock.advance(375);
    await until(() => peer.count('GET') === 1);
    await until(() => states.at(-1) === 'unsupported');
    feed.close();
  });

  it('waits as long as no session is to be had', async () => {
    const legacy = legacyScript();
    let refuse = false;
    const { link, clock } = scene((seen) =>
      refuse && seen.method === 'initialize' ? text(503, '') : legacy(seen),
    );
    await link.face();
    refuse = true;
    const { feed, states } = listen(link);
    await until(() => states.length === 1);
    assert.deepEqual(states, ['waiting']);
    refuse = false;
    await clock.advance(375);
    await until(() => states.at(-1) === 'unsupported');
    feed.close();
  });
});

describe('a legacy server without a GET stream', () => {
  it('is told to be so, once; subscriptions are made all the same', async () => {
    const { link, peer, clock } = stage(undefined, () => text(405, ''));
    const { feed, states } = listen(link);
    await until(() => states.length === 1);
    const second = listen(link);
    await until(() => second.states.length === 1);
    assert.deepEqual([...states, ...second.states], ['unsupported', 'unsupported']);
    assert.ok(!isFault(await feed.subscribe('a://1', new AbortController())));
    await clock.advance(60_000);
    assert.equal(peer.count('GET'), 1);
    feed.close();
    second.feed.close();
    await settle();
    assert.equal(clock.pending, 0);
  });

  it('that answers 404 is asked whether it knows the session before it is believed', async () => {
    const { link, peer } = stage(undefined, () => text(404, ''));
    const { feed, states } = listen(link);
    await until(() => states.length === 1);
    assert.deepEqual(states, ['unsupported']);
    assert.equal(peer.count('ping'), 1);
    feed.close();
  });

  it('and which cannot be asked is tried again', async () => {
    let outage = true;
    const gets = new FakeStreams();
    const { link, clock } = stage(
      (seen) =>
        outage && seen.method === 'ping'
          ? { fault: 'broken', detail: 'x', neverLeft: false }
          : answer(seen, {}),
      (seen) => (outage ? text(400, '') : gets.script(seen)),
    );
    const { feed, states } = listen(link);
    await until(() => states.at(-1) === 'waiting');
    outage = false;
    await clock.advance(375);
    await gets.nth(0);
    await until(() => states.at(-1) === 'open');
    feed.close();
  });

  it('for an event that it has forgotten is asked for the stream as it is now', async () => {
    const gets = new FakeStreams();
    const { link, clock } = stage(undefined, (seen) =>
      seen.request.headers['last-event-id'] === undefined ? gets.script(seen) : text(400, 'unknown event'),
    );
    const { feed, states, gaps } = listen(link);
    (await gets.nth(0)).push('id: 1\ndata:\n\n');
    await settle();
    gets.at(0).end();
    await settle();
    await clock.advance(375 + 750);
    await gets.nth(1);
    await until(() => gaps() === 1);
    assert.equal(states.at(-1), 'open');
    feed.close();
  });
});

describe('a link that is closed', () => {
  it('closes its feeds and ends their sessions; it opens no more', async () => {
    const { link, peer, clock, gets } = stage();
    const { states } = listen(link);
    const ear = await gets.nth(0);
    await link.close();
    await until(() => ear.aborted);
    await until(() => peer.count('DELETE') === 2);
    assert.equal(link.sessionCount, 0);
    const late = listen(link);
    await settle();
    assert.deepEqual([...states, ...late.states], ['open']);
    assert.equal(clock.pending, 0);
    assert.equal(peer.count('GET'), 1);
  });

  it('ends a feed in each of its beginnings', async () => {
    for (const method of [
      'server/discover',
      'initialize',
      'notifications/initialized',
      'resources/subscribe',
    ]) {
      const gate = Promise.withResolvers<void>();
      const legacy = legacyScript((seen) => answer(seen, {}));
      const { link, peer, clock } = scene(async (seen) => {
        if (seen.method === method) await gate.promise;
        return legacy(seen);
      });
      const { feed, states } = listen(link, alice, { ...everything, uris: ['a://1'] });
      await until(() => peer.count(method) > 0);
      feed.close();
      gate.resolve();
      await settle(20);
      assert.deepEqual(states, [], method);
      assert.equal(peer.count('GET'), 0);
      await link.close();
      await settle();
      assert.equal(link.sessionCount, 0);
      assert.equal(clock.pending, 0);
    }
  });
});
