/** A program of the product as a child process, which never outlives this one. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const root = fileURLToPath(new URL('../../..', import.meta.url));
const bin = join(root, 'node_modules/.bin');

const stopMsMax = 10_000;
const logCharsMax = 200_000;

export interface Program extends AsyncDisposable {
  /** Waits for words on standard output. @throws when the program ends before, or they do not come in time. */
  says(words: RegExp, withinMs: number): Promise<RegExpExecArray>;
  /** The end of what it said on both outputs. */
  said(): string;
  /** Ends it at once, as a crash does; done when it is gone. */
  kill(): Promise<void>;
}

const running = new Set<ChildProcess>();
const killAll = (): void => {
  for (const child of running) child.kill('SIGKILL');
};
process.on('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    killAll();
    // Nobody listens any more, so that this one ends the process.
    process.kill(process.pid, signal);
  });

/** `env` is the whole environment besides PATH and HOME. */
export function startProgram(file: string, env: Readonly<Record<string, string>>): Program {
  const child = spawn(process.execPath, [join(root, file)], {
    cwd: root,
    env: { PATH: `${bin}:${process.env['PATH'] ?? ''}`, HOME: process.env['HOME'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const closed = once(child, 'close').then(() => void running.delete(child));
  let [out, all] = ['', ''];
  const heard = new Set<() => void>();
  const add = (text: string, isOut: boolean): void => {
    if (isOut) out = (out + text).slice(-logCharsMax);
    all = (all + text).slice(-logCharsMax);
    for (const listener of heard) listener();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => add(text, true));
  child.stderr.setEncoding('utf8').on('data', (text: string) => add(text, false));
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await closed;
  };
  return {
    said: () => all,
    kill: () => kill('SIGKILL'),
    says: async (words, withinMs) => {
      const found = Promise.withResolvers<RegExpExecArray>();
      const look = (): void => {
        const match = words.exec(out);
        if (match) found.resolve(match);
      };
      const fail = (why: string): void => found.reject(new Error(`${file} ${why}:\n${all.slice(-4_000)}`));
      const timer = setTimeout(() => fail(`did not say ${words} within ${withinMs} ms`), withinMs);
      heard.add(look);
      look();
      void closed.then(() => fail(`ended before it said ${words}`));
      try {
        return await found.promise;
      } finally {
        clearTimeout(timer);
        heard.delete(look);
      }
    },
    [Symbol.asyncDispose]: async () => {
      const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
      if (running.has(child)) await kill('SIGTERM');
      clearTimeout(timer);
    },
  };
}
