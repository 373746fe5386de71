/** A program of this repository as a child process: what it says, its end, and never longer than the story. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './until.fixture.ts';

/** The checkout. */
export const root = fileURLToPath(new URL('../../../..', import.meta.url));
const bin = join(root, 'node_modules/.bin');

export interface ProgramOptions {
  /** The program's file, from the checkout: `apps/mcp-announce/src/main.ts`. */
  readonly file: string;
  readonly args?: readonly string[];
  /** The whole environment besides PATH and HOME; `undefined` leaves one out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Written to standard input, which is then closed. */
  readonly input?: string;
}

export interface Program extends AsyncDisposable {
  readonly pid: number;
  readonly alive: boolean;
  stdout(): string;
  stderr(): string;
  /** Waits for words on standard output; rejects at once when the program ends before. */
  says(words: RegExp, withinMs?: number): Promise<RegExpExecArray>;
  signal(name: NodeJS.Signals): void;
  /** Exit code, or the signal's name. Waits for the end, at most `withinMs`. */
  ended(withinMs?: number): Promise<number | NodeJS.Signals>;
}

export function startProgram({ file, args = [], env = {}, input }: ProgramOptions): Program {
  const child = spawn(process.execPath, [join(root, file), ...args], {
    cwd: root,
    env: { PATH: `${bin}:${process.env['PATH'] ?? ''}`, HOME: process.env['HOME'], ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid ?? 0,
    get alive() {
      return !isOver();
    },
    stdout: () => out,
    stderr: () => err,
    says: async (words, withinMs = 30_000) => {
      const over = (): boolean => isOver() && child.stdout.closed;
      const found = await until(`${file} says ${words}`, () => words.exec(out) ?? over(), withinMs);
      if (found === true) throw new Error(`${file} ended before it said ${words}; it said:\n${out}\n${err}`);
      return found;
    },
    signal: (name) => void child.kill(name),
    ended: async (withinMs = 20_000) => {
      await until(`${file} ends`, isOver, withinMs);
      await closed;
      return child.exitCode ?? child.signalCode ?? 0;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await closed;
    },
  };
}

export interface Ran {
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
export async function runProgram(options: ProgramOptions): Promise<Ran> {
  await using program = startProgram(options);
  const code = await program.ended();
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}
