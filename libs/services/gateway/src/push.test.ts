/** Listening clients are told of changed lists: theirs only, and several changes in a moment at once. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimClock } from '@cruvero/testkit';
import { aggregate, doorOf, server, serverName, tenant } from './calls.fixture.ts';
import type { Door } from './door.ts';
import { Push, type ListChange } from './push.ts';

function stage() {
  const clock = new SimClock();
  const push = new Push(clock, (_tenant, virtual, of) => virtual === 'notes' && of === 'files');
  const listen = (
    door: Door,
    wants: readonly ListChange[] = ['tools', 'resources', 'prompts'],
    of = 'default',
  ) => {
    const told: ListChange[] = [];
    const held = push.add({
      tenantId: tenant(of),
      door,
      wants: new Set(wants),
      tell: (change) => void told.push(change),
    });
    return { told, held };
  };
  return { clock, push, listen };
}

describe('a listening client', () => {
  it('is told once of many changes in a moment, and again of the next', async () => {
    const { clock, push, listen } = stage();
    const { told } = listen(aggregate);
    for (let n = 0; n < 20; n += 1) push.changed(tenant(), server(`s${n}`), ['tools']);
    assert.deepEqual(told, []);
    await clock.advance(50);
    assert.deepEqual(told, ['tools']);
    push.changed(tenant(), server(), ['tools', 'prompts']);
    await clock.advance(50);
    assert.deepEqual(told, ['tools', 'tools', 'prompts']);
  });

  it('is told of templates as of resources', async () => {
    const { clock, push, listen } = stage();
    const { told } = listen(aggregate);
    push.changed(tenant(), server(), ['resources', 'resourceTemplates']);
    await clock.advance(50);
    assert.deepEqual(told, ['resources']);
  });

  it('hears only of what it asked for, of its tenant, and of the server behind its door', async () => {
    const { clock, push, listen } = stage();
    const prompts = listen(aggregate, ['prompts']);
    const other = listen(aggregate, ['tools'], 'acme');
    const web = listen(doorOf('web'));
    const files = listen(doorOf('files'));
    push.changed(tenant(), server('files'), ['tools']);
    await clock.advance(50);
    assert.deepEqual([prompts.told, other.told, web.told, files.told], [[], [], [], ['tools']]);
  });

  it('at a virtual server hears of its members only, and of its definition', async () => {
    const { clock, push, listen } = stage();
    const notes = listen({ door: 'virtual', name: serverName('notes') });
    const tools = listen({ door: 'virtual', name: serverName('notes') }, ['tools']);
    const other = listen({ door: 'virtual', name: serverName('other') });
    const acme = listen({ door: 'virtual', name: serverName('notes') }, ['tools'], 'acme');
    const server_ = listen(doorOf('notes'));
    push.changed(tenant(), server('web'), ['tools']);
    push.changed(tenant(), server('files'), ['prompts']);
    await clock.advance(50);
    assert.deepEqual([notes.told, tools.told, other.told], [['prompts'], [], []]);
    push.virtualChanged(tenant(), serverName('notes'));
    await clock.advance(50);
    assert.deepEqual(notes.told, ['prompts', 'tools', 'resources', 'prompts']);
    assert.deepEqual([tools.told, other.told, acme.told, server_.told], [['tools'], [], [], []]);
  });

  it('that closed hears nothing, not even of what was due', async () => {
    const { clock, push, listen } = stage();
    const { told, held } = listen(aggregate);
    push.changed(tenant(), server(), ['tools']);
    held.close();
    await clock.advance(50);
    assert.deepEqual(told, []);
    assert.equal(push.size, 0);
  });

  it('costs no timer while nothing changes for it', () => {
    const { clock, push, listen } = stage();
    listen(aggregate, ['prompts']);
    push.changed(tenant(), server(), ['tools']);
    assert.equal(clock.pending, 0);
  });

  it('hears nothing after the end', async () => {
    const { clock, push, listen } = stage();
    const { told } = listen(aggregate);
    push.changed(tenant(), server(), ['tools']);
    push.close();
    await clock.advance(50);
    assert.deepEqual(told, []);
    assert.equal(clock.pending, 0);
  });
});
