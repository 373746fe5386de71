/** Signals, errors and exit codes: with a process of our own making, and in real ones. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { describe, test } from 'node:test';

import { settle, SimClock } from '@cruvero/testkit';

import { ConfigRefused } from './config-reader.ts';
import { exitCodes, type ProcessLike, runMain, untilAborted, untilSignal } from './lifecycle.ts';

class FakeProcess extends EventEmitter implements ProcessLike {
  readonly env = {};
  exitCode: number | undefined;
  readonly exits: number[] = [];
  exit(code: number): void {
    this.exits.push(code);
  }
  getActiveResourcesInfo(): readonly string[] {
    return ['TCPServerWrap', 'TCPServerWrap', 'Timeout'];
  }
}

function bench() {
  const process = new FakeProcess();
  const clock = new SimClock();
  const printed: string[] = [];
  return {
    process,
    clock,
    printed,
    options: { process, clock, print: (line: string) => void printed.push(line) },
  };
}

test('untilSignal resolves with the first signal and listens no more', async () => {
  const process = new FakeProcess();
  const waiting = untilSignal(['SIGINT', 'SIGTERM'], process);
  process.emit('SIGTERM');
  process.emit('SIGINT');
  assert.equal(await waiting, 'SIGTERM');
  assert.equal(process.listenerCount('SIGINT') + process.listenerCount('SIGTERM'), 0);
});

test('untilAborted resolves at once where the signal is aborted already', async () => {
  await untilAborted(AbortSignal.abort());
});

describe('runMain', () => {
  test('hands over the environment and leaves the exit code alone when all goes well', async () => {
    const { process, options, printed } = bench();
    let seen: unknown;
    await runMain(async (env) => void (seen = env), options);
    assert.equal(seen, process.env);
    assert.equal(process.exitCode, undefined);
    assert.deepEqual([printed, process.exits], [[], []]);
  });

  test('makes one sentence and exit code 1 of an error, and does not end the process itself', async () => {
    const { process, options, printed } = bench();
    await runMain(() => Promise.reject(new Error('127.0.0.1:8080 is taken')), options);
    assert.deepEqual(printed, ['127.0.0.1:8080 is taken.']);
    assert.equal(process.exitCode, exitCodes.failed);
    assert.deepEqual(process.exits, []);
  });

  test('prints every config problem and sets exit code 64', async () => {
    const { process, options, printed } = bench();
    const problems = [
      { name: 'A', problem: 'A is bad.' },
      { name: 'B', problem: 'B is bad.' },
    ];
    await runMain(() => Promise.reject(new ConfigRefused(problems)), options);
    assert.deepEqual(printed, ['A is bad.', 'B is bad.']);
    assert.equal(process.exitCode, 64);
  });

  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    test(`${name} aborts the signal, and main may then end in its own time`, async () => {
      const { process, options } = bench();
      const order: string[] = [];
      const running = runMain(async (_env, signal) => {
        await untilAborted(signal);
        order.push(`aborted by ${String(signal.reason)}`);
      }, options);
      process.emit(name);
      await running;
      assert.deepEqual(order, [`aborted by ${name}`]);
      assert.deepEqual(process.exits, []);
    });
  }

  test('a second SIGINT ends the process, but not one that is the echo of the same key press', async () => {
    const { process, clock, options, printed } = bench();
    void runMain(() => new Promise(() => undefined), options);
    process.emit('SIGINT');
    process.emit('SIGINT');
    await clock.advance(499);
    process.emit('SIGINT');
    assert.deepEqual(process.exits, []);
    await clock.advance(1);
    process.emit('SIGINT');
    assert.deepEqual(process.exits, [exitCodes.interrupted]);
    assert.equal(printed.length, 1);
  });

  test('ends a process that something still holds, names it, and keeps the exit code', async () => {
    const { process, clock, options, printed } = bench();
    await runMain(() => Promise.reject(new Error('x')), { ...options, lingerMsMax: 3_000 });
    await clock.advance(2_999);
    assert.deepEqual(process.exits, []);
    await clock.advance(1);
    await settle();
    assert.deepEqual(process.exits, [1]);
    assert.match(printed.at(-1) ?? '', /3000 ms .* still open: TCPServerWrap, Timeout\.$/);
  });
});

/** Runs `body` as a main in a real process; its standard error is gathered. */
function startMain(body: string, env: Record<string, string> = {}) {
  const url = new URL('./index.ts', import.meta.url).href;
  const program = `
    const { runMain, untilAborted, orRefuse, readConfig } = await import(${JSON.stringify(url)});
    await runMain(async (env, signal) => { ${body} });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return { child, stderr: () => stderr };
}

async function exitOf(child: ChildProcess): Promise<{ code: unknown; signal: unknown }> {
  const [code, signal] = (await once(child, 'close')) as [unknown, unknown];
  return { code, signal };
}

describe('a real process', () => {
  test('ends with 1 and one line after an error', async () => {
    const { child, stderr } = startMain(`throw new Error('no disk');`);
    assert.deepEqual(await exitOf(child), { code: 1, signal: null });
    assert.equal(stderr(), 'no disk.\n');
  });

  test('shows the stack too where the log level is debug', async () => {
    const { child, stderr } = startMain(`throw new Error('no disk');`, { CRUVERO_LOG_LEVEL: 'debug' });
    await exitOf(child);
    assert.match(stderr(), /^no disk\.\nError: no disk\n\s+at /);
  });

  test('ends with 64 after config problems', async () => {
    const { child, stderr } = startMain(
      `orRefuse(readConfig(env, (read) => ({ a: read.port('A', { help: 'Where.' }), b: read.boolean('B', { help: 'If.' }) })));`,
      { B: 'x' },
    );
    assert.deepEqual(await exitOf(child), { code: 64, signal: null });
    assert.equal(stderr(), 'A is not set: Where (port).\nB must be true or false; it is "x".\n');
  });

  test('stays up until SIGTERM, closes what it has opened, and ends with 0', async () => {
    const { child } = startMain(`
      await using _open = { [Symbol.asyncDispose]: async () => console.log('closed') };
      console.log('ready');
      await untilAborted(signal);`);
    child.stdout.setEncoding('utf8');
    let out = '';
    child.stdout.on('data', (text: string) => {
      out += text;
      if (out === 'ready\n') child.kill('SIGTERM');
    });
    assert.deepEqual(await exitOf(child), { code: 0, signal: null });
    assert.equal(out, 'ready\nclosed\n');
  });

  for (const [what, body] of [
    ['an unhandled rejection', `void Promise.reject(new Error('lost')); await untilAborted(signal);`],
    [
      'an uncaught exception',
      `setImmediate(() => { throw new Error('lost'); }); await untilAborted(signal);`,
    ],
  ] as const) {
    test(`logs ${what} and ends with 70`, async () => {
      const { child, stderr } = startMain(body, { OTEL_SERVICE_NAME: 'edge' });
      assert.deepEqual(await exitOf(child), { code: 70, signal: null });
      const line: unknown = JSON.parse(stderr());
      assert.partialDeepStrictEqual(line, {
        level: 'error',
        service: 'edge',
        error: { type: 'Error', message: 'lost' },
      });
    });
  }
});
