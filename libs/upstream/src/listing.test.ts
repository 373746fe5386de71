/** A list is read through all of its pages, and ends though the server never does. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault, isJsonObject, type JsonObject, type ListKind } from '@cruvero/core';
import {
  answer,
  error,
  faulted,
  FakeStream,
  legacyScript,
  modernScript,
  scene,
  termsOf,
  text,
  until,
  type Script,
} from './fake-peer.fixture.ts';

const cursorOf = (message: JsonObject): string | undefined => {
  const params = isJsonObject(message['params']) ? message['params'] : {};
  return typeof params['cursor'] === 'string' ? params['cursor'] : undefined;
};

const list = (scene_: ReturnType<typeof scene>, kind: ListKind = 'tools') =>
  scene_.link.listAll(kind, termsOf('lists'), new AbortController());

describe('a list', () => {
  for (const [era, make] of [
    ['legacy', legacyScript],
    ['modern', modernScript],
  ] as const) {
    it(`of a ${era} server is read through all pages, items to the letter`, async () => {
      const pages: Readonly<Record<string, object>> = {
        '': { tools: [{ name: 'a', 'x-kept': [1, null] }], nextCursor: 'p2' },
        p2: { tools: [], nextCursor: 'p3' },
        p3: { tools: [{ name: 'b' }, { title: 'has no name' }] },
      };
      const stage = scene(make((seen) => answer(seen, pages[cursorOf(seen.message) ?? ''] as JsonObject)));
      assert.deepEqual(await list(stage), [
        { own: 'a', text: '{"name":"a","x-kept":[1,null]}' },
        { own: 'b', text: '{"name":"b"}' },
      ]);
    });
  }

  it('ends at a cursor that comes twice', async () => {
    const stage = scene(modernScript((seen) => answer(seen, { tools: [{ name: 'a' }], nextCursor: 'same' })));
    const items = await list(stage);
    assert.ok(!isFault(items));
    assert.equal(items.length, 2);
  });

  it('that has no end is broken after the bound of pages', async () => {
    let page = 0;
    const stage = scene(
      modernScript((seen) => answer(seen, { tools: [{ name: 'a' }], nextCursor: `p${(page += 1)}` })),
      { pagesMax: 20 },
    );
    const fault = faulted(await list(stage));
    assert.equal(fault.fault, 'upstream_broken');
    assert.match('detail' in fault ? fault.detail : '', /do not end after 20 pages/);
    assert.equal(stage.peer.count('tools/list'), 20);
  });

  it('is held to the bound of one answer, all pages together', async () => {
    let page = 0;
    const stage = scene(
      modernScript((seen) =>
        answer(seen, { tools: [{ name: 'a', description: 'x'.repeat(500) }], nextCursor: `p${(page += 1)}` }),
      ),
      { answerBytesMax: 2_000 },
    );
    assert.deepEqual(await list(stage), { fault: 'upstream_too_large', server: 'fake', bytesMax: 2_000 });
    assert.ok(stage.peer.count('tools/list') < 5);
  });

  const refusals: readonly [string, Script, RegExp][] = [
    [
      'refuses it',
      (seen) => error(seen, -32603, 'database is away'),
      /refused tools\/list.*database is away/,
    ],
    ['answers another list', (seen) => answer(seen, { prompts: [] }), /has no tools/],
    ['answers a list that is none', (seen) => answer(seen, { tools: {} }), /has no tools/],
    ['answers HTTP 500', () => text(500, ''), /HTTP 500/],
  ];
  for (const [name, serve, detail] of refusals) {
    it(`says why, where the server ${name}`, async () => {
      const fault = faulted(await list(scene(modernScript(serve))));
      assert.equal(fault.fault, 'upstream_broken');
      assert.match('detail' in fault ? fault.detail : '', detail);
    });
  }

  it('ends after the bound though the server keeps its stream lively', async () => {
    const stream = new FakeStream();
    const stage = scene(
      modernScript((seen) => stream.respond(seen)),
      { timeoutMs: 1_000 },
    );
    const listed = list(stage);
    await until(() => stage.peer.count('tools/list') === 1);
    for (let beat = 0; beat < 4; beat += 1) {
      stream.send({ jsonrpc: '2.0', method: 'notifications/message', params: {} });
      await stage.clock.advance(300);
    }
    assert.equal(faulted(await listed).fault, 'upstream_timeout');
  });

  it('leaves the signal of its asker alone, which serves the next list too', async () => {
    const stream = new FakeStream();
    const stage = scene(modernScript((seen) => stream.respond(seen)));
    const abort = new AbortController();
    const listed = stage.link.listAll('tools', termsOf('lists'), abort);
    await until(() => stage.peer.count('tools/list') === 1);
    stream.send({ jsonrpc: '2.0', id: stage.peer.seen[1]?.message['id'] ?? null, result: { tools: [] } });
    assert.deepEqual(await listed, []);
    await stage.clock.advance(5_000);
    assert.ok(stream.aborted, 'the stream that the server left open is closed');
    assert.equal(abort.signal.aborted, false);
  });

  it('asks with the method of each kind', async () => {
    const stage = scene(
      modernScript((seen) => answer(seen, { tools: [], resources: [], resourceTemplates: [], prompts: [] })),
    );
    for (const kind of ['tools', 'resources', 'resourceTemplates', 'prompts'] as const)
      await list(stage, kind);
    assert.deepEqual(stage.peer.methods().slice(1), [
      'tools/list',
      'resources/list',
      'resources/templates/list',
      'prompts/list',
    ]);
  });
});
