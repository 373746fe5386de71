/** The thread in which the embedded PostgreSQL runs: WASM blocks this loop, never the one that serves requests. */

import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import type { SqlRow, SqlValue } from './sql-runner.ts';

export interface PgliteWorkerData {
  /** Of the database files; made where it is missing. */
  readonly folder: string;
}

export type PgliteAsk =
  | {
      readonly id: number;
      readonly kind: 'query';
      readonly text: string;
      readonly values: readonly SqlValue[];
    }
  | { readonly id: number; readonly kind: 'script'; readonly text: string }
  | { readonly id: number; readonly kind: 'close' };

export interface PgliteAnswer {
  /** Of the ask; 0 when the database is open (or could not be opened). */
  readonly id: number;
  readonly rows?: readonly SqlRow[];
  readonly error?: { readonly message: string; readonly code: string };
}

function failureOf(error: unknown): { readonly message: string; readonly code: string } {
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown } | null)?.code;
  return { message, code: typeof code === 'string' ? code : '' };
}

async function run(db: PGlite, ask: PgliteAsk): Promise<readonly SqlRow[]> {
  switch (ask.kind) {
    case 'query':
      return (await db.query<SqlRow>(ask.text, [...ask.values])).rows;
    case 'script':
      await db.exec(ask.text);
      return [];
    case 'close':
      await db.close();
      return [];
  }
}

const port = parentPort;
if (!port) throw new Error('pglite-worker runs as a worker thread only');
const answer = (body: PgliteAnswer): void => port.postMessage(body);

try {
  const { folder } = workerData as PgliteWorkerData;
  const db = await PGlite.create({ dataDir: folder });
  port.on('message', (ask: PgliteAsk) => {
    run(db, ask).then(
      (rows) => answer({ id: ask.id, rows }),
      (error: unknown) => answer({ id: ask.id, error: failureOf(error) }),
    );
  });
  answer({ id: 0 });
} catch (error) {
  answer({ id: 0, error: failureOf(error) });
}
