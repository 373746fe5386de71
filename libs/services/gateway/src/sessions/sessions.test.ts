/** Sessions of clients: bound to principal and door, bounded in number, ended once, gone on with by any replica of the same key. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { memoryCache } from '@cruvero/adapter-memory';
import type { Cache } from '@cruvero/ports';
import { settle, SimClock } from '@cruvero/testkit';
import { aggregate, alice, doorOf } from '../calls.fixture.ts';
import { sealWith, type Seal } from '../seal.ts';
import type { SessionChange, SessionFacts } from './client-session.ts';
import { ClientSessions, sessionAgeMsMax, type SessionBounds } from './sessions.ts';

const idleMs = 60_000;
const facts: SessionFacts = {
  principal: alice,
  door: aggregate,
  version: '2025-11-25',
  clientCapabilities: { roots: {} },
  clientInfo: { name: 'test', version: '1' },
};
const bob = { ...alice, name: 'bob' };
const seal = sealWith([randomBytes(32)]);

interface Scene {
  readonly clock?: SimClock;
  readonly shared?: Cache | undefined;
  readonly seal?: Seal;
  readonly bounds?: Partial<SessionBounds>;
}

function replica(scene: Scene = {}) {
  const clock = scene.clock ?? new SimClock();
  const ended: string[] = [];
  const over: string[] = [];
  const changes: SessionChange[] = [];
  const sessions = new ClientSessions(
    { sessionsMax: 100, sessionsPerPrincipalMax: 100, sessionIdleMs: idleMs, ...scene.bounds },
    {
      clock,
      seal: scene.seal ?? seal,
      shared: scene.shared,
      onEnd: (uid) => ended.push(uid),
      onChange: (_uid, change) => changes.push(change),
      onOver: (session) => over.push(session.uid),
    },
  );
  return { clock, sessions, ended, over, changes };
}

describe('a session', () => {
  it('is found by its id for its principal at its door only', () => {
    const { sessions } = replica();
    const session = sessions.open(facts);
    assert.equal(sessions.find(session.id, alice, aggregate), session);
    assert.equal(sessions.find(session.id, bob, aggregate), undefined);
    assert.equal(sessions.find(session.id, alice, doorOf('files')), undefined);
    assert.equal(sessions.find('unknown', alice, aggregate), undefined);
  });

  it('is gone on with by another replica that has the same key, with what was agreed', async () => {
    const session = replica().sessions.open(facts);
    const other = replica();
    const revived = await other.sessions.revive(session.id, alice, aggregate);
    assert.deepEqual(revived?.facts, facts);
    assert.equal(revived?.uid, session.uid);
    assert.equal(other.sessions.find(session.id, alice, aggregate), revived);
  });

  it('is not revived for another principal, at another door, with another key, or from a changed id', async () => {
    const { id } = replica().sessions.open(facts);
    const { sessions } = replica();
    assert.equal(await sessions.revive(id, bob, aggregate), undefined);
    assert.equal(await sessions.revive(id, alice, { door: 'aggregate', names: 'safe' }), undefined);
    assert.equal(await sessions.revive(`${id.slice(0, -1)}_`, alice, aggregate), undefined);
    const stranger = replica({ seal: sealWith([randomBytes(32)]) });
    assert.equal(await stranger.sessions.revive(id, alice, aggregate), undefined);
  });

  it('revived by requests that come together is one session', async () => {
    const { id } = replica().sessions.open(facts);
    const { sessions } = replica({ shared: memoryCache({ clock: new SimClock() }) });
    const both = await Promise.all([
      sessions.revive(id, alice, aggregate),
      sessions.revive(id, alice, aggregate),
    ]);
    assert.ok(both[0] && both[0] === both[1]);
    assert.equal(sessions.size, 1);
  });

  it('keeps its log level and subscriptions on another replica where there is a shared store', async () => {
    const clock = new SimClock();
    const shared = memoryCache({ clock });
    const first = replica({ clock, shared });
    const session = first.sessions.open(facts);
    session.logLevel = 'warning';
    session.work().uris.add('mcp://files/a');
    first.sessions.changed(session, { change: 'level', atMs: clock.nowMs(), level: 'warning' });
    const revived = await replica({ clock, shared }).sessions.revive(session.id, alice, aggregate);
    assert.equal(revived?.logLevel, 'warning');
    assert.deepEqual([...(revived?.workIfAny()?.uris ?? [])], ['mcp://files/a']);
  });

  it('is revived with nothing of that where the store holds rubbish', async () => {
    const clock = new SimClock();
    const shared = memoryCache({ clock });
    const session = replica({ clock, shared }).sessions.open(facts);
    for (const rubbish of ['{"uris":7,"logLevel":1,"usedAtMs":"x"}', '[]', '{']) {
      await shared.set(`session/${session.uid}`, rubbish, 1_000);
      const revived = await replica({ clock, shared }).sessions.revive(session.id, alice, aggregate);
      assert.equal(revived?.logLevel, undefined);
    }
  });

  it('that its client ended comes back nowhere, and its servers hear of it', async () => {
    const clock = new SimClock();
    const shared = memoryCache({ clock });
    const first = replica({ clock, shared });
    const session = first.sessions.open(facts);
    first.sessions.end(session);
    assert.deepEqual([first.ended, first.over], [[session.uid], [session.uid]]);
    assert.equal(first.sessions.find(session.id, alice, aggregate), undefined);
    assert.equal(await first.sessions.revive(session.id, alice, aggregate), undefined);
    assert.equal(await replica({ clock, shared }).sessions.revive(session.id, alice, aggregate), undefined);
  });

  it('that was ended at another replica is ended here', async () => {
    const { sessions, ended, over } = replica();
    const session = sessions.open(facts);
    sessions.endedElsewhere(session.uid);
    assert.equal(sessions.size, 0);
    assert.deepEqual([ended, over], [[], [session.uid]], 'nobody is told again');
    assert.equal(await sessions.revive(session.id, alice, aggregate), undefined);
  });

  it('unused for too long is over; one with a call under way is not', async () => {
    const { clock, sessions, over } = replica();
    const idle = sessions.open(facts);
    const busy = sessions.open(facts);
    busy.work().running.set('1', new AbortController());
    await clock.advance(idleMs);
    sessions.sweep();
    assert.deepEqual(over, [idle.uid]);
    assert.equal(await sessions.revive(idle.id, alice, aggregate), undefined);
    assert.equal(sessions.find(busy.id, alice, aggregate), busy);
  });

  it('idle for too long everywhere is not revived; one used elsewhere lately is', async () => {
    const clock = new SimClock();
    const shared = memoryCache({ clock });
    const first = replica({ clock, shared });
    const [used, left] = [first.sessions.open(facts), first.sessions.open(facts)];
    await clock.advance(idleMs / 2);
    first.sessions.find(used.id, alice, aggregate);
    // What was written down last may be a quarter older than the last use.
    await clock.advance(idleMs * 0.75);
    const second = replica({ clock, shared });
    assert.ok(await second.sessions.revive(used.id, alice, aggregate));
    assert.equal(await second.sessions.revive(left.id, alice, aggregate), undefined);
  });

  it('used every minute, or with a stream open, is alive for a replica that comes late', async () => {
    const clock = new SimClock();
    const shared = memoryCache({ clock });
    const first = replica({ clock, shared, bounds: { sessionIdleMs: 60 * 60_000 } });
    const [used, streaming] = [first.sessions.open(facts), first.sessions.open(facts)];
    streaming.stream = { send: () => true, end: () => undefined };
    for (let minute = 0; minute < 150; minute += 1) {
      await clock.advance(60_000);
      first.sessions.find(used.id, alice, aggregate);
      first.sessions.sweep();
    }
    const second = replica({ clock, shared, bounds: { sessionIdleMs: 60 * 60_000 } });
    assert.ok(await second.sessions.revive(used.id, alice, aggregate));
    assert.ok(await second.sessions.revive(streaming.id, alice, aggregate));
    assert.ok(first.changes.length <= 2 * (4 * 2.5 + 1), 'and not every use is told');
  });

  it('used at one replica is not over at another that has it too, with a shared store or without', async () => {
    for (const shared of [undefined, memoryCache({ clock: new SimClock() })]) {
      const clock = new SimClock();
      const [first, idle] = [replica({ clock, shared }), replica({ clock, shared })];
      const session = first.sessions.open(facts);
      await idle.sessions.revive(session.id, alice, aggregate);
      for (let step = 0; step < 20; step += 1) {
        await clock.advance(idleMs / 5);
        first.sessions.find(session.id, alice, aggregate);
        for (const change of first.changes.splice(0)) idle.sessions.changedElsewhere(session.uid, change);
        idle.sessions.sweep();
        await settle();
      }
      assert.deepEqual(idle.over, []);
      assert.ok(idle.sessions.find(session.id, alice, aggregate));
    }
  });

  it('whose use elsewhere was told to nobody is looked up in the shared store before it is over', async () => {
    const clock = new SimClock();
    const shared = memoryCache({ clock });
    const [first, idle] = [replica({ clock, shared }), replica({ clock, shared })];
    const session = first.sessions.open(facts);
    await idle.sessions.revive(session.id, alice, aggregate);
    await clock.advance(idleMs * 0.9);
    first.sessions.find(session.id, alice, aggregate);
    await clock.advance(idleMs * 0.2);
    idle.sessions.sweep();
    await settle();
    assert.equal(idle.sessions.size, 1);
    await clock.advance(idleMs);
    idle.sessions.sweep();
    await settle();
    assert.deepEqual(idle.over, [session.uid]);
  });

  it('that ended stays so, though another replica wrote its use down behind that', async () => {
    const clock = new SimClock();
    const shared = memoryCache({ clock });
    const [first, second] = [replica({ clock, shared }), replica({ clock, shared })];
    const session = first.sessions.open(facts);
    const there = await second.sessions.revive(session.id, alice, aggregate);
    first.sessions.end(session);
    if (there) second.sessions.changed(there, { change: 'used', atMs: clock.nowMs() });
    second.sessions.endedElsewhere(session.uid);
    await settle();
    assert.equal(await replica({ clock, shared }).sessions.revive(session.id, alice, aggregate), undefined);
  });

  it('goes along with what another replica was told, the newest level counts', () => {
    const { sessions } = replica();
    const session = sessions.open(facts);
    const hear = (change: SessionChange) => sessions.changedElsewhere(session.uid, change);
    assert.equal(hear({ change: 'level', atMs: 2, level: 'error' }), session);
    assert.equal(hear({ change: 'level', atMs: 1, level: 'debug' }), undefined, 'it is older');
    assert.equal(session.logLevel, 'error');
    assert.equal(hear({ change: 'watched', uri: 'a' }), session);
    assert.equal(hear({ change: 'watched', uri: 'a' }), undefined);
    assert.deepEqual([...session.work().uris], ['a']);
    assert.equal(hear({ change: 'unwatched', uri: 'a' }), session);
    assert.equal(hear({ change: 'unwatched', uri: 'a' }), undefined);
    assert.equal(sessions.changedElsewhere('unknown', { change: 'watched', uri: 'a' }), undefined);
  });

  it('ends with its age also where it is held and in use', async () => {
    const { clock, sessions, over } = replica();
    const [asked, streaming] = [sessions.open(facts), sessions.open(facts)];
    for (const session of [asked, streaming]) session.work().running.set('1', new AbortController());
    await clock.advance(sessionAgeMsMax - 1);
    sessions.sweep();
    assert.ok(sessions.find(asked.id, alice, aggregate));
    await clock.advance(1);
    assert.equal(sessions.find(asked.id, alice, aggregate), undefined);
    sessions.sweep();
    assert.deepEqual(over, [asked.uid, streaming.uid]);
    assert.equal(sessions.size, 0);
  });

  it('ends with its age, however often it is used', async () => {
    const clock = new SimClock();
    const session = replica({ clock }).sessions.open(facts);
    await clock.advance(sessionAgeMsMax);
    assert.equal(await replica({ clock }).sessions.revive(session.id, alice, aggregate), undefined);
  });
});

describe('too many sessions', () => {
  it('of all: the one idle longest makes room, and one in use stays; it can be revived', async () => {
    const { sessions, over } = replica({ bounds: { sessionsMax: 2 } });
    const first = sessions.open(facts);
    first.work().running.set('1', new AbortController());
    const second = sessions.open(facts);
    sessions.open(facts);
    assert.equal(sessions.find(second.id, alice, aggregate), undefined);
    assert.ok(sessions.find(first.id, alice, aggregate));
    assert.deepEqual(over, [], 'its client may come back');
    assert.ok(await sessions.revive(second.id, alice, aggregate));
  });

  it('of one principal: its own make room, not those of others', () => {
    const { sessions } = replica({ bounds: { sessionsPerPrincipalMax: 1 } });
    const theirs = sessions.open({ ...facts, principal: bob });
    const first = sessions.open(facts);
    const second = sessions.open(facts);
    assert.ok(sessions.find(theirs.id, bob, aggregate));
    assert.equal(sessions.find(first.id, alice, aggregate), undefined);
    assert.ok(sessions.find(second.id, alice, aggregate));
  });

  it('all in use: the oldest goes and its calls end', () => {
    const { sessions } = replica({ bounds: { sessionsMax: 1 } });
    const abort = new AbortController();
    sessions.open(facts).work().running.set('1', abort);
    sessions.open(facts);
    assert.ok(abort.signal.aborted);
    assert.equal(sessions.size, 1);
  });
});
