/** Sessions of legacy clients: bound to who made them, alive on every replica, over when they are ended. */

import assert from 'node:assert/strict';
import { assertTagged, resultOf, type Check, type Group, type Scene } from '../check.ts';
import { Incoming } from '../client/incoming.ts';
import type { LegacyClient } from '../client/legacy.ts';
import type { Credentials } from '../target.ts';

/** Status of each thing that can be done with a session's id. */
async function statuses(
  client: LegacyClient,
  credentials: Credentials,
  url: string,
): Promise<Readonly<Record<string, number>>> {
  const headers = client.headers(credentials);
  const send = async (
    method: string,
    more: Readonly<Record<string, string>> = {},
    body?: string,
  ): Promise<number> => {
    const outgoing = {
      url,
      method,
      headers: { ...headers, ...more },
      ...(body === undefined ? {} : { body }),
    };
    const answer = await Incoming.open(outgoing);
    answer.close();
    return answer.status;
  };
  const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
  const notification = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/roots/list_changed' });
  const response = JSON.stringify({ jsonrpc: '2.0', id: 1, result: {} });
  const accept = { accept: 'text/event-stream' };
  return {
    request: await send('POST', {}, ping),
    notification: await send('POST', {}, notification),
    response: await send('POST', {}, response),
    stream: await send('GET', accept),
    resumption: await send('GET', { ...accept, 'last-event-id': 'made-up' }),
    end: await send('DELETE'),
  };
}

const unknown = { request: 404, notification: 404, response: 404, stream: 404, resumption: 404, end: 404 };

const bound: Check = {
  name: 'a session is 404 for another principal, for POST, GET, Last-Event-ID and DELETE, and goes on for its own',
  needs: ['modern', 'second principal'],
  run: async (scene) => {
    const client = await scene.legacy(scene.door('modern'));
    for (const replica of [0, 1])
      assert.deepEqual(await statuses(client, scene.other, scene.door('modern', replica)), unknown);
    assertTagged(await client.ask('tools/call', scene.toolParams('echo')), scene.tag);
  },
};

const forged: Check = {
  name: 'a session id that is changed or made up is 404',
  needs: ['modern'],
  run: async (scene) => {
    const client = await scene.legacy(scene.door('modern'));
    const { sessionId } = client;
    const last = sessionId.endsWith('A') ? 'B' : 'A';
    for (const id of [
      `${sessionId.slice(0, -1)}${last}`,
      sessionId.slice(0, -3),
      `${sessionId}A`,
      'made-up',
      '00000000-0000-4000-8000-000000000000',
    ]) {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
      const answer = await Incoming.open({
        url: client.url,
        headers: { ...client.headers(), 'mcp-session-id': id },
        body,
      });
      assert.equal(answer.status, 404, id);
      answer.close();
    }
  },
};

const spread: Check = {
  name: 'a session made at one replica is used at the other, with what it has set',
  needs: ['modern', 'second replica'],
  run: async (scene) => {
    const client = await scene.legacy(scene.door('modern'));
    resultOf(await client.ask('logging/setLevel', { level: 'error' }));
    const incoming = await client.start('tools/call', scene.toolParams('log'), {
      at: scene.door('modern', 1),
    });
    await incoming.final();
    assert.equal(incoming.all('notifications/message').length, 1, incoming.text);
  },
};

const ended: Check = {
  name: 'a session that was ended is 404 on both replicas',
  needs: ['modern', 'second replica'],
  run: async (scene) => {
    for (const at of [0, 1]) {
      const client = await scene.legacy(scene.door('modern'));
      for (const replica of [0, 1])
        resultOf(await client.ask('ping', {}, { at: scene.door('modern', replica) }));
      assert.equal(Math.floor((await client.end(scene.door('modern', at))) / 100), 2);
      for (const replica of [at, 1 - at]) await gone(scene, client, replica);
    }
  },
};

/** Replicas tell each other; that takes a moment. */
async function gone(scene: Scene, client: LegacyClient, replica: number): Promise<void> {
  const deadlineMs = performance.now() + 2_000;
  for (;;) {
    const answer = await client.start('ping', {}, { at: scene.door('modern', replica) });
    answer.close();
    if (answer.status === 404) return;
    assert.ok(performance.now() < deadlineMs, `it still answers ${answer.status} at replica ${replica}`);
  }
}

const asked: readonly Check[] = (['modern', 'legacy'] as const).map((kind) => ({
  name: `a legacy client may answer a question of ${kind} at another replica`,
  needs: [kind, 'second replica'],
  run: async (scene) => {
    const client = await scene.legacy(scene.door(kind));
    client.answersAt = scene.door(kind, 1);
    assertTagged(await client.ask('tools/call', scene.toolParams('ask', { kinds: ['form'] })), scene.tag);
  },
}));

const resumed: Check = {
  name: 'a legacy client that lost its connection comes back with Last-Event-ID for the rest of its call',
  needs: ['modern'],
  run: async (scene) => {
    const client = await scene.legacy(scene.door('modern'));
    const incoming = await client.start('tools/call', scene.toolParams('wait'), {
      id: 'r',
      progressToken: 7,
    });
    await incoming.told('notifications/progress');
    const lastId = incoming.eventIds.at(-1) ?? assert.fail('its events have no ids');
    incoming.close();
    const back = await client.listen(client.url, lastId);
    scene.upstream.world('modern').release(scene.tag);
    const message = await back.final();
    assert.equal(message['id'], 'r');
    assertTagged({ status: back.status, message }, scene.tag);
    assert.equal(back.all('notifications/progress').length, 1, 'what it had heard does not come again');
    back.close();
  },
};

const foreignEvents: Check = {
  name: 'event ids of one session say nothing in another',
  needs: ['modern'],
  run: async (scene) => {
    const [mine, theirs] = [
      await scene.legacy(scene.door('modern')),
      await scene.legacy(scene.door('modern')),
    ];
    const incoming = await mine.start('tools/call', scene.toolParams('wait'), { id: 'r', progressToken: 7 });
    await incoming.told('notifications/progress');
    const lastId = incoming.eventIds[0] ?? assert.fail('its events have no ids');
    const stolen = await theirs.listen(theirs.url, lastId);
    scene.upstream.world('modern').release(scene.tag);
    await incoming.final();
    resultOf(await theirs.ask('ping'));
    assert.ok(!stolen.text.includes(scene.tag), stolen.text);
    stolen.close();
  },
};

const killed: Check = {
  name: 'sessions, listeners and states outlive the replica that made them, killed between two requests',
  needs: ['modern', 'legacy', 'kill'],
  run: async (scene) => {
    const clients = [await scene.legacy(scene.door('modern')), await scene.legacy(scene.door('legacy'))];
    for (const client of clients)
      assertTagged(await client.ask('tools/call', scene.toolParams('echo')), scene.tag);
    const stream = await (clients[0] ?? assert.fail()).listen();
    await scene.target.killFirst?.();
    await stream.end();
    for (const [n, client] of clients.entries()) {
      const kind = n === 0 ? 'modern' : 'legacy';
      const at = scene.door(kind, 1);
      client.answersAt = at;
      assertTagged(await client.ask('tools/call', scene.toolParams('echo'), { at }), scene.tag);
      assertTagged(
        await client.ask('tools/call', scene.toolParams('ask', { kinds: ['form'] }), { at }),
        scene.tag,
      );
      const again = await client.listen(at);
      scene.upstream.world(kind).change('tools');
      await again.told('notifications/tools/list_changed');
      again.close();
      assert.equal(Math.floor((await client.end(at)) / 100), 2);
      assert.equal((await client.start('ping', {}, { at })).status, 404);
    }
  },
};

export const sessionChecks: Group = {
  title: 'sessions',
  checks: [bound, forged, spread, ended, ...asked, resumed, foreignEvents],
};

export const killChecks: Group = { title: 'a killed replica', checks: [killed], last: true };
