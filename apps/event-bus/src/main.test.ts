/** The command line as an operator uses it: a child process against a real nats-server. */

import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'node:test';

import type { NatsAdmin } from '@cruvero/adapter-nats';
import { connectNats, natsAdmin } from '@cruvero/adapter-nats';
import { systemClock, systemRandom } from '@cruvero/chassis';
import { streams } from '@cruvero/contracts';
import type { Server } from '@cruvero/stack';
import { freePort, startNats } from '@cruvero/stack';
import { MemoryTelemetry } from '@cruvero/testkit';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
const secondsMax = 20;

let server: Server;
let operator: NatsAdmin;

before(async () => {
  server = await startNats();
  const admin = await natsAdmin({ url: server.url, name: 'test' });
  assert.ok(!('fault' in admin));
  operator = admin;
});
after(async () => {
  await operator[Symbol.asyncDispose]();
  await server.stop();
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** What it has printed so far. */
  said(): { readonly out: string; readonly err: string };
}

function start(
  args: readonly string[],
  env: Readonly<Record<string, string>> = { CRUVERO_NATS_URL: server.url },
): Running {
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: secondsMax * 1_000,
    killSignal: 'SIGKILL',
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, out, err }));
  return { child, ended, said: () => ({ out, err }) };
}

/** The end of a command that reads nothing. */
async function cli(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended> {
  const running = start(args, env);
  running.child.stdin?.end();
  return await running.ended;
}

async function eventually(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; i < secondsMax * 100; i += 1) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`not within ${secondsMax} seconds: ${what}`);
}

/** Streams as the registry makes them, and one consumer that has read one of two messages. */
async function fill(): Promise<void> {
  const { log } = new MemoryTelemetry();
  const fixed = { name: 'test', clock: systemClock, random: systemRandom, log };
  const bus = await connectNats({ url: server.url, ...fixed });
  await eventually('connected', () => bus.state() === 'connected');
  for (const definition of Object.values(streams('cruvero')))
    assert.equal(await bus.ensureStream(definition), undefined);
  await bus.publishStored('cruvero.mcp.announce', { n: 1 }, 'one');
  let read = 0;
  const options = {
    stream: 'CRUVERO_MCP',
    durable: 'registry',
    subject: 'cruvero.mcp.>',
    ackWaitMs: 30_000,
    deliveriesMax: 5,
  };
  await bus.consume(options, async () => void (read += 1));
  await eventually('read', () => read === 1);
  await bus[Symbol.asyncDispose]();
  const second = await natsAdmin({ url: server.url, name: 'test' });
  assert.ok(!('fault' in second));
  await second.publishStored('cruvero.mcp.announce', { n: 2 }, 'two');
  await second[Symbol.asyncDispose]();
}

describe('event-bus status, streams, consumers', () => {
  it('show an empty server, then what is on it, as tables and as JSON', async () => {
    const empty = await cli(['streams']);
    assert.deepEqual([empty.code, empty.out], [0, '']);
    assert.match(empty.err, /There are no streams/);
    await fill();
    const table = await cli(['streams']);
    assert.equal(table.code, 0);
    assert.match(table.out, /^STREAM +SUBJECTS +MESSAGES/);
    assert.match(table.out, /CRUVERO_MCP +cruvero\.mcp\.> +2 .*256 MiB +1h +file +1 /);
    const json = await cli(['--format', 'json', 'streams']);
    const rows = JSON.parse(json.out) as { name: string }[];
    assert.deepEqual(
      rows.map((row) => row.name),
      ['CRUVERO_EVENTS', 'CRUVERO_MCP', 'CRUVERO_MCPGW'],
    );
    const consumers = JSON.parse(
      (await cli(['consumers', 'CRUVERO_MCP', '--format', 'json'])).out,
    ) as unknown[];
    assert.equal(consumers.length, 1);
    const { name, filter, pending, unacknowledged, acknowledgedSequence } = consumers[0] as Record<
      string,
      unknown
    >;
    assert.deepEqual(
      { name, filter, pending, unacknowledged, acknowledgedSequence },
      { name: 'registry', filter: 'cruvero.mcp.>', pending: 1, unacknowledged: 0, acknowledgedSequence: 1 },
    );
    assert.match((await cli(['consumers'])).out, /CRUVERO_MCP +registry +yes/);
    const status = await cli(['status']);
    assert.equal(status.code, 0);
    assert.match(status.out, /^server +nats:\/\/127\.0\.0\.1/);
    assert.match(status.out, /JetStream +yes\nstreams +3\nconsumers +1\nmessages +2\n/);
    const facts = JSON.parse((await cli(['status', '--format=json'])).out) as Record<string, unknown>;
    assert.deepEqual([facts['streams'], facts['pending'], facts['jetstream']], [3, 1, true]);
  });

  it('fail with a sentence and 1 for a stream that is not there', async () => {
    for (const args of [
      ['consumers', 'NONE'],
      ['purge', 'NONE'],
      ['purge', 'NONE', '--yes'],
      ['consumers', 'a.b'],
    ]) {
      const { code, out, err } = await cli(args);
      assert.deepEqual([code, out], [1, ''], args.join(' '));
      assert.match(err, /^event-bus: .*stream/);
    }
  });
});

describe('event-bus publish and subscribe', () => {
  it('print messages as they come and end after --count', async () => {
    const listening = start(['subscribe', 'note.>', '--count', '2', '--format', 'json']);
    await eventually('it listens', () => listening.said().err.includes('Listening'));
    const published = await cli(['publish', 'note.a', '{"text":"hello"}']);
    assert.deepEqual([published.code, published.out], [0, 'published on note.a\n']);
    const piped = start(['publish', 'note.b.c', '-']);
    piped.child.stdin?.end('[1,"zażółć"]\n');
    assert.equal((await piped.ended).code, 0);
    const { code, out } = await listening.ended;
    assert.equal(code, 0);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      lines.map(({ subject, body }) => ({ subject, body })),
      [
        { subject: 'note.a', body: { text: 'hello' } },
        { subject: 'note.b.c', body: [1, 'zażółć'] },
      ],
    );
  });

  it('end with 0 on Ctrl-C, live through a restart of the server, and show no escape sequence raw', async () => {
    await using own = await startNats();
    const listening = start(['--nats-url', own.url, 'subscribe', 'esc']);
    await eventually('it listens', () => listening.said().err.includes('Listening'));
    await own.kill('SIGKILL');
    await own.restart();
    const say = async (text: string) => {
      await cli(['publish', 'esc', JSON.stringify(text), '--nats-url', own.url]);
      return listening.said().out.includes('hello');
    };
    let heard = false;
    for (let i = 0; i < 10 && !heard; i += 1) heard = await say('\u009b2Jhello');
    assert.ok(heard);
    assert.ok(!listening.said().out.includes('\u009b'));
    listening.child.kill('SIGINT');
    assert.equal((await listening.ended).code, 0);
  });

  it('end when nobody reads any more', async () => {
    const listening = start(['subscribe', 'pipe.>']);
    await eventually('it listens', () => listening.said().err.includes('Listening'));
    listening.child.stdout?.destroy();
    let over = false;
    void listening.ended.then(() => (over = true));
    for (let i = 0; i < 20 && !over; i += 1) await operator.publish('pipe.x', i);
    assert.equal((await listening.ended).code, 0);
  });

  it('store with --stored, once for one id, and fail where no stream covers the subject', async () => {
    const send = () =>
      cli(['publish', 'cruvero.events.x', '{"n":1}', '--stored', '--id', 'same', '--format', 'json']);
    const first = JSON.parse((await send()).out) as Record<string, unknown>;
    const second = JSON.parse((await send()).out) as Record<string, unknown>;
    assert.deepEqual(
      [first['stream'], first['duplicate'], first['messageId']],
      ['CRUVERO_EVENTS', false, 'same'],
    );
    assert.deepEqual([second['duplicate'], second['sequence']], [true, first['sequence']]);
    const nowhere = await cli(['publish', 'nowhere', '1', '--stored']);
    assert.deepEqual([nowhere.code, nowhere.out], [1, '']);
    assert.match(nowhere.err, /no stream covers nowhere/);
  });

  it('refuse what is no subject, and a message that is too large', async () => {
    assert.equal((await cli(['publish', 'a..b', '1'])).code, 1);
    assert.equal((await cli(['subscribe', 'a..b'])).code, 1);
    const big = start(['publish', 'big', '-']);
    big.child.stdin?.end(JSON.stringify('x'.repeat(1 << 20)));
    const { code, err } = await big.ended;
    assert.equal(code, 1);
    assert.match(err, /at most 1048576/);
  });
});

describe('event-bus purge', () => {
  it('asks for --yes, saying what it would do, and then does it', async () => {
    await operator.publishStored('mcpgw.gw.events.x', {}, 'purge-me');
    const asked = await cli(['purge', 'CRUVERO_MCPGW']);
    assert.deepEqual([asked.code, asked.out], [2, '']);
    assert.match(asked.err, /would remove 1 message from CRUVERO_MCPGW.*--yes/);
    const done = await cli(['purge', 'CRUVERO_MCPGW', '--yes']);
    assert.deepEqual([done.code, done.out], [0, 'removed 1 message from CRUVERO_MCPGW\n']);
    assert.equal(await operator.count('CRUVERO_MCPGW'), 0);
  });
});

describe('event-bus, used wrongly', () => {
  it('says 2 and what can be said', async () => {
    const wrong = [
      ['publsh', 'a', '1'],
      ['publish', 'a'],
      ['publish', 'a', 'hello'],
      ['subscribe', 'a', '--count', '0'],
      ['subscribe', 'a', '--count', 'x'],
      ['status', '--format', 'xml'],
      ['status', '--nats-url', 'http://localhost'],
      ['status', '--what'],
      [],
    ];
    for (const args of wrong) {
      const { code, out, err } = await cli(args);
      assert.deepEqual([code, out], [2, ''], args.join(' '));
      assert.ok(err.length > 20, args.join(' '));
    }
  });

  it('says 1 and where it tried when the server is away, without the password', async () => {
    const port = await freePort();
    const { code, out, err } = await cli(['status'], {
      CRUVERO_NATS_URL: `nats://ann:pa55w0rd@127.0.0.1:${port}`,
    });
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, new RegExp(`nats://127\\.0\\.0\\.1:${port} cannot be reached: connection refused`));
    assert.doesNotMatch(err, /pa55w0rd/);
  });

  it('prints its help to standard output, with examples, for every command', async () => {
    const { code, out } = await cli(['--help']);
    assert.equal(code, 0);
    for (const word of [
      'status',
      'streams',
      'consumers',
      'subscribe',
      'publish',
      'purge',
      'CRUVERO_NATS_URL',
      'Examples',
    ]) {
      assert.ok(out.includes(word), word);
    }
    assert.equal((await cli(['help', 'publish'])).code, 0);
  });
});
