/** The reference servers behind the bridge answer as they do directly. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { childProcesses } from '@cruvero/adapter-stdio';
import { systemClock, systemRandom } from '@cruvero/chassis';
import { readServerName } from '@cruvero/core';
import { isUpstreamFault, type ConfiguredServer, type UpstreamFault } from '@cruvero/ports';
import { startStdioBridge, type StdioBridge } from '@cruvero/service-stdio-bridge';
import { MemoryTelemetry, stdioModern } from '@cruvero/testkit';

const bin = (name: string): string =>
  fileURLToPath(new URL(`../../../node_modules/.bin/${name}`, import.meta.url));

interface Answer {
  readonly id: unknown;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: number; readonly message: string };
}

const initParams = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'test', version: '1' },
};

let folder = '';
let commands: Record<string, { readonly command: string; readonly args: readonly string[] }> = {};

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cruvero-bridge-'));
  await writeFile(join(folder, 'note.txt'), 'hello');
  const server = (name: string, ...args: string[]) => ({
    command: process.execPath,
    args: [bin(`mcp-server-${name}`), ...args],
  });
  commands = {
    everything: server('everything', 'stdio'),
    memory: server('memory'),
    thinking: server('sequential-thinking'),
    files: server('filesystem', folder),
    modern: stdioModern(),
  };
});
after(() => rm(folder, { recursive: true }));

async function bridgeOf(...names: string[]) {
  const children = childProcesses();
  const servers = names.map((label): ConfiguredServer => {
    const name = readServerName(label) ?? assert.fail(label);
    const env = { MEMORY_FILE_PATH: join(folder, 'bridged.json') };
    return { kind: 'command', name, env, instances: 1, ...(commands[label] ?? assert.fail(label)) };
  });
  const bridge = await startStdioBridge(
    {
      bridgeId: 'test',
      subjectPrefix: 'cruvero',
      heartbeatIntervalMs: 30_000,
      requestTimeoutMs: 30_000,
      bodyBytesMax: 1 << 20,
      allowedHosts: [],
      allowedOrigins: [],
    },
    {
      children,
      clock: systemClock,
      random: systemRandom,
      telemetry: new MemoryTelemetry(),
      source: { read: async () => ({ servers, problems: [] }), watch: () => ({ close: () => undefined }) },
    },
  );
  await bridge.ready();
  return {
    bridge,
    caller: (name: string) => Caller.open(bridge, name),
    async [Symbol.asyncDispose]() {
      await bridge[Symbol.asyncDispose]();
      await children[Symbol.asyncDispose]();
    },
  };
}

/** A raw legacy client of one instance. */
class Caller {
  readonly init: Answer;
  readonly #bridge: StdioBridge;
  readonly #endpoint: string;
  readonly #headers: Readonly<Record<string, string>>;

  private constructor(
    bridge: StdioBridge,
    endpoint: string,
    init: Answer,
    headers: Readonly<Record<string, string>>,
  ) {
    this.#bridge = bridge;
    this.#endpoint = endpoint;
    this.init = init;
    this.#headers = headers;
  }

  static async open(bridge: StdioBridge, name: string): Promise<Caller> {
    const endpoint = `inproc://${name}/${name}.test.0`;
    const params = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
    };
    const got = await exchange(bridge, endpoint, {}, 'initialize', params, 0);
    assert.ok(!('fault' in got), JSON.stringify(got));
    return new Caller(bridge, endpoint, got.answer, {
      'mcp-session-id': got.session ?? assert.fail('no session'),
    });
  }

  async try(method: string, params: object, id: number | string = 1): Promise<Answer | UpstreamFault> {
    const got = await exchange(this.#bridge, this.#endpoint, this.#headers, method, params, id);
    return 'fault' in got ? got : got.answer;
  }

  async ask(method: string, params: object = {}, id: number | string = 1): Promise<Answer> {
    const got = await this.try(method, params, id);
    return 'fault' in got ? assert.fail(JSON.stringify(got)) : got;
  }
}

async function exchange(
  bridge: StdioBridge,
  endpoint: string,
  headers: Readonly<Record<string, string>>,
  method: string,
  params: object,
  id: number | string,
): Promise<{ readonly answer: Answer; readonly session: string | undefined } | UpstreamFault> {
  const got = await bridge.upstream.exchange({
    httpMethod: 'POST',
    endpoint,
    headers,
    body: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
    signal: new AbortController().signal,
    timeoutMs: 20_000,
    bytesMax: 8 << 20,
  });
  if (isUpstreamFault(got)) return got;
  let text = '';
  if (got.body.kind === 'text') text = got.body.text;
  else for await (const chunk of got.body.chunks) text += chunk;
  const data = got.body.kind === 'text' ? text : (text.match(/data: .*/g)?.at(-1) ?? '').slice(6);
  return { answer: JSON.parse(data) as Answer, session: got.headers['mcp-session-id'] };
}

type Ask = (method: string, params?: object) => Promise<Answer>;

/** The server without the bridge: its own lines, compared as they are (an SDK would drop members it does not know). */
async function direct(name: string, work: (init: Answer, ask: Ask) => Promise<void>): Promise<void> {
  const { command, args } = commands[name] ?? assert.fail(name);
  const env = { PATH: process.env['PATH'], MEMORY_FILE_PATH: join(folder, 'direct.json') };
  const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'ignore'] });
  const waiting = new Map<unknown, (answer: Answer) => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = JSON.parse(line) as Answer & { readonly method?: string };
    if (message.method === undefined) waiting.get(message.id)?.(message);
  });
  let lastId = 0;
  const ask: Ask = (method, params = {}) =>
    new Promise((resolve) => {
      const id = (lastId += 1);
      waiting.set(id, resolve);
      child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    });
  try {
    const init = await ask('initialize', initParams);
    child.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
    await work(init, ask);
  } finally {
    child.kill('SIGKILL');
  }
}

const calls: Record<
  string,
  readonly { readonly name: string; readonly arguments: Record<string, unknown> }[]
> = {
  everything: [
    { name: 'echo', arguments: { message: 'ünï✓' } },
    { name: 'get-sum', arguments: { a: 2, b: 40 } },
    { name: 'get-tiny-image', arguments: {} },
    { name: 'get-structured-content', arguments: { location: 'Chicago' } },
    { name: 'get-annotated-message', arguments: { messageType: 'error', includeImage: true } },
    { name: 'get-resource-links', arguments: { count: 2 } },
    { name: 'get-sum', arguments: { a: 'no number' } },
    { name: 'no-such-tool', arguments: {} },
  ],
  memory: [
    {
      name: 'create_entities',
      arguments: { entities: [{ name: 'Ann', entityType: 'person', observations: ['likes tea'] }] },
    },
    { name: 'read_graph', arguments: {} },
  ],
  thinking: [
    {
      name: 'sequentialthinking',
      arguments: { thought: 'first', nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 },
    },
  ],
  files: [
    { name: 'read_text_file', arguments: { path: 'note.txt' } },
    { name: 'list_directory', arguments: { path: '/etc' } },
  ],
};

describe('real servers behind the bridge', { timeout: 60_000 }, () => {
  it('look and answer as they do directly, field by field', async () => {
    await using served = await bridgeOf(...Object.keys(calls));
    for (const [name, inputs] of Object.entries(calls)) {
      for (const input of inputs)
        if (typeof input.arguments['path'] === 'string')
          input.arguments['path'] = join(folder, input.arguments['path']);
      const caller = await served.caller(name);
      await direct(name, async (init, ask) => {
        assert.deepEqual(caller.init.result, init.result);
        assert.deepEqual((await caller.ask('tools/list')).result, (await ask('tools/list')).result);
        for (const input of inputs) {
          const [through, straight] = [await caller.ask('tools/call', input), await ask('tools/call', input)];
          assert.deepEqual({ ...through, id: 0 }, { ...straight, id: 0 }, input.name);
        }
      });
    }
  });

  it('show their prompts and resources too', async () => {
    await using served = await bridgeOf('everything');
    const caller = await served.caller('everything');
    await direct('everything', async (_init, ask) => {
      for (const method of ['prompts/list', 'resources/list', 'resources/templates/list']) {
        assert.deepEqual((await caller.ask(method)).result, (await ask(method)).result, method);
      }
      const [resource] = ((await ask('resources/list')).result?.['resources'] ?? []) as readonly {
        readonly uri: string;
      }[];
      const params = { uri: resource?.uri ?? assert.fail('no resource') };
      assert.deepEqual(
        (await caller.ask('resources/read', params)).result,
        (await ask('resources/read', params)).result,
      );
    });
  });

  it('answer 50 callers who all call their request 1', async () => {
    await using served = await bridgeOf('everything');
    const callers = await Promise.all(Array.from({ length: 50 }, () => served.caller('everything')));
    const answers = await Promise.all(
      callers.map((caller, i) =>
        caller.ask('tools/call', { name: 'echo', arguments: { message: `m${i}` } }, 1),
      ),
    );
    for (const [i, answer] of answers.entries()) {
      assert.deepEqual([answer.id, answer.result], [1, { content: [{ type: 'text', text: `Echo: m${i}` }] }]);
    }
  });

  it('stream progress to the one who asked, under his own token', async () => {
    await using served = await bridgeOf('everything');
    const { upstream } = served.bridge;
    const endpoint = 'inproc://everything/everything.test.0';
    const callers = ['a', 'b'].map(async (token) => {
      const opened = await upstream.exchange({
        httpMethod: 'POST',
        endpoint,
        headers: {},
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'initialize',
          params: { protocolVersion: '2025-11-25' },
        }),
        signal: new AbortController().signal,
        timeoutMs: 5_000,
        bytesMax: 1 << 20,
      });
      assert.ok(!isUpstreamFault(opened));
      const params = {
        name: 'trigger-long-running-operation',
        arguments: { duration: 0.2, steps: 2 },
        _meta: { progressToken: token },
      };
      const got = await upstream.exchange({
        httpMethod: 'POST',
        endpoint,
        headers: { 'mcp-session-id': opened.headers['mcp-session-id'] ?? '' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
        signal: new AbortController().signal,
        timeoutMs: 5_000,
        bytesMax: 1 << 20,
      });
      assert.ok(!isUpstreamFault(got) && got.body.kind === 'stream');
      let text = '';
      for await (const chunk of got.body.chunks) text += chunk;
      return text;
    });
    const [a = '', b = ''] = await Promise.all(callers);
    assert.equal(a.match(/"progressToken":"a"/g)?.length, 2);
    assert.equal(b.match(/"progressToken":"b"/g)?.length, 2);
    assert.doesNotMatch(a, /"progressToken":"b"/);
  });

  it('fault what was in work when they are killed, and recover by themselves', async () => {
    await using served = await bridgeOf('everything');
    const caller = await served.caller('everything');
    const long = { name: 'trigger-long-running-operation', arguments: { duration: 30, steps: 1 } };
    const lost = Array.from({ length: 5 }, (_, i) => caller.try('tools/call', long, i));
    // Answered behind the long ones: they have reached the server.
    await caller.ask('tools/call', { name: 'echo', arguments: { message: 'x' } }, 'behind');
    process.kill(served.bridge.listing()[0]?.pid ?? assert.fail('no pid'), 'SIGKILL');
    for (const got of await Promise.all(lost)) {
      assert.deepEqual(got, { fault: 'broken', detail: 'it was ended by SIGKILL', neverLeft: false });
    }
    const back = await caller.ask('tools/call', { name: 'echo', arguments: { message: 'back' } });
    assert.deepEqual(back.result, { content: [{ type: 'text', text: 'Echo: back' }] });
    assert.equal(served.bridge.listing()[0]?.restarts, 1);
  });

  it('are known for modern where they are, and spoken to so', async () => {
    await using served = await bridgeOf('modern');
    assert.deepEqual(
      served.bridge.listing().map(({ era, state }) => [era, state]),
      [['modern', 'running']],
    );
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
      'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    };
    const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' };
    const got = await exchange(
      served.bridge,
      'inproc://modern/modern.test.0',
      headers,
      'tools/list',
      { _meta },
      'x',
    );
    assert.ok(!('fault' in got));
    assert.equal(got.answer.id, 'x');
    assert.ok(
      Array.isArray(got.answer.result?.['tools']) && got.answer.result['tools'].length > 0,
      JSON.stringify(got.answer),
    );
  });
});

describe('the program', { timeout: 30_000 }, () => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));

  async function start(env: Record<string, string>) {
    const path = join(folder, 'cruvero.json');
    await writeFile(path, JSON.stringify({ mcpServers: { Thinking: commands['thinking'] } }));
    const child = spawn(process.execPath, [main], {
      // No NATS there: the bridge serves without it, and announces when it comes.
      env: {
        PATH: process.env['PATH'],
        CRUVERO_CONFIG: path,
        CRUVERO_NATS_URL: 'nats://127.0.0.1:1',
        CRUVERO_STDIO_BRIDGE_LISTEN_ADDR: '127.0.0.1:0',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (text) => (stderr += String(text)));
    return { child, stderr: () => stderr };
  }

  it('serves over HTTP with status beside it, and leaves no orphan when it is killed', async () => {
    const { child, stderr } = await start({});
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const [, url] = /^ready (http:\S+)$/.exec(line) ?? assert.fail(line);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const [, instance] =
      /bridge_child_up\{[^}]*instance="([^"]+)"[^}]*\} 1/.exec(metrics) ?? assert.fail(metrics);
    assert.match(metrics, /bridge_child_memory_bytes\{[^}]*\} [0-9]{7,}/);
    const opened = await fetch(`${url}/servers/thinking/${instance}/mcp`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: { protocolVersion: '2025-11-25', capabilities: {} },
      }),
    });
    assert.equal(opened.status, 200);
    const [, pid] = /"pid":([0-9]+)/.exec(stderr()) ?? assert.fail(stderr());
    child.kill('SIGKILL');
    await untilGone(Number(pid));
  });

  it('ends cleanly on SIGTERM', async () => {
    const { child, stderr } = await start({ CRUVERO_LOG_FORMAT: 'text' });
    await once(createInterface({ input: child.stdout }), 'line');
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number | null];
    assert.equal(code, 0, stderr());
  });

  it('refuses wrong settings with exit code 64 and a sentence for each', async () => {
    const { child, stderr } = await start({
      CRUVERO_MCP_HEARTBEAT_INTERVAL: 'often',
      CRUVERO_NATS_URL: 'http://x',
    });
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 64);
    assert.match(
      stderr(),
      /CRUVERO_MCP_HEARTBEAT_INTERVAL.*\n?.*CRUVERO_NATS_URL|CRUVERO_NATS_URL[^]*CRUVERO_MCP_HEARTBEAT_INTERVAL/,
    );
  });
});

/** Dead counts as gone, though nobody may have asked for its exit code yet. */
async function untilGone(pid: number): Promise<void> {
  const endMs = performance.now() + 8_000;
  for (;;) {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
    if (stat === '' || /\) [ZX] /.test(stat)) return;
    assert.ok(performance.now() < endMs, `process ${pid} is still there`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
