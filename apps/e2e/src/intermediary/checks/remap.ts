/** Many callers over one connection: ids, tokens, subscriptions, tasks and cursors stay their own. */

import assert from 'node:assert/strict';
import { isJsonObject, type JsonObject } from '@cruvero/core';
import {
  assertError,
  assertTagged,
  resultOf,
  structured,
  type Check,
  type Group,
  type Scene,
} from '../check.ts';
import { serverEra, serverKinds, type ServerKind } from '../target.ts';
import { noteUri, tasksExtension, tools } from '../upstream/offer.ts';

const clientsCount = 64;
const gatherMs = 15_000;

/** Half of them legacy sessions, over all replicas; everybody says id 1 and the same progress token. */
async function crowd(scene: Scene, kind: ServerKind): Promise<void> {
  const args = { group: scene.tag, count: clientsCount };
  // Over stdio whoever can be asked may have a process of its own; here all are to be in one.
  const options = kind.startsWith('stdio') ? { capabilities: {} } : {};
  const one = async (n: number): Promise<void> => {
    const word = `${scene.tag}/${n}`;
    const params = { name: 'gather', arguments: { ...args, tag: word } };
    const door = scene.door(kind, n >> 1);
    const incoming =
      n % 2 === 0
        ? await scene.modernOpen(door, 'tools/call', params, { id: 1, progressToken: 1 })
        : await (await scene.legacy(door, options)).start('tools/call', params, { id: 1, progressToken: 1 });
    const message = await incoming.final(gatherMs);
    assert.equal(message['id'], 1);
    assertTagged({ status: incoming.status, message }, word);
    const progress = incoming.all('notifications/progress').map(({ params: told }) => told as JsonObject);
    assert.ok(
      progress.length <= 1 && progress.every((told) => told['message'] === word),
      JSON.stringify(progress),
    );
    for (const told of progress) assert.equal(told['progressToken'], 1, 'the token is its own');
    assert.equal(progress.length, 1, `progress of ${word} came`);
  };
  await Promise.all(Array.from({ length: clientsCount }, (_, n) => one(n)));
}

const crowds: readonly Check[] = serverKinds.map((kind) => ({
  name: `${clientsCount} callers that all say id 1 and one progress token get their own answers from ${kind}`,
  needs: [kind],
  run: (scene) => crowd(scene, kind),
}));

const subscriptionKey = 'io.modelcontextprotocol/subscriptionId';

/** Listeners with all sorts of ids hear of the same change, each under its own id. */
async function listeners(scene: Scene, kind: ServerKind): Promise<void> {
  const ids = [1, 1, 'one', '1', 9, 'ünïcode'];
  const wanted = { notifications: { resourceSubscriptions: [noteUri] } };
  const streams = await Promise.all(
    ids.map((id, n) => scene.modernOpen(scene.door(kind, n), 'subscriptions/listen', wanted, { id })),
  );
  for (const stream of streams) await stream.told('notifications/subscriptions/acknowledged');
  scene.upstream.world(kind).updated(noteUri);
  for (const [n, stream] of streams.entries()) {
    await stream.told('notifications/resources/updated');
    for (const { params } of stream.messages) {
      const { _meta: meta } = params as { readonly _meta?: JsonObject };
      assert.equal(meta?.[subscriptionKey], ids[n], JSON.stringify(params));
    }
    stream.close();
  }
}

const subscriptions: readonly Check[] = serverKinds.map((kind) => ({
  name: `every message of a subscription to ${kind} bears the subscriber's own id`,
  needs: [kind],
  run: (scene) => listeners(scene, kind),
}));

const tasks = { extensions: { [tasksExtension]: {} } };

async function makeTask(scene: Scene, url: string, name: string, id: string): Promise<string> {
  const reply = await scene.modern(
    url,
    'tools/call',
    { name, arguments: { tag: scene.tag, id } },
    { capabilities: tasks },
  );
  const result = resultOf(reply);
  assert.equal(result['resultType'], 'task', JSON.stringify(result));
  return String(result['taskId']);
}

const taskChecks: readonly Check[] = [
  {
    name: 'a task is found again, updated and cancelled through another replica',
    needs: ['modern'],
    run: async (scene) => {
      const taskId = await makeTask(scene, scene.door('modern'), 'task', scene.tag);
      const ask = (method: string, params: JsonObject = {}) =>
        scene.modern(scene.door('modern', 1), method, { taskId, ...params }, { capabilities: tasks });
      const found = resultOf(await ask('tasks/get'));
      assert.deepEqual(
        [found['taskId'], found['status'], found['vendor.test/at']],
        [taskId, 'working', 'modern'],
      );
      resultOf(await ask('tasks/update', { inputResponses: {} }));
      resultOf(await ask('tasks/cancel'));
      assert.equal(resultOf(await ask('tasks/get'))['status'], 'cancelled');
    },
  },
  {
    name: 'a task of one principal is unknown to another',
    needs: ['modern', 'second principal'],
    run: async (scene) => {
      const taskId = await makeTask(scene, scene.door('modern'), 'task', scene.tag);
      for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
        const stolen = { credentials: scene.other, capabilities: tasks };
        assertError(
          await scene.modern(scene.door('modern'), method, { taskId, inputResponses: {} }, stolen),
          -32602,
        );
        // The id that the server itself uses is easily guessed.
        const guessed = { taskId: `task-${scene.tag}`, inputResponses: {} };
        assertError(await scene.modern(scene.door('modern'), method, guessed, stolen), -32602);
      }
      const { status } = scene.upstream.world('modern').tasks.get(`task-${scene.tag}`) ?? {};
      assert.equal(status, 'working', 'nobody else cancelled it');
    },
  },
  {
    name: 'two servers that give tasks the same id are told apart on the aggregate',
    needs: ['modern', 'stdio-modern', 'aggregate'],
    run: async (scene) => {
      const kinds = ['modern', 'stdio-modern'] as const;
      const ids = [];
      for (const kind of kinds)
        ids.push(await makeTask(scene, scene.aggregate(), scene.named(kind, 'task'), scene.tag));
      assert.notEqual(ids[0], ids[1]);
      for (const [n, kind] of kinds.entries()) {
        const found = resultOf(
          await scene.modern(
            scene.aggregate(1),
            'tasks/get',
            { taskId: ids[n] ?? '' },
            { capabilities: tasks },
          ),
        );
        assert.equal(found['vendor.test/at'], kind);
      }
    },
  },
  {
    name: 'a caller that does not know tasks is given none',
    needs: ['modern'],
    run: async (scene) => {
      assert.equal(structured(resultOf(await scene.call('modern', 'task')))['task'], false);
    },
  },
];

const itemNames = (result: JsonObject): readonly string[] =>
  (result['tools'] as readonly JsonObject[]).map((tool) => String(tool['name']));

const cursors: readonly Check[] = serverKinds.map((kind) => ({
  name: `the pages of tools/list at ${kind} hold every tool once, whichever replica is asked`,
  needs: [kind],
  run: async (scene) => {
    const found: string[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < 10; page += 1) {
      const params = cursor === undefined ? {} : { cursor };
      const result = resultOf(await scene.modern(scene.door(kind, page), 'tools/list', params));
      found.push(...itemNames(result));
      cursor = result['nextCursor'] as string | undefined;
      if (cursor === undefined) break;
    }
    const own = found.filter((name) => !name.startsWith('revision-'));
    assert.deepEqual(
      own,
      tools.map((tool) => tool['name']),
    );
    assertError(await scene.modern(scene.door(kind), 'tools/list', { cursor: 'made-up' }), -32602);
  },
}));

const references: readonly Check[] = serverKinds.map((kind) => ({
  name: `what an answer of ${kind} links to on the aggregate can be read there`,
  needs: [kind, 'aggregate'],
  run: async (scene) => {
    const params = { name: scene.named(kind, 'link'), arguments: { tag: scene.tag } };
    const { content } = resultOf(await scene.modern(scene.aggregate(), 'tools/call', params)) as {
      readonly content: readonly JsonObject[];
    };
    const inside = content[2]?.['resource'];
    const uris = [content[1]?.['uri'], isJsonObject(inside) ? inside['uri'] : undefined];
    for (const uri of uris) {
      const before = scene.hearing.all.length;
      const read = resultOf(await scene.modern(scene.aggregate(1), 'resources/read', { uri: String(uri) }));
      const [first] = read['contents'] as readonly JsonObject[];
      assert.equal(first?.['uri'], uri, 'it is called the same inside');
      const heard = scene.hearing.all
        .slice(before)
        .find(({ message }) => message['method'] === 'resources/read');
      assert.equal(heard?.server, kind);
      assert.ok(heard?.text.includes(`"${noteUri}"`), heard?.text);
      if (serverEra(kind) === 'modern' && kind === 'modern') assert.equal(heard.headers['mcp-name'], noteUri);
    }
  },
}));

export const remapChecks: Group = {
  title: 'ids, tokens, tasks, cursors, links',
  checks: [...crowds, ...subscriptions, ...taskChecks, ...cursors, ...references],
};
