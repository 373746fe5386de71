/** Heartbeats, silence and recovery, over a bus and in simulated time. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { verdictSchema } from '@cruvero/contracts';
import { settle } from '@cruvero/testkit';
import { listed, setScene } from './monitor.fixture.ts';

describe('heartbeats', () => {
  it('keep a server active; when they stop it is stale, then expired, at the promised times', async () => {
    const scene = await setScene();
    await using _monitor = await scene.start();
    await scene.announce('weather', { heartbeat_interval_ms: 10_000 });
    for (let seq = 1; seq <= 6; seq += 1) {
      await scene.clock.advance(10_000);
      await scene.heartbeat('weather', seq);
    }
    assert.deepEqual(scene.said(), ['pending>active/healthy']);
    await scene.clock.advance(30_000);
    assert.equal(scene.verdicts.length, 1);
    await scene.clock.advance(500);
    assert.deepEqual(scene.said().slice(1), ['active>stale/stale']);
    await scene.clock.advance(59_000);
    assert.equal(scene.verdicts.length, 2);
    await scene.clock.advance(1_000);
    assert.deepEqual(scene.said().slice(2), ['stale>expired/expired']);
    assert.match(scene.verdicts[1]?.payload.reason ?? '', /No heartbeat for 30 s; stale after 30 s\./);
    assert.ok((scene.verdicts[1]?.payload.age_ms ?? 0) > 30_000);
  });

  it('bring a stale server back at once when they resume', async () => {
    const scene = await setScene();
    await using _monitor = await scene.start();
    await scene.announce('weather', { heartbeat_interval_ms: 1_000 });
    await scene.clock.advance(4_000);
    await scene.heartbeat('weather');
    assert.deepEqual(scene.said(), ['pending>active/healthy', 'active>stale/stale', 'stale>active/healthy']);
  });

  it('obey CRUVERO_MCP_STALE_THRESHOLD', async () => {
    const scene = await setScene({ CRUVERO_MCP_STALE_THRESHOLD: '20s' });
    await using _monitor = await scene.start();
    await scene.announce('weather', { heartbeat_interval_ms: 1_000 });
    await scene.clock.advance(19_900);
    assert.equal(scene.verdicts.length, 1);
    await scene.clock.advance(600);
    assert.equal(scene.verdicts.length, 2);
  });

  it('are not asked of a server that promised none', async () => {
    const scene = await setScene();
    await using monitor = await scene.start();
    await scene.announce('weather');
    await scene.clock.advance(3_600_000);
    assert.equal(monitor.verdicts()[0]?.status, 'active');
    assert.deepEqual(scene.said(), ['pending>active/healthy']);
  });

  it('say when a server drains, and a deregistration makes it unknown', async () => {
    const scene = await setScene();
    await using monitor = await scene.start();
    await scene.announce('weather', { heartbeat_interval_ms: 1_000 });
    await scene.heartbeat('weather', 1, 'draining');
    assert.equal(scene.said().at(-1), 'active>active/degraded');
    await scene.deregister('weather');
    assert.deepEqual(monitor.verdicts(), []);
    await scene.clock.advance(10_000);
    assert.equal(scene.verdicts.length, 2);
  });
});

describe('verdicts', () => {
  it('keep to their contract and have an id each', async () => {
    const scene = await setScene();
    await using _monitor = await scene.start();
    for (const server of ['a', 'b', 'c']) await scene.announce(server, { heartbeat_interval_ms: 1_000 });
    await scene.clock.advance(20_000);
    assert.equal(scene.verdicts.length, 9);
    for (const verdict of scene.verdicts) verdictSchema.parse(verdict);
    assert.equal(new Set(scene.verdicts.map((v) => v.event_id)).size, 9);
    assert.equal(scene.telemetry.counts.get('health_verdicts_total{"to":"expired"}'), 3);
  });

  it('are not lost while the bus is away, and an outage makes nobody stale', async () => {
    const scene = await setScene();
    await using monitor = await scene.start();
    await scene.announce('weather', { heartbeat_interval_ms: 1_000 });
    scene.broker.setReachable(false);
    assert.match(monitor.unready() ?? '', /bus is away/);
    await scene.clock.advance(600_000);
    scene.broker.setReachable(true);
    await settle();
    assert.equal(monitor.unready(), undefined);
    await scene.clock.advance(2_500);
    await scene.heartbeat('weather');
    await scene.clock.advance(2_500);
    assert.deepEqual(
      scene.said(),
      ['pending>active/healthy', 'active>active/healthy'],
      'said again, never stale',
    );
  });

  it('are told again to a registry that believes something else', async () => {
    const scene = await setScene();
    await using _monitor = await scene.start();
    await scene.announce('weather', { heartbeat_interval_ms: 60_000 });
    scene.list([listed('weather', 'http://nowhere/mcp', { transport: 'stdio', health: 'stale' })]);
    await scene.clock.advance(50_000);
    assert.ok(scene.verdicts.length >= 2 && scene.verdicts.length <= 5, `${scene.verdicts.length} verdicts`);
    assert.equal(scene.said().at(-1), 'active>active/healthy');
    scene.list([listed('weather', 'http://nowhere/mcp', { transport: 'stdio', health: 'healthy' })]);
    const before = scene.verdicts.length;
    await scene.clock.advance(40_000);
    assert.equal(scene.verdicts.length, before);
  });

  it('are tried again until the stream takes them', async () => {
    const scene = await setScene();
    let refusals = 3;
    const store = scene.bus.publishStored.bind(scene.bus);
    scene.bus.publishStored = async (...args) =>
      refusals-- > 0 ? { fault: 'bus_timeout', detail: 'no acknowledgement' } : store(...args);
    await using _monitor = await scene.start();
    await scene.announce('weather', { heartbeat_interval_ms: 10_000 });
    assert.equal(scene.verdicts.length, 0);
    await scene.clock.advance(3_100);
    assert.deepEqual(scene.said(), ['pending>active/healthy']);
  });
});

describe('a monitor that just started', () => {
  it('asks for the listing at once, every quarter of a minute, and when the bus is back', async () => {
    const scene = await setScene();
    await using _monitor = await scene.start();
    await settle();
    assert.deepEqual(scene.requests, [
      { gateway_id: 'health-monitor', tenant_id: 'default', last_known_versions: {} },
    ]);
    await scene.clock.advance(60_000);
    assert.ok(scene.requests.length >= 4 && scene.requests.length <= 7, `${scene.requests.length} requests`);
    const before = scene.requests.length;
    await scene.bounce();
    assert.equal(scene.requests.length, before + 1);
  });

  it('says which listing it has, and asks for it again only now and then', async () => {
    const scene = await setScene();
    scene.list([]);
    await using _monitor = await scene.start();
    await scene.clock.advance(150_000);
    const has = scene.requests.map((request) => JSON.stringify(request).includes('"config.servers":1'));
    assert.equal(has[0], false);
    assert.ok(has.filter((one) => one).length >= 5, 'it has it');
    assert.ok(has.slice(1).filter((one) => !one).length >= 1, 'it wants to compare');
  });

  it('does not call a listed fleet stale before its threshold has passed here', async () => {
    const scene = await setScene();
    scene.list([
      listed('weather', 'http://nowhere/mcp', { transport: 'stdio', heartbeat_interval_ms: 10_000 }),
    ]);
    await using monitor = await scene.start();
    await settle();
    assert.equal(monitor.verdicts()[0]?.status, 'pending');
    await scene.clock.advance(29_000);
    assert.deepEqual(scene.said(), []);
    await scene.clock.advance(2_000);
    assert.deepEqual(scene.said(), ['pending>stale/stale']);
  });

  it('asks for the listing when it hears a stranger, and knows it then', async () => {
    const scene = await setScene();
    await using monitor = await scene.start();
    await scene.clock.advance(3_000);
    scene.list([
      listed('weather', 'http://nowhere/mcp', { transport: 'stdio', heartbeat_interval_ms: 10_000 }),
    ]);
    await scene.heartbeat('weather', 1);
    await scene.heartbeat('weather', 2);
    assert.equal(monitor.verdicts()[0]?.status, 'active');
    assert.equal(scene.requests.length, 2);
  });

  it('forgets what the listing no longer holds, but not what announced itself just now', async () => {
    const scene = await setScene();
    const names = () => monitor.verdicts().map((v) => v.server);
    scene.list([listed('old', 'http://old/mcp', { transport: 'sse' })]);
    await using monitor = await scene.start();
    await settle();
    assert.deepEqual(names(), ['old']);
    scene.list([]);
    await scene.announce('new', { transport: 'sse' });
    await scene.announce('local', { heartbeat_interval_ms: 10_000 });
    await scene.bounce();
    assert.deepEqual(names(), ['new', 'local']);
    await scene.clock.advance(80_000);
    await scene.bounce();
    assert.deepEqual(names(), ['local'], 'stdio servers are in no listing');
    await scene.clock.advance(120_000);
    await scene.bounce();
    assert.deepEqual(names(), [], 'until they expire');
  });

  it('refuses what it cannot read, says so, and goes on', async () => {
    const scene = await setScene();
    await using _monitor = await scene.start();
    await scene.publishRaw({ event_type: 'mcp.heartbeat', payload: { server: 'Not A Name' } });
    await scene.announce('weather', { heartbeat_interval_ms: 1_000 });
    assert.equal(scene.verdicts.length, 1);
    assert.ok(scene.telemetry.lines.some((line) => line.message === 'heartbeat refused'));
  });

  it('reads a listing that came in parts, watches no more instances than it may, and says so once', async () => {
    const scene = await setScene();
    const fleet = Array.from({ length: 10_050 }, (_, i) =>
      listed(`s${i}`, 'http://x/mcp', { transport: 'stdio' }),
    );
    await scene.listInParts(fleet);
    await using monitor = await scene.start();
    await settle(30);
    assert.equal(monitor.verdicts().length, 10_000);
    assert.equal(scene.telemetry.lines.filter((line) => line.level === 'error').length, 1);
  });
});
