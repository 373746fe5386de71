/** The main thread's end of the database worker: asks with an answer each, and a certain end. */

import { StoreUnavailable } from '@cruvero/ports';
import { Worker } from 'node:worker_threads';
import type { PgliteAnswer, PgliteAsk, PgliteWorkerData } from './pglite-worker.ts';
import type { SqlRow } from './sql-runner.ts';

/** A statement that the database refused, with its SQLSTATE. */
export class SqlError extends Error {
  override readonly name = 'SqlError';
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}

interface Pending {
  readonly resolve: (rows: readonly SqlRow[]) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export type PgliteQuestion = PgliteAsk extends infer A
  ? A extends PgliteAsk
    ? Omit<A, 'id'>
    : never
  : never;

export class PgliteThread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #asked = 0;
  #ended = false;

  private constructor(folder: string) {
    const data: PgliteWorkerData = { folder };
    const url = new URL('./pglite-worker.ts', import.meta.url);
    this.#worker = new Worker(url, {
      workerData: data,
      name: 'registry-database',
      execArgv: [],
      stdout: true,
      stderr: true,
    });
    this.#worker.on('message', (answer: PgliteAnswer) => this.#settle(answer));
    this.#worker.on('error', (error) =>
      this.#end(`the database thread failed: ${error instanceof Error ? error.message : 'unknown'}`),
    );
    this.#worker.on('exit', () => this.#end('the database thread has ended'));
    // What the database prints is read and dropped: unread pipes would fill.
    this.#worker.stdout.resume();
    this.#worker.stderr.resume();
  }

  /** Resolves when the database is open. */
  static async open(folder: string, openTimeoutMs: number): Promise<PgliteThread> {
    const thread = new PgliteThread(folder);
    try {
      await thread.#wait(0, openTimeoutMs);
    } catch (error) {
      await thread.#worker.terminate();
      const said = error instanceof Error ? error.message : 'unknown';
      throw new StoreUnavailable(`the embedded database in ${folder} does not open: ${said}`);
    }
    // While a statement is on its way the pending timer keeps the process alive; an idle database does not.
    thread.#worker.unref();
    return thread;
  }

  get ended(): boolean {
    return this.#ended;
  }

  ask(question: PgliteQuestion, timeoutMs: number): Promise<readonly SqlRow[]> {
    if (this.#ended) return Promise.reject(new StoreUnavailable('the database thread has ended'));
    const id = ++this.#asked;
    const answered = this.#wait(id, timeoutMs);
    this.#worker.postMessage({ ...question, id } satisfies PgliteAsk);
    return answered;
  }

  async close(timeoutMs: number): Promise<void> {
    if (!this.#ended) await this.ask({ kind: 'close' }, timeoutMs).catch(() => undefined);
    await this.#worker.terminate();
  }

  #wait(id: number, timeoutMs: number): Promise<readonly SqlRow[]> {
    return new Promise((resolve, reject) => {
      // WASM cannot be interrupted: a statement without an end costs its thread, and the next caller gets a new one.
      const timer = setTimeout(() => {
        this.#end(`a statement of the embedded database did not end within ${timeoutMs} ms`);
        void this.#worker.terminate();
      }, timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
    });
  }

  #settle(answer: PgliteAnswer): void {
    const pending = this.#pending.get(answer.id);
    if (!pending) return;
    this.#pending.delete(answer.id);
    clearTimeout(pending.timer);
    if (answer.error) pending.reject(new SqlError(answer.error.message, answer.error.code));
    else pending.resolve(answer.rows ?? []);
  }

  #end(detail: string): void {
    this.#ended = true;
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(new StoreUnavailable(detail));
    }
    this.#pending.clear();
  }
}
