/** A program that is started, killed, started again and stopped: one at a time, each within a bound. */

import { setTimeout as sleep } from 'node:timers/promises';

import { Running, describeExit } from './process.ts';
import type { Exit, LaunchSpec } from './process.ts';

export interface ProgramSpec {
  /** How people call it, for messages. */
  readonly name: string;
  readonly launch: LaunchSpec;
  /** Asked again and again after the start; true ends the wait. Must end within about a second. */
  readonly isReady: (running: Running) => Promise<boolean>;
  readonly readyWithinMs: number;
  /** The polite signal of `stop`. */
  readonly stopSignal: NodeJS.Signals;
  /** After so long, `stop` kills. */
  readonly stopWithinMs: number;
  /** Signals reach all descendants too. */
  readonly tree?: boolean;
  /** When the program ends at once and its log matches, it is tried again until the bound. */
  readonly retryWhen?: RegExp;
  /** Called at the beginning of each run, before the program can have said anything. */
  readonly onRun?: (running: Running) => void;
}

const pollMs = 10;
const tailLines = 25;
const killedWithinMs = 10_000;

/** Signals after which a process normally lives on. */
const survivable: ReadonlySet<NodeJS.Signals> = new Set([
  'SIGSTOP',
  'SIGCONT',
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
]);

export class Program implements AsyncDisposable {
  readonly #spec: ProgramSpec;
  #running: Running | undefined;
  /** The run that this object itself is about to end; the end of any other run is news. */
  #ending: Running | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #stopped = false;
  readonly #onDeath = new Set<(exit: Exit) => void>();

  constructor(spec: ProgramSpec) {
    this.#spec = spec;
  }

  get name(): string {
    return this.#spec.name;
  }

  /** Process id of the latest run; 0 before the first. */
  get pid(): number {
    return this.#running?.pid ?? 0;
  }

  get alive(): boolean {
    return this.#running !== undefined && this.#running.exit === undefined;
  }

  /** Called when a run ends that neither `kill`, `restart` nor `stop` ended. */
  onDeath(listener: (exit: Exit) => void): void {
    this.#onDeath.add(listener);
  }

  /** @throws when the program is not ready in time, with the end of its log. */
  async start(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#stopped) throw new Error(`${this.#spec.name} is stopped`);
      if (!this.alive) await this.#run();
    });
  }

  /**
   * Sends a signal, and waits for the end (at most 10 s) when the signal is one that ends a process.
   * Only the process itself gets it, as in a crash; PostgreSQL's processes all do.
   */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const running = this.#running;
    if (!running) return;
    if (survivable.has(signal)) return this.#signal(running, signal);
    this.#ending = running;
    this.#signal(running, signal);
    if (await running.ended(killedWithinMs)) return;
    throw new Error(`${this.#spec.name} did not end within ${killedWithinMs} ms of ${signal}`);
  }

  /** Stops it if it runs, clears away what is left of it, and starts it again. */
  async restart(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#stopped) throw new Error(`${this.#spec.name} is stopped`);
      await this.#end();
      await this.#run();
    });
  }

  /** Polite first, `SIGKILL` to the whole group after the bound. May be called twice. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#inTurn(() => this.#end());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** The last lines of the log of the latest run. */
  logTail(linesMax = tailLines): string {
    return this.#running?.output.logTail(linesMax) ?? '';
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return await mine;
  }

  #signal(running: Running, signal: NodeJS.Signals): void {
    if (this.#spec.tree === true) running.signalTree(signal);
    else running.signal(signal);
  }

  async #end(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    this.#ending = running;
    if (running.exit === undefined) {
      running.signal(this.#spec.stopSignal);
      // A stopped process (SIGSTOP) takes no other signal before it goes on.
      this.#signal(running, 'SIGCONT');
      await running.ended(this.#spec.stopWithinMs);
    }
    if (running.exit === undefined) this.#signal(running, 'SIGKILL');
    await running.endGroup();
  }

  async #run(): Promise<void> {
    const { name, readyWithinMs, retryWhen } = this.#spec;
    const untilMs = Date.now() + readyWithinMs;
    let tail = '';
    for (;;) {
      const running = new Running(this.#spec.launch);
      this.#running = running;
      this.#spec.onRun?.(running);
      const outcome = await this.#untilReady(running, untilMs);
      if (outcome === 'ready') {
        void running.exited.then((exit) => this.#died(running, exit));
        return;
      }
      // It gets its polite signal from `stop`, which waits for its turn.
      if (outcome === 'stopped') throw new Error(`${name} was stopped before it was ready`);
      await running.endGroup();
      tail = running.output.logTail(tailLines) || tail;
      if (outcome === 'late')
        throw new Error(`${name} was not ready within ${readyWithinMs} ms; its log ends with:\n${tail}`);
      if (retryWhen?.test(tail) !== true || Date.now() >= untilMs) {
        throw new Error(`${name} ended (${outcome}) before it was ready; its log ends with:\n${tail}`);
      }
      await sleep(20 * pollMs);
    }
  }

  async #untilReady(running: Running, untilMs: number): Promise<string> {
    for (;;) {
      if (running.exit) return describeExit(running.exit);
      if (this.#stopped) return 'stopped';
      if (await this.#spec.isReady(running)) return 'ready';
      if (Date.now() >= untilMs) return 'late';
      await sleep(pollMs);
    }
  }

  #died(running: Running, exit: Exit): void {
    if (this.#ending === running || this.#stopped) return;
    for (const listener of this.#onDeath) listener(exit);
  }
}
