/** Active probes: what they conclude, how often they ask, and that they open no session twice. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settle } from '@cruvero/testkit';
import { FakeServer } from './fake-upstream.fixture.ts';
import { listed, setScene } from './monitor.fixture.ts';

const endpoint = 'http://weather/mcp';
const round = 33_000;

async function sceneWith(server: FakeServer | undefined) {
  const scene = await setScene();
  if (server) scene.upstream.add(endpoint, server);
  scene.list([listed('weather', endpoint)]);
  const monitor = await scene.start();
  await scene.clock.advance(2_500);
  return { ...scene, monitor };
}

describe('a probe', () => {
  for (const era of ['legacy', 'modern'] as const) {
    it(`finds a ${era} server healthy and never opens a second session for it`, async () => {
      const server = new FakeServer(era);
      const scene = await sceneWith(server);
      assert.deepEqual(scene.said(), ['pending>active/healthy']);
      const opened = server.count('initialize');
      await scene.clock.advance(100 * round);
      assert.equal(server.count('initialize'), opened);
      assert.ok(server.count(era === 'legacy' ? 'ping' : 'server/discover') >= 100);
      assert.equal(scene.verdicts.length, 1);
      await scene.monitor[Symbol.asyncDispose]();
      assert.equal(server.sessions.size, 0, 'sessions are ended with the monitor');
    });
  }

  it('that fails once degrades, three make unhealthy, two answers heal', async () => {
    const server = new FakeServer('legacy');
    const scene = await sceneWith(server);
    server.mood = 'down';
    await scene.clock.advance(3 * round);
    server.mood = 'well';
    await scene.clock.advance(2 * round);
    await scene.monitor[Symbol.asyncDispose]();
    assert.deepEqual(scene.said(), [
      'pending>active/healthy',
      'active>active/degraded',
      'active>active/unhealthy',
      'active>active/degraded',
      'active>active/healthy',
    ]);
    assert.match(scene.verdicts[2]?.payload.reason ?? '', /^3 probes in a row failed: connection refused$/);
    assert.ok((scene.telemetry.counts.get('health_probe_failures_total{}') ?? 0) >= 3);
  });

  it('finds a server that wants a credential alive when it asks for one, and down when it is down', async () => {
    const server = new FakeServer('legacy');
    server.mood = 'guarded';
    const scene = await setScene();
    scene.upstream.add(endpoint, server);
    scene.list([
      {
        ...listed('weather', endpoint),
        credential: { secret_ref: 'weather', scheme: 'bearer', field: 'token' },
      },
    ]);
    const monitor = await scene.start();
    await scene.clock.advance(2_500 + 3 * round);
    assert.deepEqual(scene.said(), ['pending>active/healthy']);
    server.mood = 'down';
    await scene.clock.advance(3 * round);
    assert.deepEqual(scene.said().at(-1), 'active>active/unhealthy');
    await monitor[Symbol.asyncDispose]();
  });

  it('is not fooled by a server that answers HTTP 500 to everything', async () => {
    const server = new FakeServer('legacy');
    const scene = await sceneWith(server);
    server.mood = 'error-500';
    await scene.clock.advance(3 * round);
    await scene.monitor[Symbol.asyncDispose]();
    assert.equal(scene.said().at(-1), 'active>active/unhealthy');
    assert.match(scene.verdicts.at(-1)?.payload.reason ?? '', /HTTP 500/);
  });

  it('says of a server that was never reached why not', async () => {
    const scene = await sceneWith(undefined);
    await scene.clock.advance(3 * round);
    await scene.monitor[Symbol.asyncDispose]();
    assert.deepEqual(scene.said(), ['pending>pending/degraded', 'pending>pending/unhealthy']);
  });

  it('takes a restarted server as alive, whichever way it says that a session is unknown', async () => {
    for (const mood of ['well', 'forgetful'] as const) {
      const server = new FakeServer('legacy');
      server.mood = mood;
      const scene = await sceneWith(server);
      server.restart();
      await scene.clock.advance(3 * round);
      await scene.monitor[Symbol.asyncDispose]();
      assert.deepEqual(scene.said(), ['pending>active/healthy'], mood);
      assert.ok(
        server.count('initialize') <= 4,
        `${server.count('initialize')} sessions with a ${mood} server`,
      );
    }
  });

  it('takes a server that does not know ping as alive', async () => {
    const server = new FakeServer('legacy');
    server.mood = 'cannot-ping';
    const scene = await sceneWith(server);
    await scene.clock.advance(3 * round);
    await scene.monitor[Symbol.asyncDispose]();
    assert.deepEqual(scene.said(), ['pending>active/healthy']);
  });

  it('follows a server to its new endpoint, and ends the session at the old one', async () => {
    const [before, after] = [new FakeServer('legacy'), new FakeServer('modern')];
    const scene = await sceneWith(before);
    scene.upstream.add('http://moved/mcp', after);
    scene.list([listed('weather', 'http://moved/mcp')]);
    await scene.clock.advance(2 * round);
    assert.ok(after.count('server/discover') >= 1);
    assert.equal(before.sessions.size, 0);
    await scene.monitor[Symbol.asyncDispose]();
    assert.deepEqual(scene.said(), ['pending>active/healthy']);
  });

  it('is never sent to a stdio instance, nor to a server that is gone', async () => {
    const server = new FakeServer('legacy');
    const scene = await sceneWith(server);
    await scene.announce('local', { transport: 'stdio', endpoint: 'http://local/mcp' });
    const local = scene.upstream.add('http://local/mcp', new FakeServer('legacy'));
    await scene.deregister('weather');
    scene.list([]);
    const asked = server.count('ping');
    await scene.clock.advance(3 * round);
    assert.equal(local.asked.length, 0);
    assert.equal(server.count('ping'), asked);
    assert.equal(server.sessions.size, 0);
    await scene.monitor[Symbol.asyncDispose]();
  });

  it('is one of at most sixteen at once', async () => {
    const scene = await setScene();
    const names = Array.from({ length: 100 }, (_, i) => `s${i}`);
    for (const name of names) scene.upstream.add(`http://${name}/mcp`, new FakeServer('modern'));
    scene.list(names.map((name) => listed(name, `http://${name}/mcp`)));
    const slow = scene.upstream.exchange.bind(scene.upstream);
    let [now, most] = [0, 0];
    scene.upstream.exchange = async (request) => {
      most = Math.max(most, (now += 1));
      await new Promise<void>((resolve) => scene.clock.after(5_000, resolve));
      now -= 1;
      return slow(request);
    };
    const monitor = await scene.start();
    await settle();
    await scene.clock.advance(120_000);
    assert.equal(most, 16);
    assert.equal(scene.verdicts.length, 100);
    const closed = monitor[Symbol.asyncDispose]();
    await scene.clock.advance(1_000);
    await closed;
  });
});
