/** The service as its callers see it, over a sandbox that tests play. */

import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Secret } from '@cruvero/chassis';
import { memoryBroker } from '@cruvero/adapter-memory';
import type { Listener } from '@cruvero/ports';
import { MemoryTelemetry, SimClock } from '@cruvero/testkit';
import { startCodeExec, type CodeExec } from './code-exec.ts';
import type { CodeExecConfig } from './config.ts';
import { boundary, FakeSandbox, outcome } from './fake-sandbox.fixture.ts';
import { retryAfterKey } from './result.ts';

const config: CodeExecConfig = {
  version: '1.2.3',
  instanceName: 'test',
  tenantId: undefined,
  subjectPrefix: 'cruvero',
  heartbeatIntervalMs: 1_000,
  bounds: {
    timeoutMs: 30_000,
    memoryBytesMax: 1 << 28,
    processesMax: 32,
    cpuMax: 1,
    outputBytesMax: 1 << 16,
    workBytesMax: 1 << 20,
    fileBytesMax: 1 << 20,
    filesMax: 8,
    filesBytesMax: 1 << 20,
  },
  runsMax: 1,
  waitingMax: 0,
  waitMsMax: 1_000,
  keptMs: 60_000,
  keptBytesMax: 1 << 20,
  workspaceIdleMs: 60_000,
  workspaceBytesMax: 1 << 20,
  workspacesBytesMax: 8 << 20,
  workspacesMax: 2,
  bodyBytesMax: 1 << 20,
  token: undefined,
  publicUrl: undefined,
  allowedHosts: [],
  drainMs: 100,
};

interface Answer {
  readonly result?: {
    readonly content: readonly { readonly type: string; readonly text?: string; readonly uri?: string }[];
    readonly structuredContent?: Readonly<Record<string, unknown>>;
    readonly isError?: boolean;
    readonly contents?: readonly { readonly text?: string; readonly blob?: string }[];
    readonly _meta?: Readonly<Record<string, unknown>>;
    readonly tools?: readonly {
      readonly name: string;
      readonly description?: string;
      readonly annotations: object;
      readonly outputSchema?: object;
    }[];
  };
  readonly error?: { readonly code: number; readonly message: string };
}

async function service(sandbox = new FakeSandbox(), more: Partial<CodeExecConfig> = {}, ports = {}) {
  const clock = new SimClock();
  const telemetry = new MemoryTelemetry();
  const started = await startCodeExec({ ...config, ...more }, { sandbox, clock, telemetry, ...ports });
  assert.ok(!('refused' in started));
  return {
    codeExec: started,
    clock,
    telemetry,
    sandbox,
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
  };
}

let lastId = 0;
async function ask(
  codeExec: CodeExec,
  method: string,
  params: object,
  signal = new AbortController().signal,
) {
  const answer = await codeExec.upstream.exchange({
    httpMethod: 'POST',
    endpoint: 'inproc://code-exec/x',
    headers: { 'mcp-protocol-version': '2025-11-25' },
    body: JSON.stringify({ jsonrpc: '2.0', id: (lastId += 1), method, params }),
    signal,
    timeoutMs: 5_000,
    bytesMax: 1 << 20,
  });
  assert.ok(!('fault' in answer), JSON.stringify(answer));
  let text = answer.body.kind === 'text' ? answer.body.text : '';
  if (answer.body.kind === 'stream') for await (const chunk of answer.body.chunks) text += chunk;
  const messages = text
    .split('\n')
    .map((line) => line.replace(/^data: /, ''))
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Answer & { readonly params?: { readonly message: string } });
  return { answer: messages.at(-1) ?? assert.fail(text), before: messages.slice(0, -1) };
}

async function call(codeExec: CodeExec, args: object, meta: object = {}) {
  const { answer } = await ask(codeExec, 'tools/call', {
    name: 'python_exec',
    arguments: { code: '1', ...args },
    _meta: meta,
  });
  return answer.result ?? assert.fail(JSON.stringify(answer));
}

describe('code execution', () => {
  it('does not start without a boundary, and says why', async () => {
    const sandbox = new FakeSandbox();
    sandbox.measured = { refused: 'There is no bwrap.' };
    const started = await startCodeExec(config, {
      sandbox,
      clock: new SimClock(),
      telemetry: new MemoryTelemetry(),
    });
    assert.deepEqual(started, { refused: 'There is no bwrap.' });
  });

  it('offers two tools that say what they may do', async () => {
    await using running = await service();
    const { answer } = await ask(running.codeExec, 'tools/list', {});
    assert.deepEqual(
      answer.result?.tools?.map(({ name }) => name),
      ['python_exec', 'bash_exec'],
    );
    for (const { annotations, outputSchema } of answer.result?.tools ?? []) {
      assert.deepEqual(annotations, {
        readOnlyHint: false,
        destructiveHint: true,
        idempotentHint: false,
        openWorldHint: false,
      });
      assert.ok(outputSchema);
    }
  });

  it('says that its world is open where hosts are listed, and which they are', async () => {
    const sandbox = new FakeSandbox();
    sandbox.measured = { ...boundary, allowedHosts: ['pypi.org:443', '*.example.com:443'] };
    await using it = await service(sandbox);
    const { answer } = await ask(it.codeExec, 'tools/list', {});
    for (const { annotations, description } of answer.result?.tools ?? assert.fail()) {
      assert.ok('openWorldHint' in annotations && annotations.openWorldHint === true);
      assert.match(
        description ?? '',
        /no network but HTTP and HTTPS to pypi\.org:443, \*\.example\.com:443 by/,
      );
    }
  });

  it('hands a call to the sandbox as it was asked for, and the outcome back in both forms', async () => {
    await using running = await service();
    running.sandbox.play = (job) => {
      job.onOutput('stdout', Buffer.from('hé'));
      job.onOutput('stderr', Buffer.from([0xff]));
      return { ...outcome, exitCode: 2, stdout: { bytes: 10, droppedBytes: 7 } };
    };
    const files = [
      { path: 'a.txt', text: 'ä' },
      { path: 'b.bin', base64: '/w==' },
    ];
    const result = await call(running.codeExec, { args: ['x'], stdin: 'in', files, timeout_ms: 500 });
    const [job] = running.sandbox.jobs;
    assert.deepEqual(
      [job?.program, job?.args, String(job?.stdin), job?.bounds.timeoutMs, job?.giveBack],
      ['python', ['x'], 'in', 500, 'changed'],
    );
    assert.deepEqual(
      job?.files.map(({ path, bytes }) => [path, [...bytes]]),
      [
        ['a.txt', [0xc3, 0xa4]],
        ['b.bin', [0xff]],
      ],
    );
    assert.equal(result.isError, true);
    assert.equal(
      result.content[0]?.text,
      'stdout:\nhé\n[stdout: 7 of 10 bytes are not shown]\nstderr:\n\ufffd\n[exit code 2 after 0.01 s]',
    );
    const { stdout, exit_code: code, truncated } = result.structuredContent ?? {};
    assert.deepEqual([stdout, code], ['hé', 2]);
    assert.deepEqual(truncated, {
      stdout: { bytes: 10, dropped_bytes: 7 },
      stderr: { bytes: 0, dropped_bytes: 0 },
    });
  });

  it('refuses what no schema allows before anything runs', async () => {
    await using running = await service();
    const bad = [
      { timeout_ms: 30_001 },
      { workspace: '../x' },
      { files: [{ path: '../x', text: '' }] },
      { files: [{ path: 'x' }] },
      { files: [{ path: 'x', text: '', base64: '' }] },
      { code: 5 },
    ];
    for (const args of bad)
      assert.equal((await call(running.codeExec, args)).isError, true, JSON.stringify(args));
    assert.equal(running.sandbox.jobs.length, 0);
  });

  it('gives files as links that can be read for a while, and images as images', async () => {
    await using running = await service();
    const png = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    const made = [
      { path: 'plot.png', bytes: png },
      { path: 'd/data.csv', bytes: Buffer.from('a,b') },
      { path: 'x.bin', bytes: Buffer.from([1, 2]) },
    ];
    running.sandbox.play = () => ({ ...outcome, files: made });
    const { content } = await call(running.codeExec, {});
    assert.deepEqual(
      content.map(({ type }) => type),
      ['text', 'image', 'resource_link', 'resource_link'],
    );
    const read = async (uri: string | undefined) =>
      (await ask(running.codeExec, 'resources/read', { uri })).answer;
    assert.equal((await read(content[2]?.uri)).result?.contents?.[0]?.text, 'a,b');
    assert.equal((await read(content[3]?.uri)).result?.contents?.[0]?.blob, 'AQI=');
    assert.ok((await read('code-exec://files/guessed/x.bin')).error);
    await running.clock.advance(60_000);
    assert.ok((await read(content[2]?.uri)).error);
  });

  it('finds files of a workspace again, for the same caller only', async () => {
    await using running = await service();
    running.sandbox.play = (job) => ({
      ...outcome,
      files: [...job.files, { path: `n${job.files.length}`, bytes: Buffer.from('x') }],
    });
    const caller = (name: string) => ({ 'cruvero.dev/caller': name });
    const first = await call(running.codeExec, { workspace: 'w' }, caller('ann'));
    const second = await call(running.codeExec, { workspace: 'w' }, caller('ann'));
    await call(running.codeExec, { workspace: 'w' }, caller('ben'));
    assert.deepEqual(
      running.sandbox.jobs.map(({ files, giveBack }) => [files.map(({ path }) => path), giveBack]),
      [
        [[], 'all'],
        [['n0'], 'all'],
        [[], 'all'],
      ],
    );
    const shown = (result: typeof first) =>
      (result.structuredContent?.['files'] as { path: string }[]).map(({ path }) => path);
    assert.deepEqual([shown(first), shown(second)], [['n0'], ['n1']], 'only what is new is shown');
  });

  it('says where a workspace could not take its files, which stays as it was', async () => {
    // Half of the work folder is the bound, whatever the setting says.
    await using running = await service();
    const made = (size: number) => [{ path: 'a', bytes: Buffer.alloc(size) }];
    for (const [size, saved] of [
      [1 << 19, true],
      [(1 << 19) + 1, false],
    ] as const) {
      running.sandbox.play = () => ({ ...outcome, files: made(size) });
      const { content, structuredContent } = await call(running.codeExec, { workspace: 'w' });
      assert.equal(structuredContent?.['workspace_saved'], saved);
      assert.equal(/\[the workspace is as it was before: /.test(content[0]?.text ?? ''), !saved);
    }
    await call(running.codeExec, { workspace: 'w' });
    assert.equal(running.sandbox.jobs.at(-1)?.files[0]?.bytes.length, 1 << 19);
  });

  it('hands files that only their names make text over as they are', async () => {
    await using running = await service();
    running.sandbox.play = () => ({
      ...outcome,
      files: [{ path: 'l.csv', bytes: Buffer.from([0xe9, 0x2c]) }],
    });
    const { content } = await call(running.codeExec, {});
    const { answer } = await ask(running.codeExec, 'resources/read', { uri: content[1]?.uri });
    assert.deepEqual(
      [answer.result?.contents?.[0]?.text, answer.result?.contents?.[0]?.blob],
      [undefined, '6Sw='],
    );
  });

  it('tells who listens what is said while it runs', async () => {
    await using running = await service();
    running.sandbox.play = async (job) => {
      job.onOutput('stdout', Buffer.from('one '));
      await running.clock.advance(200);
      job.onOutput('stderr', Buffer.from('two'));
      return outcome;
    };
    const asked = { name: 'bash_exec', arguments: { command: 'x' }, _meta: { progressToken: 7 } };
    const { before } = await ask(running.codeExec, 'tools/call', asked);
    assert.deepEqual(
      before.map(({ params }) => params),
      [
        { progressToken: 7, progress: 4, message: 'one ' },
        { progressToken: 7, progress: 7, message: 'two' },
      ],
    );
  });

  it('says when to come again where too many call', async () => {
    await using running = await service();
    const release = Promise.withResolvers<void>();
    running.sandbox.play = async () => {
      await release.promise;
      return outcome;
    };
    const first = call(running.codeExec, {});
    while (running.sandbox.jobs.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const refused = await call(running.codeExec, {});
    assert.match(
      refused.content[0]?.text ?? '',
      /^Busy: 1 calls run and 0 wait\. Nothing was executed; try again in 0\.5 s\.$/,
    );
    assert.equal(refused._meta?.[retryAfterKey], 500);
    release.resolve();
    assert.equal((await first).isError, false);
    assert.equal((await call(running.codeExec, {})).isError, false);
  });

  it('hides what the machine said when a run could not be started', async () => {
    await using running = await service();
    running.sandbox.play = () => ({ fault: 'sandbox_broken', detail: 'bwrap: /secret/path' });
    const { content, isError } = await call(running.codeExec, {});
    assert.equal(isError, true);
    assert.doesNotMatch(JSON.stringify(content), /secret/);
    assert.ok(running.telemetry.lines.some(({ level }) => level === 'error'));
  });

  it('ends the run of a caller that goes away', async () => {
    await using running = await service();
    const aborter = new AbortController();
    const seen = Promise.withResolvers<void>();
    running.sandbox.play = async (job) => {
      aborter.abort();
      if (!job.signal.aborted) await once(job.signal, 'abort');
      seen.resolve();
      return { ...outcome, ended: 'aborted' };
    };
    void ask(
      running.codeExec,
      'tools/call',
      { name: 'bash_exec', arguments: { command: 'x' } },
      aborter.signal,
    ).catch(() => undefined);
    await seen.promise;
  });
});

const listener: Listener = {
  listen: async (handler) => {
    const server = createServer(handler);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const close = async (): Promise<void> => {
      server.closeAllConnections();
      server.close();
    };
    return { url: `http://127.0.0.1:${port}`, host: '127.0.0.1', port, close };
  },
};

describe('code execution over HTTP', { timeout: 10_000 }, () => {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} });
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

  it('says in /healthz what the boundary is made of', async () => {
    await using running = await service(new FakeSandbox(), {}, { listener });
    const url = running.codeExec.url ?? assert.fail();
    const health = (await (await fetch(new URL('/healthz', url))).json()) as { boundary: { by: string } };
    assert.equal(health.boundary.by, 'made up');
    assert.equal((await fetch(new URL('/readyz', url))).status, 200);
    assert.match(await (await fetch(new URL('/metrics', url))).text(), /code_exec|^$/);
    running.codeExec.drain();
    assert.equal((await fetch(new URL('/readyz', url))).status, 503);
    assert.equal((await fetch(new URL('/else', url))).status, 404);
  });

  it('ends the run of a caller that hangs up, however much was collected as garbage meanwhile', async () => {
    const sandbox = new FakeSandbox();
    await using running = await service(sandbox, {}, { listener });
    const started = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    sandbox.play = async (job) => {
      const aborted = once(job.signal, 'abort');
      started.resolve();
      await aborted;
      ended.resolve();
      return { ...outcome, ended: 'aborted' };
    };
    const text = JSON.stringify({
      ...{ jsonrpc: '2.0', id: 1, method: 'tools/call' },
      params: { name: 'bash_exec', arguments: { command: 'x' } },
    });
    const call = request(running.codeExec.url ?? assert.fail(), { method: 'POST', headers });
    call.on('error', () => undefined);
    call.end(text);
    await started.promise;
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let turn = 0; turn < 5; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      collect();
    }
    call.destroy();
    await ended.promise;
  });

  it('takes bodies up to its own bound', async () => {
    await using running = await service(new FakeSandbox(), { bodyBytesMax: 6 << 20 }, { listener });
    const url = running.codeExec.url ?? assert.fail();
    const post = async (size: number) =>
      (await fetch(url, { method: 'POST', headers, body: body.padEnd(size, ' ') })).status;
    assert.deepEqual([await post(5 << 20), await post(7 << 20)], [200, 413]);
  });

  it('refuses pages, other hosts, and who has no token', async () => {
    await using running = await service(new FakeSandbox(), { token: new Secret('s3cret') }, { listener });
    const url = running.codeExec.url ?? assert.fail();
    const post = async (more: Record<string, string>) =>
      (await fetch(url, { method: 'POST', headers: { ...headers, ...more }, body })).status;
    assert.equal(await post({}), 401);
    assert.equal(await post({ authorization: 'Bearer wrong' }), 401);
    assert.equal(await post({ authorization: 'Bearer s3cret' }), 200);
    assert.equal(await post({ authorization: 'Bearer s3cret', origin: 'https://evil.example' }), 403);
    assert.equal(await post({ authorization: 'Bearer s3cret', origin: 'http://localhost:3000' }), 403);
  });
});

describe('code execution on the bus', () => {
  it('announces itself with its tools, beats, and says goodbye', async () => {
    const clock = new SimClock();
    const broker = memoryBroker({ clock, random: () => 0.5 });
    const heard: { event_type: string; payload: Record<string, unknown> }[] = [];
    const listening = broker.connect();
    listening.subscribe('cruvero.mcp.>', ({ body }) => void heard.push(body as never));
    const started = await startCodeExec(config, {
      sandbox: new FakeSandbox(),
      clock,
      telemetry: new MemoryTelemetry(),
      bus: broker.connect(),
    });
    assert.ok(!('refused' in started));
    await clock.advance(1_000);
    await started[Symbol.asyncDispose]();
    await clock.advance(10);
    const types = heard.map(({ event_type: type }) => type);
    assert.deepEqual(
      [types[0], types.includes('mcp.heartbeat'), types.at(-1)],
      ['mcp.announce', true, 'mcp.deregister'],
    );
    const { server, transport, endpoint, tools } = heard[0]?.payload ?? {};
    assert.deepEqual(
      [server, transport, endpoint],
      ['code-exec', 'inproc', 'inproc://code-exec/code-exec.test'],
    );
    assert.equal((tools as unknown[]).length, 2);
  });

  it('is not announced behind its end, however late its stream is made', async () => {
    const clock = new SimClock();
    const broker = memoryBroker({ clock, random: () => 0.5 });
    const heard: string[] = [];
    const listening = broker.connect();
    listening.subscribe('cruvero.mcp.>', ({ subject }) => void heard.push(subject));
    const gate = Promise.withResolvers<void>();
    const bus = broker.connect();
    const { ensureStream } = bus;
    bus.ensureStream = async (definition) => {
      await gate.promise;
      return ensureStream.call(bus, definition);
    };
    const [sandbox, telemetry] = [new FakeSandbox(), new MemoryTelemetry()];
    const started = await startCodeExec(config, { sandbox, clock, telemetry, bus });
    assert.ok(!('refused' in started));
    await started[Symbol.asyncDispose]();
    gate.resolve();
    await clock.advance(1_000);
    assert.deepEqual(heard, []);
  });
});
