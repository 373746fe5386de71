/** Whoever goes away is told of at the server, as each era says it; and a lost connection of a legacy client is not an end. */

import assert from 'node:assert/strict';
import { setTimeout as rest } from 'node:timers/promises';
import type { Check, Group } from '../check.ts';
import { resultOf } from '../check.ts';
import { modernRequest } from '../client/modern.ts';
import { serverKinds, type ServerKind } from '../target.ts';

/** How a server learns that a request is over: over HTTP a modern one by its closed connection, all others by a message. */
const endAt = (kind: ServerKind) => (kind === 'modern' ? 'gone' : 'cancelled');

const modernLeaves = (kind: ServerKind): Check => ({
  name: `a modern caller that closes its connection ends its call at ${kind}`,
  needs: [kind],
  run: async (scene) => {
    const incoming = await scene.callOpen(kind, 'wait', {}, { progressToken: 'p' });
    await incoming.told('notifications/progress');
    incoming.close();
    await scene.hearing.untilEnd(scene.tag, [endAt(kind)]);
  },
});

/** Nothing was sent back yet: the caller goes away while it still waits for a head. */
const modernLeavesEarly = (kind: ServerKind): Check => ({
  name: `a modern caller that goes away before anything came ends its call at ${kind}`,
  needs: [kind],
  run: async (scene) => {
    const {
      url,
      headers,
      body = '',
    } = modernRequest(scene.door(kind), 'tools/call', scene.toolParams('wait'), {
      credentials: scene.owner,
    });
    const abort = new AbortController();
    const sent = fetch(url, { method: 'POST', headers, body, signal: abort.signal }).catch(() => undefined);
    await scene.hearing.first(scene.tag);
    abort.abort();
    await sent;
    await scene.hearing.untilEnd(scene.tag, [endAt(kind)]);
  },
});

const legacyCancels = (kind: ServerKind, replica: number): Check => ({
  name: `notifications/cancelled of a legacy client${replica === 0 ? '' : ' at another replica'} ends its call at ${kind}`,
  needs: replica === 0 ? [kind] : [kind, 'second replica'],
  run: async (scene) => {
    const client = await scene.legacy(scene.door(kind));
    const incoming = await client.start('tools/call', scene.toolParams('wait'), {
      id: 'mine',
      progressToken: 7,
    });
    await incoming.told('notifications/progress');
    await client.notify(
      'notifications/cancelled',
      { requestId: 'mine', reason: 'enough' },
      scene.door(kind, replica),
    );
    await scene.hearing.untilEnd(scene.tag, [endAt(kind)]);
    incoming.close();
  },
});

/** Long enough for a cancellation to come, had there been one. */
const silenceMs = 250;

const legacyLoses = (kind: ServerKind): Check => ({
  name: `a legacy client that loses its connection ends nothing at ${kind}`,
  needs: [kind],
  waits: true,
  run: async (scene) => {
    const client = await scene.legacy(scene.door(kind));
    const incoming = await client.start('tools/call', scene.toolParams('wait'), { progressToken: 7 });
    await incoming.told('notifications/progress');
    incoming.close();
    resultOf(await client.ask('ping'));
    await rest(silenceMs);
    const heard = await scene.hearing.first(scene.tag);
    assert.equal(heard.end, 'running');
    scene.upstream.world(kind).release(scene.tag);
    await scene.hearing.untilEnd(scene.tag, ['answered']);
  },
});

const listenEnds = (kind: ServerKind): Check => ({
  name: `a listener that goes away takes no other listener of ${kind} with it`,
  needs: [kind],
  run: async (scene) => {
    const wanted = { notifications: { toolsListChanged: true } };
    const open = () => scene.modernOpen(scene.door(kind), 'subscriptions/listen', wanted, { id: scene.tag });
    const [first, second] = [await open(), await open()];
    for (const stream of [first, second]) await stream.told('notifications/subscriptions/acknowledged');
    first.close();
    scene.upstream.world(kind).change('tools');
    await second.told('notifications/tools/list_changed');
    second.close();
  },
});

export const disconnectChecks: Group = {
  title: 'going away',
  checks: serverKinds.flatMap((kind) => [
    modernLeaves(kind),
    modernLeavesEarly(kind),
    legacyCancels(kind, 0),
    legacyCancels(kind, 1),
    legacyLoses(kind),
    listenEnds(kind),
  ]),
};
