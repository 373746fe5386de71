/** A client's session is its own: another principal, or another door, finds nothing under its id. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimClock } from '@cruvero/testkit';
import { aggregate, alice, doorOf, tenant } from './calls.fixture.ts';
import { ClientSessions, doorKey } from './sessions.ts';

function stage(sessionsMax = 3) {
  const clock = new SimClock();
  const sessions = new ClientSessions({ sessionsMax, sessionIdleMs: 1_000 }, clock);
  const open = (over: object = {}) =>
    sessions.open({
      principal: alice,
      door: aggregate,
      version: '2025-11-25',
      clientCapabilities: {},
      clientInfo: {},
      ...over,
    });
  return { clock, sessions, open };
}

describe('a session', () => {
  it('has an id that nobody can guess, and is found by it', () => {
    const { sessions, open } = stage();
    const [one, two] = [open(), open()];
    assert.match(one.id, /^[A-Za-z0-9_-]{32}$/);
    assert.notEqual(one.id, two.id);
    assert.equal(sessions.find(one.id, alice, aggregate), one);
  });

  it('is found by nobody else and at no other door', () => {
    const { sessions, open } = stage();
    const { id } = open();
    assert.equal(sessions.find(id, { ...alice, name: 'bob' }, aggregate), undefined);
    assert.equal(sessions.find(id, { ...alice, tenantId: tenant('acme') }, aggregate), undefined);
    assert.equal(sessions.find(id, alice, doorOf('files')), undefined);
    assert.equal(sessions.find('', alice, aggregate), undefined);
    assert.equal(sessions.find(id.toLowerCase(), alice, aggregate), undefined);
  });

  it('of one server is not that of another', () => {
    const { sessions, open } = stage();
    const { id } = open({ door: doorOf('files') });
    assert.equal(sessions.find(id, alice, doorOf('web')), undefined);
    assert.equal(sessions.find(id, alice, aggregate), undefined);
    assert.notEqual(doorKey(doorOf('files')), doorKey(aggregate));
  });

  it('ends once, and its stream with it', () => {
    const { sessions, open } = stage();
    const session = open();
    let closed = 0;
    session.closeStream = () => (closed += 1);
    sessions.end(session);
    assert.equal(closed, 1);
    assert.equal(sessions.find(session.id, alice, aggregate), undefined);
    assert.equal(sessions.size, 0);
  });

  it('that is idle ends at its time; use keeps it', async () => {
    const { clock, sessions, open } = stage();
    const [idle, used] = [open(), open()];
    await clock.advance(600);
    sessions.find(used.id, alice, aggregate);
    await clock.advance(400);
    sessions.sweep();
    assert.equal(sessions.find(idle.id, alice, aggregate), undefined);
    assert.equal(sessions.find(used.id, alice, aggregate), used);
  });

  it('with an open stream or a call under way is not idle', async () => {
    const { clock, sessions, open } = stage();
    const [streaming, calling] = [open(), open()];
    streaming.closeStream = () => undefined;
    calling.running.set('1', new AbortController());
    await clock.advance(10_000);
    sessions.sweep();
    assert.equal(sessions.size, 2);
    streaming.closeStream = undefined;
    calling.running.clear();
    await clock.advance(999);
    sessions.sweep();
    assert.equal(sessions.size, 2, 'idle begins when the stream ends');
    await clock.advance(1);
    sessions.sweep();
    assert.equal(sessions.size, 0);
  });

  it('makes room for a new one when it is the one idle longest', () => {
    const { sessions, open } = stage();
    const [one, two, three] = [open(), open(), open()];
    sessions.find(one.id, alice, aggregate);
    open();
    assert.equal(sessions.size, 3);
    assert.equal(sessions.find(two.id, alice, aggregate), undefined);
    assert.ok(sessions.find(one.id, alice, aggregate) && sessions.find(three.id, alice, aggregate));
  });

  it('that is in use makes room only where all are in use', () => {
    const { sessions, open } = stage();
    const [streaming, calling, idle] = [open(), open(), open()];
    streaming.closeStream = () => undefined;
    calling.running.set('1', new AbortController());
    open().closeStream = () => undefined;
    assert.equal(sessions.find(idle.id, alice, aggregate), undefined);
    open();
    assert.equal(sessions.find(streaming.id, alice, aggregate), undefined);
    assert.equal(sessions.size, 3);
  });

  it('ends with all others at the end', () => {
    const { sessions, open } = stage();
    open();
    open();
    sessions.closeAll();
    assert.equal(sessions.size, 0);
  });
});
