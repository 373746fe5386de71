/** Every feature in every cell: both eras of callers, each of the suite's servers. */

import assert from 'node:assert/strict';
import type { JsonObject } from '@cruvero/core';
import { assertTagged, resultOf, structured, type Check, type Group, type Scene } from '../check.ts';
import { answersTo, expectedAnswers } from '../client/answers.ts';
import { answersAll } from '../client/modern.ts';
import { serverKinds, type ServerKind } from '../target.ts';
import { noteUri } from '../upstream/offer.ts';
import type { ListName } from '../upstream/world.ts';

type Feature = readonly [
  name: string,
  modern: (scene: Scene, kind: ServerKind) => Promise<void>,
  legacy: (scene: Scene, kind: ServerKind) => Promise<void>,
];

const told = (message: JsonObject): JsonObject => message['params'] as JsonObject;

/** Progress came while the call still ran, with the caller's own token. */
function assertProgress(messages: readonly JsonObject[], token: string): void {
  assert.deepEqual(
    messages.map((message) => [told(message)['progressToken'], told(message)['progress']]),
    [
      [token, 1],
      [token, 2],
    ],
  );
}

const call: Feature = [
  'a call',
  async (scene, kind) => assertTagged(await scene.call(kind, 'echo', { a: [1, { b: null }] }), scene.tag),
  async (scene, kind) => {
    const client = await scene.legacy(scene.door(kind));
    const reply = await client.ask('tools/call', scene.toolParams('echo', { a: [1, { b: null }] }));
    assertTagged(reply, scene.tag);
    assert.deepEqual(structured(resultOf(reply))['given'], { tag: scene.tag, a: [1, { b: null }] });
  },
];

const progress: Feature = [
  'progress',
  async (scene, kind) => {
    const incoming = await scene.callOpen(kind, 'wait', {}, { progressToken: 'my token' });
    await incoming.told('notifications/progress');
    scene.upstream.world(kind).release(scene.tag);
    assertTagged({ status: incoming.status, message: await incoming.final() }, scene.tag);
    assertProgress(incoming.all('notifications/progress'), 'my token');
  },
  async (scene, kind) => {
    const client = await scene.legacy(scene.door(kind));
    const incoming = await client.start('tools/call', scene.toolParams('wait'), {
      progressToken: 'my token',
    });
    await incoming.told('notifications/progress');
    scene.upstream.world(kind).release(scene.tag);
    assertTagged({ status: incoming.status, message: await incoming.final() }, scene.tag);
    assertProgress(incoming.all('notifications/progress'), 'my token');
  },
];

const levelsOf = (messages: readonly JsonObject[]): readonly unknown[] =>
  messages.map((message) => told(message)['level']);

const logging: Feature = [
  'logging',
  async (scene, kind) => {
    const wanted = await scene.callOpen(kind, 'log', {}, { logLevel: 'warning' });
    await wanted.final();
    assert.deepEqual(levelsOf(wanted.all('notifications/message')), ['warning', 'error']);
    const unwanted = await scene.callOpen(kind, 'log');
    await unwanted.final();
    assert.deepEqual(levelsOf(unwanted.all('notifications/message')), [], 'only where a level was asked for');
  },
  async (scene, kind) => {
    const client = await scene.legacy(scene.door(kind));
    const stream = await client.listen();
    for (const [level, expected] of [
      ['warning', ['warning', 'error']],
      ['debug', ['debug', 'info', 'warning', 'error']],
      ['emergency', []],
    ] as const) {
      resultOf(await client.ask('logging/setLevel', { level }));
      const before = stream.all('notifications/message').length;
      const incoming = await client.start('tools/call', scene.toolParams('log'));
      await incoming.final();
      const heard = [
        ...incoming.all('notifications/message'),
        ...stream.all('notifications/message').slice(before),
      ];
      assert.deepEqual(levelsOf(heard), expected, level);
    }
    stream.close();
  },
];

/** A server that asks, over however many rounds the gateway makes of it. */
const asking = (name: string, kinds: readonly string[]): Feature => [
  name,
  async (scene, kind) => {
    let params: JsonObject = scene.toolParams('ask', { kinds });
    for (let round = 0; round < 4; round += 1) {
      const result = resultOf(
        await scene.modern(scene.door(kind), 'tools/call', params, { id: round, capabilities: answersAll }),
      );
      if (result['resultType'] === 'complete') {
        assert.deepEqual(structured(result)['answers'], expectedAnswers(scene.tag, kinds));
        return;
      }
      assert.equal(result['resultType'], 'input_required', JSON.stringify(result));
      const { requestState } = result;
      const state = requestState === undefined ? {} : { requestState };
      params = {
        ...scene.toolParams('ask', { kinds }),
        inputResponses: answersTo(scene.tag, result),
        ...state,
      };
    }
    assert.fail('it asked again and again');
  },
  async (scene, kind) => {
    const client = await scene.legacy(scene.door(kind));
    const reply = await client.ask('tools/call', scene.toolParams('ask', { kinds }));
    assert.deepEqual(structured(resultOf(reply))['answers'], expectedAnswers(scene.tag, kinds));
    const methods = {
      form: 'elicitation/create',
      url: 'elicitation/create',
      sampling: 'sampling/createMessage',
      roots: 'roots/list',
    };
    assert.deepEqual(
      client.questions.map((question) => question['method']),
      kinds.map((asked) => methods[asked as keyof typeof methods]),
    );
    for (const { params } of client.questions) {
      const { mode, elicitationId } = params as { readonly mode?: string; readonly elicitationId?: string };
      if (mode === 'url')
        assert.equal(typeof elicitationId, 'string', 'a legacy client needs an id for a page');
    }
  },
];

const readText = (result: JsonObject): unknown => (result['contents'] as readonly JsonObject[])[0]?.['text'];

const reading: Feature = [
  'a resource',
  async (scene, kind) => {
    const result = resultOf(await scene.modern(scene.door(kind), 'resources/read', { uri: noteUri }));
    assert.match(String(readText(result)), /^read \d+$/);
    assert.ok(result['ttlMs'] !== undefined && result['cacheScope'] !== undefined, JSON.stringify(result));
  },
  async (scene, kind) => {
    const client = await scene.legacy(scene.door(kind));
    const result = resultOf(await client.ask('resources/read', { uri: noteUri }));
    assert.match(String(readText(result)), /^read \d+$/);
    assert.deepEqual(
      [result['ttlMs'], result['cacheScope'], result['resultType']],
      [undefined, undefined, undefined],
    );
  },
];

const updates: Feature = [
  'updates of a resource',
  async (scene, kind) => {
    const wanted = { notifications: { resourceSubscriptions: [noteUri] } };
    const stream = await scene.modernOpen(scene.door(kind), 'subscriptions/listen', wanted, { id: 'u' });
    const acknowledged = await stream.told('notifications/subscriptions/acknowledged');
    assert.deepEqual(told(acknowledged)['notifications'], wanted.notifications);
    scene.upstream.world(kind).updated(noteUri);
    assert.equal(told(await stream.told('notifications/resources/updated'))['uri'], noteUri);
    stream.close();
  },
  async (scene, kind) => {
    const client = await scene.legacy(scene.door(kind));
    const stream = await client.listen();
    resultOf(await client.ask('resources/subscribe', { uri: noteUri }));
    scene.upstream.world(kind).updated(noteUri);
    const update = told(await stream.told('notifications/resources/updated'));
    assert.equal(update['uri'], noteUri);
    assert.equal(update['_meta'], undefined, 'a legacy client knows no subscriptions');
    resultOf(await client.ask('resources/unsubscribe', { uri: noteUri }));
    stream.close();
  },
];

const lists: readonly ListName[] = ['tools', 'prompts', 'resources'];

const changes: Feature = [
  'changes of lists',
  async (scene, kind) => {
    const wanted = {
      notifications: { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true },
    };
    const stream = await scene.modernOpen(scene.door(kind, 1), 'subscriptions/listen', wanted, { id: 'c' });
    await stream.told('notifications/subscriptions/acknowledged');
    for (const list of lists) {
      scene.upstream.world(kind).change(list);
      await stream.told(`notifications/${list}/list_changed`);
    }
    stream.close();
  },
  async (scene, kind) => {
    const client = await scene.legacy(scene.door(kind));
    const stream = await client.listen(scene.door(kind, 1));
    for (const list of lists) {
      scene.upstream.world(kind).change(list);
      await stream.told(`notifications/${list}/list_changed`);
    }
    stream.close();
  },
];

const promptText = 'greet for {"who":"Ada"}';
const textIn = (result: JsonObject): unknown =>
  (result['messages'] as readonly { readonly content: JsonObject }[])[0]?.content['text'];

const prompt: Feature = [
  'a prompt',
  async (scene, kind) => {
    const params = { name: 'greet', arguments: { who: 'Ada' } };
    assert.equal(textIn(resultOf(await scene.modern(scene.door(kind), 'prompts/get', params))), promptText);
  },
  async (scene, kind) => {
    const client = await scene.legacy(scene.door(kind));
    assert.equal(
      textIn(resultOf(await client.ask('prompts/get', { name: 'greet', arguments: { who: 'Ada' } }))),
      promptText,
    );
  },
];

const completed = (result: JsonObject): unknown => (result['completion'] as JsonObject)['values'];
const completions = [
  { ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'who', value: 'A' } },
  { ref: { type: 'ref/resource', uri: 'suite://notes/{name}' }, argument: { name: 'name', value: 'o' } },
];

const completion: Feature = [
  'completion',
  async (scene, kind) => {
    for (const params of completions) {
      const result = resultOf(await scene.modern(scene.door(kind), 'completion/complete', params));
      assert.deepEqual(completed(result), [`completed ${JSON.stringify(params.ref)}`]);
    }
  },
  async (scene, kind) => {
    const client = await scene.legacy(scene.door(kind));
    for (const params of completions) {
      const result = resultOf(await client.ask('completion/complete', params));
      assert.deepEqual(completed(result), [`completed ${JSON.stringify(params.ref)}`]);
    }
  },
];

const features: readonly Feature[] = [
  call,
  progress,
  logging,
  asking('elicitation', ['form']),
  asking('elicitation of a page', ['url']),
  asking('sampling', ['sampling']),
  asking('roots', ['roots']),
  reading,
  updates,
  changes,
  prompt,
  completion,
];

export const matrixChecks: readonly Group[] = serverKinds.map((kind) => ({
  title: `callers of both eras at ${kind}`,
  checks: features.flatMap(([name, modern, legacy]): Check[] => [
    { name: `${name}: modern caller, ${kind} server`, needs: [kind], run: (scene) => modern(scene, kind) },
    { name: `${name}: legacy caller, ${kind} server`, needs: [kind], run: (scene) => legacy(scene, kind) },
  ]),
}));
