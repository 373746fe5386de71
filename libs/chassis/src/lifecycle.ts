/** From the first line of a main to the end of the process: signals, errors, exit codes. */

import { writeSync } from 'node:fs';

import type { Clock } from '@cruvero/ports';

import { ConfigRefused, isProblems, readConfig } from './config-reader.ts';
import type { Env } from './config-types.ts';
import { errorSentence } from './error-sentence.ts';
import { createLog } from './log.ts';
import { redactText } from './redact.ts';
import { systemClock } from './system-clock.ts';
import { telemetryConfig } from './telemetry-config.ts';

/** What the world outside learns from the exit code (sysexits.h where it has a word for it). */
export const exitCodes = { failed: 1, badConfig: 64, crashed: 70, interrupted: 130 } as const;

/** The part of Node's `process` that this needs, so that tests can hand in their own. */
export interface ProcessLike {
  readonly env: Env;
  exitCode?: number | string | null | undefined;
  exit(code: number): void;
  on(event: NodeJS.Signals, listener: () => void): unknown;
  on(event: 'uncaughtException', listener: (error: Error) => void): unknown;
  on(event: 'unhandledRejection', listener: (reason: unknown) => void): unknown;
  off(event: NodeJS.Signals, listener: () => void): unknown;
  getActiveResourcesInfo(): readonly string[];
}

export type Main = (env: Env, signal: AbortSignal) => Promise<void>;

export interface RunOptions {
  readonly process?: ProcessLike;
  readonly clock?: Pick<Clock, 'after' | 'monotonicMs'>;
  /** Where sentences for the person at the terminal go; standard error by default. */
  readonly print?: (line: string) => void;
  /** How long something may stay open after main has ended before the process is ended anyway. */
  readonly lingerMsMax?: number;
}

/**
 * npm hands its own Ctrl-C on to a child that has had it from the terminal already: two signals within this
 * time are one key press.
 */
const samePressMs = 500;

/** Resolves with the first of these signals that arrives; until then it does not keep the process alive. */
export function untilSignal(
  signals: readonly NodeJS.Signals[],
  process: Pick<ProcessLike, 'on' | 'off'> = globalThis.process,
): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const listeners = signals.map((name) => [name, () => finish(name)] as const);
    const finish = (name: NodeJS.Signals): void => {
      for (const [one, listener] of listeners) process.off(one, listener);
      resolve(name);
    };
    for (const [name, listener] of listeners) process.on(name, listener);
  });
}

/**
 * Resolves once the signal is aborted. Mains wait on this: leaving their scope then closes what they have
 * opened. Keeps the process alive while it waits, even where nothing else does.
 */
export function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const alive = setInterval(() => undefined, 2 ** 30);
    const finish = (): void => {
      clearInterval(alive);
      resolve();
    };
    signal.addEventListener('abort', finish, { once: true });
  });
}

/**
 * Runs a program. SIGINT and SIGTERM abort the signal; a second SIGINT ends the process at once. A thrown
 * error becomes one sentence and exit code 1, config problems are all printed and become 64; the process then
 * ends by itself, as nothing is open. What nobody caught is logged and ends it at once with 70. Never
 * rejects.
 */
export async function runMain(main: Main, options: RunOptions = {}): Promise<void> {
  const process: ProcessLike = options.process ?? globalThis.process;
  const clock = options.clock ?? systemClock;
  const print = options.print ?? ((line: string) => void writeLine(line));
  endOnCrash(process);
  const aborter = new AbortController();
  stopOnSignals(process, clock, print, aborter);
  try {
    await main(process.env, aborter.signal);
  } catch (error) {
    if (error instanceof ConfigRefused) {
      for (const { problem } of error.problems) print(problem);
      process.exitCode = exitCodes.badConfig;
    } else {
      print(errorSentence(error));
      if (process.env['CRUVERO_LOG_LEVEL'] === 'debug' && error instanceof Error) {
        print(redactText(error.stack ?? ''));
      }
      process.exitCode = exitCodes.failed;
    }
  }
  endIfLingering(process, clock, print, options.lingerMsMax ?? 10_000);
}

function stopOnSignals(
  process: ProcessLike,
  clock: Pick<Clock, 'monotonicMs'>,
  print: (line: string) => void,
  aborter: AbortController,
): void {
  let firstMs: number | undefined;
  process.on('SIGINT', () => {
    const nowMs = clock.monotonicMs();
    if (firstMs !== undefined && nowMs - firstMs >= samePressMs) {
      print('Stopped at once, without waiting for running work.');
      process.exit(exitCodes.interrupted);
      return;
    }
    firstMs ??= nowMs;
    aborter.abort('SIGINT');
  });
  process.on('SIGTERM', () => aborter.abort('SIGTERM'));
}

/** State is unknown after such an error, so ending is right: a supervisor starts a clean process. */
function endOnCrash(process: ProcessLike): void {
  const crash = (what: string) => (error: unknown) => {
    const config = readConfig(process.env, telemetryConfig('cruvero'));
    const format = isProblems(config) ? 'json' : config.logFormat;
    const service = isProblems(config) ? 'cruvero' : config.serviceName;
    createLog({ level: 'error', format, service }).error(`${what}; the process ends`, { error });
    process.exit(exitCodes.crashed);
  };
  process.on('uncaughtException', crash('An exception was not caught'));
  process.on('unhandledRejection', crash('A rejected promise was not handled'));
}

/** The timer is unref'd: it fires only where something that main forgot still holds the process. */
function endIfLingering(
  process: ProcessLike,
  clock: Pick<Clock, 'after'>,
  print: (line: string) => void,
  lingerMsMax: number,
): void {
  clock.after(lingerMsMax, () => {
    const open = [...new Set(process.getActiveResourcesInfo())].join(', ');
    print(`Ended ${lingerMsMax} ms after the work was done, because something was still open: ${open}.`);
    process.exit(typeof process.exitCode === 'number' ? process.exitCode : exitCodes.failed);
  });
}

/**
 * Straight to the descriptor: the line must be out before the process ends, and a closed terminal is no
 * error.
 */
function writeLine(line: string): void {
  try {
    writeSync(2, `${line}\n`);
  } catch {
    // nobody reads; there is nowhere left to say so
  }
}
