/** Event streams: never held back, and kept alive from their first moment. */

import assert from 'node:assert/strict';
import { assertTagged, type Check, type Group } from '../check.ts';
import type { Incoming } from '../client/incoming.ts';
import { serverKinds } from '../target.ts';

/** What edges on the way must know of a stream, and that something came at once. */
async function assertStream(stream: Incoming): Promise<void> {
  assert.ok(stream.isStream, `Content-Type ${stream.header('content-type') ?? 'is not there'}`);
  assert.equal(stream.header('x-accel-buffering'), 'no');
  assert.equal(stream.header('content-encoding'), undefined, 'a packed stream is held back');
  assert.match(stream.header('cache-control') ?? '', /no-(?:store|cache|transform)/);
}

const comment = (stream: Incoming): Promise<true> =>
  stream.until('a comment at once', () => /^:/m.test(stream.text), 1_000);

const unbuffered: readonly Check[] = serverKinds.map((kind) => ({
  name: `the first event of a call to ${kind} comes while it still runs, for callers of both eras`,
  needs: [kind],
  run: async (scene) => {
    const client = await scene.legacy(scene.door(kind));
    const streams = [
      await scene.callOpen(kind, 'wait', {}, { progressToken: 'p' }),
      await client.start('tools/call', scene.toolParams('wait'), { progressToken: 'p' }),
    ];
    for (const stream of streams) {
      await stream.told('notifications/progress');
      await assertStream(stream);
      await comment(stream);
    }
    assert.ok(scene.hearing.of(scene.tag).every(({ end }) => end === 'running'));
    scene.upstream.world(kind).release(scene.tag);
    for (const stream of streams)
      assertTagged({ status: stream.status, message: await stream.final() }, scene.tag);
  },
}));

const listening: readonly Check[] = [
  {
    name: 'a subscription is a stream with a comment at once',
    needs: ['modern'],
    run: async (scene) => {
      const stream = await scene.modernOpen(scene.door('modern'), 'subscriptions/listen', {
        notifications: { toolsListChanged: true },
      });
      await assertStream(stream);
      await comment(stream);
      stream.close();
    },
  },
  {
    name: "a session's stream is a stream with a comment at once",
    needs: ['modern'],
    run: async (scene) => {
      const client = await scene.legacy(scene.door('modern'));
      const stream = await client.listen();
      await assertStream(stream);
      await comment(stream);
      stream.close();
    },
  },
];

export const streamChecks: Group = { title: 'streams', checks: [...unbuffered, ...listening] };
