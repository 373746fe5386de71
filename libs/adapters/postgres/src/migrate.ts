/** Runs the SQL files of /migrations: each once, all in one transaction, one process at a time. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Umzug } from 'umzug';
import type { RunnableMigration, UmzugStorage } from 'umzug';
import type { SqlRunner, SqlSession } from './sql-runner.ts';

const defaultFolder = fileURLToPath(new URL('../../../../migrations/', import.meta.url));

/** Any number that nobody else on the same database takes; held until the transaction ends. */
const lockText = 'SELECT pg_advisory_xact_lock(30310030)';
const tableText = `CREATE TABLE IF NOT EXISTS mcp_schema_migrations (
  name text PRIMARY KEY,
  applied_at timestamptz NOT NULL DEFAULT now()
)`;

export interface MigrateOptions {
  /** With `<name>.up.sql` and `<name>.down.sql`; default: /migrations of this repository. */
  readonly folder?: string;
}

async function migrationsIn(folder: string): Promise<RunnableMigration<SqlSession>[]> {
  const names = (await readdir(folder)).filter((file) => file.endsWith('.up.sql')).sort();
  return names.map((file) => {
    const name = file.slice(0, -'.up.sql'.length);
    const run =
      (end: string) =>
      async ({ context }: { context: SqlSession }) =>
        context.script(await readFile(join(folder, `${name}${end}`), 'utf8'));
    return { name, up: run('.up.sql'), down: run('.down.sql') };
  });
}

const storageOf = (session: SqlSession): UmzugStorage => ({
  logMigration: async ({ name }) =>
    void (await session.query('INSERT INTO mcp_schema_migrations (name) VALUES ($1)', [name])),
  unlogMigration: async ({ name }) =>
    void (await session.query('DELETE FROM mcp_schema_migrations WHERE name = $1', [name])),
  executed: async () => {
    const rows = await session.query('SELECT name FROM mcp_schema_migrations ORDER BY name');
    return rows.map((row) => String(row['name']));
  },
});

type Act<T> = (umzug: Umzug<SqlSession>, session: SqlSession) => Promise<T>;

/** DDL is transactional in PostgreSQL, so a migration that fails half-way leaves nothing. */
async function inOneTransaction<T>(runner: SqlRunner, folder: string, act: Act<T>): Promise<T> {
  const migrations = await migrationsIn(folder);
  return runner.transaction('write', async (session) => {
    await session.query(lockText);
    await session.query(tableText);
    return act(
      new Umzug({ migrations, context: session, storage: storageOf(session), logger: undefined }),
      session,
    );
  });
}

/** Brings the schema up to the newest file; returns the names that were run now. */
export function migrateUp(runner: SqlRunner, options: MigrateOptions = {}): Promise<readonly string[]> {
  return inOneTransaction(runner, options.folder ?? defaultFolder, async (umzug) =>
    (await umzug.up()).map((migration) => migration.name),
  );
}

/** Takes back everything, newest first, and the book of migrations with it; returns the names. */
export function migrateDown(runner: SqlRunner, options: MigrateOptions = {}): Promise<readonly string[]> {
  return inOneTransaction(runner, options.folder ?? defaultFolder, async (umzug, session) => {
    const reverted = await umzug.down({ to: 0 });
    await session.query('DROP TABLE mcp_schema_migrations');
    return reverted.map((migration) => migration.name);
  });
}
