/** What a modern feed wants changes: a new stream takes the place of the old one, and nothing is lost or doubled. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault } from '@cruvero/core';
import { settle } from '@cruvero/testkit';
import { error, until, type Act } from './fake-peer.fixture.ts';
import { acknowledged, everything, filterOf, listen, stage, uris } from './feed-modern.fixture.ts';

describe('subscriptions of a modern feed', () => {
  it('open a stream anew with the URI and close the old one a moment later; nothing is lost or doubled', async () => {
    const { link, clock, listens } = stage();
    const { feed, heard, at, gaps } = listen(link, { ...everything, uris: ['a://0'] });
    await listens.nth(0);
    await until(() => at().length === 1);
    listens.acknowledges = false;
    const subscribed = feed.subscribe('a://1', new AbortController());
    const next = await listens.nth(1);
    assert.deepEqual(filterOf(listens.seen(1))['resourceSubscriptions'], ['a://0', 'a://1']);
    listens.update(0, 'a://0');
    await until(() => heard.length === 1);
    next.send(acknowledged(listens.seen(1)));
    assert.deepEqual(await subscribed, { kind: 'result', text: '{}' });
    assert.equal(listens.at(0).aborted, false);
    listens.update(0, 'a://0');
    listens.update(1, 'a://0');
    listens.update(1, 'a://1');
    listens.update(1, 'a://0');
    listens.update(0, 'a://0');
    await until(() => heard.length === 4);
    await clock.advance(250);
    assert.ok(listens.at(0).aborted);
    listens.update(1, 'a://0');
    await until(() => heard.length === 5);
    assert.deepEqual([...uris(heard)].sort(), ['a://0', 'a://0', 'a://0', 'a://0', 'a://1']);
    assert.deepEqual(at(), ['open']);
    assert.equal(gaps(), 0);
    feed.close();
    await until(() => next.aborted);
    assert.equal(clock.pending, 0);
  });

  it('are counted: the last unsubscribe opens a stream without the URI', async () => {
    const { link, clock, listens } = stage();
    const { feed, at } = listen(link);
    await until(() => at().length === 1);
    const abort = new AbortController();
    for (let time = 0; time < 2; time += 1)
      assert.deepEqual(await feed.subscribe('a://1', abort), { kind: 'result', text: '{}' });
    assert.equal(listens.count, 2);
    assert.deepEqual(await feed.unsubscribe('a://1', abort), { kind: 'result', text: '{}' });
    assert.equal(listens.count, 2);
    assert.deepEqual(await feed.unsubscribe('a://1', abort), { kind: 'result', text: '{}' });
    assert.equal(listens.count, 3);
    assert.equal(filterOf(listens.seen(2))['resourceSubscriptions'], undefined);
    assert.deepEqual(await feed.unsubscribe('a://1', abort), { kind: 'result', text: '{}' });
    assert.equal(listens.count, 3);
    assert.deepEqual(await feed.setLogLevel('debug', abort), { kind: 'result', text: '{}' });
    await clock.advance(250);
    assert.deepEqual(
      [0, 1, 2].map((one) => listens.at(one).aborted),
      [true, true, false],
    );
    feed.close();
  });

  it('come one after the other, and more than two streams are never open', async () => {
    const { link, listens } = stage();
    const { feed, at } = listen(link);
    await until(() => at().length === 1);
    const abort = new AbortController();
    const replies = await Promise.all(['a://1', 'a://2', 'a://3'].map((uri) => feed.subscribe(uri, abort)));
    assert.ok(replies.every((reply) => !isFault(reply)));
    assert.deepEqual(filterOf(listens.seen(3))['resourceSubscriptions'], ['a://1', 'a://2', 'a://3']);
    await settle();
    assert.deepEqual(
      [0, 1, 2, 3].map((one) => listens.at(one).aborted),
      [true, true, false, false],
    );
    feed.close();
  });

  it('that the server does not honour are refused, and the stream that was open stays', async () => {
    const { link, listens } = stage();
    const { feed, heard, at } = listen(link);
    await until(() => at().length === 1);
    listens.acknowledges = false;
    const subscribed = feed.subscribe('a://1', new AbortController());
    (await listens.nth(1)).send(acknowledged(listens.seen(1), { toolsListChanged: true }));
    assert.partialDeepStrictEqual(await subscribed, { kind: 'error', code: -32602 });
    await until(() => listens.at(1).aborted);
    assert.equal(listens.at(0).aborted, false);
    listens.say(0, 'notifications/tools/list_changed');
    await until(() => heard.length === 1);
    feed.close();
  });

  it('that fail are told so, and the stream that was open stays', async () => {
    const acts: (Act | undefined)[] = [undefined, { fault: 'unreachable', detail: 'no', neverLeft: true }];
    const { link, listens } = stage((seen) =>
      acts.length > 0 ? acts.shift() : error(seen, -32602, 'Too many', 400),
    );
    const { feed, at } = listen(link, { ...everything, uris: ['a://0'] });
    await until(() => at().length === 1);
    const abort = new AbortController();
    assert.partialDeepStrictEqual(await feed.subscribe('a://1', abort), { fault: 'upstream_unavailable' });
    assert.partialDeepStrictEqual(await feed.subscribe('a://1', abort), { kind: 'error', code: -32602 });
    acts.push({ fault: 'unreachable', detail: 'no', neverLeft: true });
    assert.partialDeepStrictEqual(await feed.unsubscribe('a://0', abort), { fault: 'upstream_unavailable' });
    assert.equal(listens.at(0).aborted, false);
    feed.close();
  });

  it('are taken back by a caller that gives up', async () => {
    const { link, peer, listens } = stage();
    const { feed, at } = listen(link);
    await until(() => at().length === 1);
    listens.acknowledges = false;
    const [one, two] = [new AbortController(), new AbortController()];
    const first = feed.subscribe('a://1', one);
    const second = feed.subscribe('a://2', two);
    await listens.nth(1);
    two.abort();
    one.abort();
    assert.deepEqual(await first, { fault: 'cancelled' });
    assert.deepEqual(await second, { fault: 'cancelled' });
    await until(() => listens.at(1).aborted);
    listens.acknowledges = true;
    await feed.subscribe('a://3', new AbortController());
    assert.deepEqual(filterOf(listens.seen(2))['resourceSubscriptions'], ['a://3']);
    assert.equal(peer.count('subscriptions/listen'), 3);
    feed.close();
  });

  it('of a feed that waits open it at once, and are there again after it was lost', async () => {
    const { link, clock, listens } = stage();
    const { feed, at, gaps } = listen(link);
    await until(() => at().length === 1);
    listens.at(0).fail('the socket was reset');
    await until(() => at().at(-1) === 'waiting');
    assert.deepEqual(await feed.subscribe('a://1', new AbortController()), { kind: 'result', text: '{}' });
    await until(() => gaps() === 1);
    assert.deepEqual(at(), ['open', 'waiting', 'open']);
    assert.equal(listens.count, 2);
    assert.equal(clock.pending, 0);
    listens.at(1).fail('the socket was reset');
    await settle();
    await clock.advance(1_000);
    await listens.nth(2);
    assert.deepEqual(filterOf(listens.seen(2))['resourceSubscriptions'], ['a://1']);
    feed.close();
  });

  it('of a feed that is lost meanwhile are made once it is there again', async () => {
    const { link, listens } = stage();
    const { feed, at, gaps } = listen(link);
    await until(() => at().length === 1);
    listens.acknowledges = false;
    const subscribed = feed.subscribe('a://1', new AbortController());
    const next = await listens.nth(1);
    listens.at(0).fail('the socket was reset');
    await until(() => at().at(-1) === 'waiting');
    listens.acknowledges = true;
    next.send(acknowledged(listens.seen(1)));
    assert.deepEqual(await subscribed, { kind: 'result', text: '{}' });
    await until(() => gaps() === 1);
    assert.equal(listens.count, 3);
    assert.ok(listens.at(1).aborted);
    feed.close();
  });

  it('of a feed that waits may be taken back without a word to the server', async () => {
    const { link, clock, listens } = stage();
    const { feed, at } = listen(link, { ...everything, uris: ['a://1'] });
    await until(() => at().length === 1);
    listens.at(0).fail('the socket was reset');
    await until(() => at().at(-1) === 'waiting');
    assert.deepEqual(await feed.unsubscribe('a://1', new AbortController()), { kind: 'result', text: '{}' });
    await settle();
    await clock.advance(375);
    await listens.nth(1);
    assert.equal(filterOf(listens.seen(1))['resourceSubscriptions'], undefined);
    feed.close();
  });
});
