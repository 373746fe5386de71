/** Virtual servers in the snapshot: what a payload says, tolerantly, and what became of them. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serversSchema } from '@cruvero/contracts';
import { readGatewayId, type Json } from '@cruvero/core';
import { SnapshotState, type SnapshotChange } from './state.ts';
import { readVirtuals } from './virtuals.ts';

const gatewayId = readGatewayId('gw') ?? assert.fail();
const row = (name: string, over: Readonly<Record<string, Json>> = {}): Json => ({
  tenant_id: 'default',
  name,
  names: 'bare',
  members: [{ server: 'files' }],
  ...over,
});
const payload = (version: number, ...virtuals: readonly Json[]) =>
  serversSchema.parse({ version, servers: [], virtual_servers: virtuals });

describe('virtual servers of a payload', () => {
  it('are known by tenant and name, with all that was written', () => {
    const members = [{ server: 'files', tools: ['read_*'], aliases: { read_file: 'cat' }, 'x-newer': 1 }];
    const virtuals = readVirtuals(
      payload(
        1,
        row('dev', { names: 'safe', description: 'd', instructions: 'i', members, 'x-newer': {} }),
        row('dev', { tenant_id: 'acme' }),
      ),
    );
    assert.deepEqual([...virtuals.keys()], ['default/dev', 'acme/dev']);
    assert.deepEqual([...virtuals.values()][0], {
      tenantId: 'default',
      name: 'dev',
      names: 'safe',
      description: 'd',
      instructions: 'i',
      members: [{ server: 'files', tools: ['read_*'], aliases: { read_file: 'cat' } }],
    });
  });

  it('that cannot be read are left out, and cost no other', () => {
    const broken: readonly Json[] = [
      null,
      7,
      {},
      row('a.b'),
      row('a', { members: [] }),
      row('a', { names: 'newer-style' }),
      row('a', { tenant_id: 'a/b' }),
    ];
    assert.deepEqual([...readVirtuals(payload(1, ...broken, row('good'))).keys()], ['default/good']);
  });

  it('are none in a payload of an older registry', () => {
    assert.equal(readVirtuals(serversSchema.parse({ version: 1, servers: [] })).size, 0);
    assert.equal(readVirtuals(undefined).size, 0);
  });
});

describe('a change of virtual servers', () => {
  const stage = () => {
    const changes: SnapshotChange[] = [];
    const state = new SnapshotState(
      gatewayId,
      { servers: payload(1, row('a'), row('b'), row('c')) },
      (change) => changes.push(change),
    );
    const last = () => {
      const { added, changed, removed } = changes.at(-1)?.virtuals ?? assert.fail();
      return [added, changed, removed].map((list) => list.map(({ name }) => name).join());
    };
    return { state, last };
  };

  it('is told as what came, what is another one now, and what went', () => {
    const { state, last } = stage();
    state.apply('servers', payload(2, row('b'), row('c', { names: 'safe' }), row('d')));
    assert.deepEqual(last(), ['d', 'c', 'a']);
    assert.deepEqual([...state.current().virtuals.keys()], ['default/b', 'default/c', 'default/d']);
  });

  it('is none in a verdict, which keeps the very map that was there', () => {
    const { state, last } = stage();
    const before = state.current().virtuals;
    state.judge('default/files/i-1', 'stale');
    assert.deepEqual(last(), ['', '', '']);
    assert.equal(state.current().virtuals, before);
    assert.equal(before.size, 3);
  });

  it('is none where the same is said again', () => {
    const { state, last } = stage();
    state.apply('servers', payload(2, row('c'), row('b'), row('a')));
    assert.deepEqual(last(), ['', '', '']);
  });
});
