/** The runner over a real PostgreSQL: a bounded pool whose failures to reach the database are StoreUnavailable. */

import { StoreUnavailable } from '@cruvero/ports';
import type { Log } from '@cruvero/ports';
import pg from 'pg';
import { beginText, errorCode, isWorthAnotherTry, triesMax } from './sql-runner.ts';
import type { SqlRow, SqlRunner, SqlSession, SqlValue, TransactionMode } from './sql-runner.ts';

export interface PgRunnerOptions {
  /** postgres://user:password@host:port/database */
  readonly url: string;
  readonly log: Log;
  /** Connections at most; default 8. */
  readonly connectionsMax?: number;
  /** To get a connection; default 3000. */
  readonly connectTimeoutMs?: number;
  /** One statement on the server; default 10000. The client gives up two seconds later. */
  readonly statementTimeoutMs?: number;
}

/** Connection lost, refused or shut down; too many clients; out of time: the same call may succeed later. */
const awayCodes =
  /^(08|57P|53|ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|57014$|55P03$|25P03$)/;
const awayMessages =
  /connection terminated|timeout expired|connection timeout|query read timeout|client has encountered|not queryable|after calling end/i;

function isAway(error: unknown): boolean {
  if (awayCodes.test(errorCode(error))) return true;
  if (error instanceof AggregateError) return error.errors.some(isAway);
  return error instanceof Error && awayMessages.test(error.message);
}

/** Driver errors carry no URL and no password; still only code and message go on. */
function translated(error: unknown): unknown {
  if (!isAway(error)) return error;
  const said = error instanceof Error && error.message !== '' ? error.message : errorCode(error);
  return new StoreUnavailable(`PostgreSQL cannot be reached: ${said}`);
}

/** Host, port and database of a URL, without user and password: what a log may show. */
export function databaseLabel(url: string): string {
  if (!URL.canParse(url)) return 'a database URL that cannot be read';
  const { host, pathname } = new URL(url);
  return `${host || 'localhost'}${pathname}`;
}

const sessionOf = (client: pg.ClientBase): SqlSession => ({
  query: async (text, values = []) => (await client.query<SqlRow>(text, [...values])).rows,
  script: async (text) => void (await client.query(text)),
});

export function pgRunner(options: PgRunnerOptions): SqlRunner {
  const statementTimeoutMs = options.statementTimeoutMs ?? 10_000;
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: 'cruvero-registry',
    max: options.connectionsMax ?? 8,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 3_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    statement_timeout: statementTimeoutMs,
    lock_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: 3 * statementTimeoutMs,
    query_timeout: statementTimeoutMs + 2_000,
  });
  const log = options.log.with({ database: databaseLabel(options.url) });
  // An idle connection that dies is news, not an end: the pool makes a new one when it is asked.
  pool.on('error', (error) => log.warn('idle database connection lost', { code: errorCode(error) }));

  const query = async (text: string, values: readonly SqlValue[] = []): Promise<readonly SqlRow[]> => {
    try {
      return (await pool.query<SqlRow>(text, [...values])).rows;
    } catch (error) {
      throw translated(error);
    }
  };
  return {
    query,
    script: async (text) => void (await query(text)),
    transaction: async (mode, work) => {
      for (let tried = 1; ; tried += 1) {
        try {
          return await once(pool, mode, work);
        } catch (error) {
          if (tried >= triesMax || !isWorthAnotherTry(error)) throw translated(error);
        }
      }
    },
    [Symbol.asyncDispose]: async () => {
      if (!pool.ending) await pool.end();
    },
  };
}

async function once<T>(
  pool: pg.Pool,
  mode: TransactionMode,
  work: (s: SqlSession) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // Without a listener a connection that dies between two statements would end the process.
  const onError = (error: Error): void => void (broken = error);
  client.on('error', onError);
  try {
    await client.query(beginText[mode]);
    const result = await work(sessionOf(client));
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // A connection of unknown state never goes back into the pool.
    if (isAway(error)) broken ??= error instanceof Error ? error : new Error('connection of unknown state');
    else
      await client
        .query('ROLLBACK')
        .catch((e: unknown) => void (broken ??= e instanceof Error ? e : new Error('rollback')));
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}
