/** The part of the server store's suite that is about virtual servers and about the life of the store. */

import assert from 'node:assert/strict';
import type { ServerName } from '@cruvero/core';
import type { ServerStore } from '../server-store.ts';
import { dev, tenantA, tenantB, virtualOf, weather } from './server-store-drafts.ts';

type Story = (store: ServerStore, clock: { atMs: number }) => Promise<void>;

export function virtualRows(test: (sentence: string, story: Story) => void): void {
  test('gives back every field of a virtual server, aliases in their order', async (store, clock) => {
    const draft = virtualOf(
      {
        description: 'For the build\'s agents; "quoted"',
        instructions: 'Ask first.\nThen act.',
        names: 'safe',
        members: [
          {
            server: weather,
            tools: ['fore*', 'alerts'],
            prompts: [],
            resources: false,
            aliases: { zulu: 'z', alpha: 'a', 'odd/name \ud83d\ude00': 'odd' },
          },
          { server: 'nobody-yet' as ServerName },
        ],
      },
      'file',
    );
    const made = await store.transaction((tx) => tx.putVirtual(draft));
    assert.deepEqual(made, { ...draft, createdAtMs: clock.atMs, updatedAtMs: clock.atMs });
    const read = await store.virtual(tenantA, dev);
    assert.equal(JSON.stringify(read?.virtual.members), JSON.stringify(draft.virtual.members));
    assert.deepEqual(read, made);
  });

  test('a second put of a virtual server replaces all but its creation time', async (store, clock) => {
    await store.transaction((tx) => tx.putVirtual(virtualOf({ description: 'old', instructions: 'old' })));
    const createdAtMs = clock.atMs;
    clock.atMs += 5_000;
    const again = await store.transaction((tx) => tx.putVirtual(virtualOf({ names: 'canonical' }, 'file')));
    assert.deepEqual(again, {
      ...virtualOf({ names: 'canonical' }, 'file'),
      createdAtMs,
      updatedAtMs: clock.atMs,
    });
    assert.equal('description' in again.virtual, false);
    assert.deepEqual(await store.virtuals(tenantA), [again]);
  });

  test('keeps the virtual servers of tenants apart, ordered by name, all of them in everything()', async (store) => {
    const drafts = ['b', 'a_b', 'a-b', 'a'].map((name) => virtualOf({ name: name as ServerName }));
    await store.transaction(async (tx) => {
      for (const draft of [...drafts, virtualOf({ tenantId: tenantB })]) await tx.putVirtual(draft);
    });
    const names = (await store.virtuals(tenantA)).map(({ virtual }) => virtual.name);
    assert.deepEqual(names, ['a', 'a-b', 'a_b', 'b']);
    assert.equal(await store.virtual(tenantA, dev), undefined);
    const all = (await store.everything()).virtuals.map(({ tenantId, name }) => `${tenantId}/${name}`);
    assert.deepEqual(all, ['tenant-a/a', 'tenant-a/a-b', 'tenant-a/a_b', 'tenant-a/b', 'tenant-b/dev']);
    const gone = await store.transaction(async (tx) => [
      await tx.deleteVirtual(tenantA, dev),
      await tx.deleteVirtual(tenantB, dev),
      await tx.deleteVirtual(tenantB, dev),
      (await tx.virtual(tenantA, 'a' as ServerName)) !== undefined,
      (await tx.virtual(tenantB, dev)) !== undefined,
    ]);
    assert.deepEqual(gone, [false, true, false, true, false]);
    assert.deepEqual(await store.virtuals(tenantB), []);
  });

  test('hands out copies of virtual servers', async (store) => {
    const tools = ['forecast'];
    await store.transaction((tx) => tx.putVirtual(virtualOf({ members: [{ server: weather, tools }] })));
    tools[0] = 'changed later';
    assert.deepEqual((await store.virtual(tenantA, dev))?.virtual.members[0]?.tools, ['forecast']);
  });

  test('is in one life until that is renewed, whatever is committed', async (store) => {
    const first = await store.incarnation();
    assert.match(first, /^[0-9a-f-]{36}$/);
    await store.transaction((tx) => tx.bumpRevision());
    assert.equal(await store.incarnation(), first);
    const renewed = await store.transaction((tx) => tx.renewIncarnation());
    assert.notEqual(renewed, first);
    assert.equal(await store.incarnation(), renewed);
    const { incarnation, revision } = await store.everything();
    assert.deepEqual([incarnation, revision], [renewed, 1]);
  });
}
