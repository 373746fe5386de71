/** The runner over the embedded PostgreSQL (PGlite): one thread, one session, one transaction at a time, on disk. */

import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lockFolder } from './folder-lock.ts';
import type { FolderLock } from './folder-lock.ts';
import { PgliteThread } from './pglite-thread.ts';
import { beginText, isWorthAnotherTry, triesMax } from './sql-runner.ts';
import type { SqlRunner, SqlSession, TransactionMode } from './sql-runner.ts';
import { Turnstile } from './turnstile.ts';

export interface PgliteRunnerOptions {
  /** Kept by this process alone while it is open; made where it is missing. */
  readonly folder: string;
  /** Statements and transactions that may wait for their turn; default 1000. */
  readonly waitersMax?: number;
  /** Default 30000. */
  readonly statementTimeoutMs?: number;
  /** Making the database takes seconds on a busy machine; default 120000. */
  readonly openTimeoutMs?: number;
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * Opens the files. A folder whose making was cut off (no mark `complete`) holds no acknowledged write: it is set aside
 * and made again.
 */
async function openThread(folder: string, openTimeoutMs: number): Promise<PgliteThread> {
  const files = join(folder, 'pgdata');
  const mark = join(folder, 'complete');
  if (!(await exists(mark)) && (await exists(files))) {
    await rm(join(folder, 'incomplete'), { recursive: true, force: true });
    await rename(files, join(folder, 'incomplete'));
  }
  const thread = await PgliteThread.open(files, openTimeoutMs);
  await writeFile(mark, 'The database files in pgdata were made to the end.\n');
  return thread;
}

class PgliteRunner implements SqlRunner {
  readonly #folder: string;
  readonly #lock: FolderLock;
  readonly #turnstile: Turnstile;
  readonly #statementTimeoutMs: number;
  readonly #openTimeoutMs: number;
  #thread: PgliteThread;
  #closed = false;

  constructor(options: PgliteRunnerOptions, lock: FolderLock, thread: PgliteThread) {
    this.#folder = options.folder;
    this.#lock = lock;
    this.#thread = thread;
    this.#turnstile = new Turnstile(options.waitersMax ?? 1_000);
    this.#statementTimeoutMs = options.statementTimeoutMs ?? 30_000;
    this.#openTimeoutMs = options.openTimeoutMs ?? 120_000;
  }

  /** A thread that ended is followed by a new one: what was committed is on disk. */
  async #session(): Promise<SqlSession> {
    if (this.#closed) throw new Error('the embedded database is closed');
    if (this.#thread.ended) {
      // It may still run: two over the same files would spoil them.
      await this.#thread.close(this.#statementTimeoutMs);
      this.#thread = await openThread(this.#folder, this.#openTimeoutMs);
    }
    const thread = this.#thread;
    return {
      query: (text, values = []) => thread.ask({ kind: 'query', text, values }, this.#statementTimeoutMs),
      script: async (text) => void (await thread.ask({ kind: 'script', text }, this.#statementTimeoutMs)),
    };
  }

  query: SqlRunner['query'] = (text, values) =>
    this.#turnstile.pass(async () => (await this.#session()).query(text, values));

  script: SqlRunner['script'] = (text) =>
    this.#turnstile.pass(async () => (await this.#session()).script(text));

  async transaction<T>(mode: TransactionMode, work: (session: SqlSession) => Promise<T>): Promise<T> {
    for (let tried = 1; ; tried += 1) {
      try {
        return await this.#turnstile.pass(async () => this.#once(await this.#session(), mode, work));
      } catch (error) {
        if (tried >= triesMax || !isWorthAnotherTry(error)) throw error;
      }
    }
  }

  async #once<T>(
    session: SqlSession,
    mode: TransactionMode,
    work: (s: SqlSession) => Promise<T>,
  ): Promise<T> {
    await session.query(beginText[mode]);
    try {
      const result = await work(session);
      await session.query('COMMIT');
      return result;
    } catch (error) {
      // Where the thread is gone its transaction is gone with it.
      await session.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    await this.#turnstile.pass(async () => {
      this.#closed = true;
      await this.#thread.close(this.#statementTimeoutMs);
    });
    await this.#lock.release();
  }
}

/** Rejects where another process holds the folder, and with StoreUnavailable where the files do not open. */
export async function pgliteRunner(options: PgliteRunnerOptions): Promise<SqlRunner> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const lock = await lockFolder(options.folder);
  try {
    return new PgliteRunner(
      options,
      lock,
      await openThread(options.folder, options.openTimeoutMs ?? 120_000),
    );
  } catch (error) {
    await lock.release();
    throw error;
  }
}
