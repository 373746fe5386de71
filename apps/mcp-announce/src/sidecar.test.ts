/** The real program against a real NATS server and real MCP servers. */

import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { announceSchema, deregisterSchema, heartbeatSchema, streams } from '@cruvero/contracts';
import { freePort, startNats, type Server } from '@cruvero/stack';
import {
  namedTool,
  startLegacyServer,
  startLegacySseServer,
  startModernServer,
  stdioLegacy,
  type FixtureServer,
} from '@cruvero/testkit';
import { listen, startSidecar, until } from './sidecar.fixture.ts';

let nats: Server;
let env: Record<string, string>;

before(async () => {
  nats = await startNats();
  env = { CRUVERO_NATS_URL: nats.url };
});
after(() => nats.stop());

const exampleHttp = '--server weather --transport http --endpoint http://localhost:8089/mcp --heartbeat 30s';
const exampleStdio =
  '--server local-tools --transport stdio --heartbeat 15s -- ./bin/local-mcp-server --mode prod';

/** On the port of the documented example; another one, and its words changed, where that port is taken. */
async function serveExample(): Promise<{ server: FixtureServer; words: string[] }> {
  try {
    return {
      server: await startLegacyServer({ port: 8_089, toolsPerPage: 3 }),
      words: exampleHttp.split(' '),
    };
  } catch {
    const server = await startLegacyServer({ toolsPerPage: 3 });
    return { server, words: exampleHttp.replace('8089', String(server.port)).split(' ') };
  }
}

describe('mcp-announce', () => {
  it('announces an HTTP server word for word as documented, with the tools of all its pages, and deregisters it', async () => {
    const { server, words } = await serveExample();
    await using _server = server;
    await using world = await listen(nats.url);
    await using sidecar = startSidecar(words, env);
    const event = announceSchema.parse(await until('the announcement', () => world.announced[0]));
    const { payload } = event;
    assert.deepEqual(
      payload.tools.map((tool) => tool.name),
      server.catalogue.toolNames,
    );
    assert.deepEqual(
      [payload.server, payload.transport, payload.endpoint, payload.heartbeat_interval_ms],
      ['weather', 'http', words[5], 30_000],
    );
    assert.match(payload.capabilities_hash ?? '', /^[0-9a-f]{64}$/);
    const line = `announced weather ${payload.instance_id} ${payload.tools.length} tools\n`;
    await until('the line for programs', () => sidecar.stdout() === line);
    sidecar.signal('SIGTERM');
    assert.equal(await sidecar.ended(), 0);
    const end = deregisterSchema.parse(await until('the deregistration', () => world.deregistered[0]));
    assert.deepEqual([end.payload.server, end.payload.instance_id], ['weather', payload.instance_id]);
    assert.equal(sidecar.stdout(), line);
    assert.equal(sidecar.stderr(), '');
    await until('the end of its sessions', () => server.sessionCount() === 0);
  });

  it('runs a stdio server word for word as documented, and nothing of it is left behind', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'announce-'));
    try {
      const { command, args } = stdioLegacy();
      const script = join(folder, 'bin', 'local-mcp-server');
      await mkdir(join(folder, 'bin'));
      await writeFile(
        script,
        `#!/bin/sh\necho "$$ $@ $API_KEY nats:$CRUVERO_NATS_URL" > seen\nexec "${command}" "${args.join('" "')}" "$@"\n`,
      );
      await chmod(script, 0o755);
      await using world = await listen(nats.url);
      await using sidecar = startSidecar(exampleStdio.split(' '), { ...env, API_KEY: 'k-1' }, folder);
      const { payload } = await until('the announcement', () => world.announced[0]);
      assert.equal(payload.transport, 'http');
      assert.match(payload.endpoint ?? '', /^http:\/\/127\.0\.0\.1:\d+\/servers\/local-tools\//);
      assert.ok(payload.tools.length > 5);
      const ping = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
      assert.notEqual((await fetch(payload.endpoint ?? '', ping)).status, 404);
      const seen = (await (await import('node:fs/promises')).readFile(join(folder, 'seen'), 'utf8')).trim();
      const [pid, ...rest] = seen.split(' ');
      assert.deepEqual(
        rest,
        ['--mode', 'prod', 'k-1', 'nats:'],
        'its own environment, without that of the platform',
      );
      sidecar.signal('SIGINT');
      assert.equal(await sidecar.ended(), 0);
      await until('the deregistration', () => world.deregistered[0]);
      assert.throws(() => process.kill(Number(pid), 0), /ESRCH/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('waits for its server, follows its changes, is silent with it and comes back with it', async () => {
    const port = await freePort();
    await using world = await listen(nats.url, 'acme');
    const words = `--server late --endpoint http://127.0.0.1:${port}/mcp --heartbeat 200ms --prefix acme --tenant blue --tag gpu --weight 5`;
    await using sidecar = startSidecar(words.split(' '), env);
    await sidecar.says(/^Waiting for http:\S+: .*refused.*\.\n/);
    let server = await startModernServer({ port, toolsPerPage: 4 });
    const first = await until('the announcement', () => world.announced[0]);
    assert.deepEqual([first.tenant_id, first.payload.tags, first.payload.weight], ['blue', ['gpu'], 5]);
    const beats = await until(
      'three heartbeats',
      () => world.beats.length >= 3 && world.beats.map((b) => heartbeatSchema.parse(b)),
    );
    assert.deepEqual(
      beats.slice(0, 3).map((beat) => beat.payload.seq),
      [1, 2, 3],
    );
    assert.equal(beats[0]?.payload.capabilities_hash, first.payload.capabilities_hash);

    server.catalogue.addTool(namedTool('brand-new'));
    const second = await until('the second announcement', () => world.announced[1]);
    assert.ok(second.payload.tools.some((tool) => tool.name === 'brand-new'));
    assert.notEqual(second.payload.capabilities_hash, first.payload.capabilities_hash);
    await sidecar.says(/late changed and is announced anew with \d+ tools\./);

    await server.close();
    await sidecar.says(/does not answer: .*\. No heartbeats are sent until it does\./);
    const silent = world.beats.length;
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(world.beats.length, silent);

    server = await startModernServer({ port });
    const third = await until('the third announcement', () => world.announced[2]);
    assert.equal(third.payload.instance_id, first.payload.instance_id);
    assert.ok(!third.payload.tools.some((tool) => tool.name === 'brand-new'));
    await sidecar.says(/answers again\./);
    assert.match(
      sidecar.stdout(),
      /^announced late \S+ \d+ tools\n$/,
      'one line, however often it is announced',
    );
    await server.close();
  });

  it('introduces itself again when it was taken for dead, and when NATS came back', async () => {
    const bus = await startNats();
    await using server = await startLegacyServer();
    await using world = await listen(bus.url);
    const words = `--server steady --endpoint ${server.url} --heartbeat 300ms --nats-url ${bus.url} --instance-id steady-1`;
    await using sidecar = startSidecar(words.split(' '), {});
    await until('the announcement', () => world.announced[0]);
    const verdict = {
      old_status: 'stale',
      new_status: 'expired',
      health: 'expired',
      reason: 'No heartbeat.',
      age_ms: 1,
    };
    await world.bus.publish(world.subjects.verdict, {
      event_type: 'mcp.verdict',
      event_id: 'v1',
      timestamp: new Date().toISOString(),
      payload: { server: 'steady', instance_id: 'steady-1', ...verdict },
    });
    await until('the second announcement', () => world.announced[1]);

    await bus.kill('SIGKILL');
    await bus.restart();
    await until('the announcement after the restart', () => world.announced[2]);
    const heard = world.beats.length;
    await until('heartbeats after the restart', () => world.beats.length > heard);
    const sessions = server.sessionCount();
    assert.ok(sessions <= 2, `${sessions} sessions`);

    await bus.kill('SIGKILL');
    const startedMs = performance.now();
    sidecar.signal('SIGTERM');
    assert.equal(await sidecar.ended(), 0);
    assert.ok(performance.now() - startedMs < 6_000, 'without NATS it ends within its bound');
    await bus.stop();
  });

  it('waits for NATS, says so, and stores its announcement once it is there', async () => {
    const port = await freePort();
    await using server = await startLegacySseServer();
    const words = `--server old --transport sse --endpoint ${server.url} --nats-url nats://u:hunter2@127.0.0.1:${port} --once`;
    await using sidecar = startSidecar(words.split(' '), {});
    await sidecar.says(/Waiting for NATS: .*\./);
    const bus = await startNats({ port });
    assert.equal(await sidecar.ended(), 0);
    assert.match(sidecar.stdout(), /^announced old old-[0-9a-f]{8} \d+ tools\n$/);
    assert.doesNotMatch(sidecar.stderr(), /hunter2/);
    await using world = await listen(bus.url);
    const stored: unknown[] = [];
    const options = {
      stream: streams('cruvero').mcp.name,
      durable: 'test',
      subject: world.subjects.announce,
      ackWaitMs: 5_000,
      deliveriesMax: 1,
    };
    await world.bus.consume(options, async ({ body }) => void stored.push(body));
    const event = announceSchema.parse(await until('the stored announcement', () => stored[0]));
    assert.equal(event.payload.transport, 'sse');
    assert.equal(event.payload.heartbeat_interval_ms, undefined, 'who sends no heartbeats promises none');
    assert.equal(world.deregistered.length, 0);
    await bus.stop();
  });

  it('ends with 1 and a sentence when its command cannot run', async () => {
    await using sidecar = startSidecar(
      ['--server', 'x', '--', './no-such-command', '--token', 'hunter2'],
      env,
    );
    assert.equal(await sidecar.ended(), 1);
    assert.match(sidecar.stderr(), /The command "\.\/no-such-command" does not stay up: /);
    assert.doesNotMatch(sidecar.stderr(), /hunter2/);
    assert.equal(sidecar.stdout(), '');
  });

  it('ends with 64 and sentences for a wrong command line', async () => {
    await using sidecar = startSidecar(['--server', 'A B', '--transport', 'http'], env);
    assert.equal(await sidecar.ended(), 64);
    assert.match(
      sidecar.stderr(),
      /^--server must be .*\n--endpoint is required for --transport http\.\nSee mcp-announce --help\.\n$/,
    );
  });
});
