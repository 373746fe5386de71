/** mcp-announce as a child process, and an ear on the bus: what tests of the real program need. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { connectNats } from '@cruvero/adapter-nats';
import { systemClock, systemRandom } from '@cruvero/chassis';
import {
  lifecycleSubjects,
  type AnnounceEvent,
  type DeregisterEvent,
  type HeartbeatEvent,
} from '@cruvero/contracts';
import { MemoryTelemetry } from '@cruvero/testkit';

const program = fileURLToPath(new URL('./main.ts', import.meta.url));
const withinMs = 20_000;

/** Polls a condition until it holds; fails with the sentence when it does not within the bound. */
export async function until<T>(what: string, look: () => T | undefined | false): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > endMs) throw new Error(`${what} did not come within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export interface Sidecar extends AsyncDisposable {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Waits for text on stderr. */
  says(words: RegExp): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** Exit code; waits for the end. */
  ended(): Promise<number | null>;
}

export function startSidecar(args: readonly string[], env: Record<string, string>, cwd?: string): Sidecar {
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
  const exit = once(child, 'close');
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const ended = async (): Promise<number | null> => {
    await exit;
    return child.exitCode;
  };
  return {
    pid: child.pid ?? 0,
    stdout: () => out,
    stderr: () => err,
    says: async (words) => {
      await until(`${words} on stderr (there is: ${err})`, () => words.test(err));
    },
    signal: (name) => void child.kill(name),
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await exit;
    },
  };
}

/** Everything said about the life of servers from now on. */
export async function listen(url: string, prefix = 'cruvero') {
  const { log } = new MemoryTelemetry();
  const bus = await connectNats({ url, name: 'test', clock: systemClock, random: systemRandom, log });
  await until('the connection to NATS', () => bus.state() === 'connected');
  const announced: AnnounceEvent[] = [];
  const beats: HeartbeatEvent[] = [];
  const deregistered: DeregisterEvent[] = [];
  const subjects = lifecycleSubjects(prefix);
  bus.subscribe(subjects.announce, ({ body }) => void announced.push(body as unknown as AnnounceEvent));
  bus.subscribe(subjects.heartbeat, ({ body }) => void beats.push(body as unknown as HeartbeatEvent));
  bus.subscribe(
    subjects.deregister,
    ({ body }) => void deregistered.push(body as unknown as DeregisterEvent),
  );
  await bus.flush();
  return {
    bus,
    subjects,
    announced,
    beats,
    deregistered,
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
}
