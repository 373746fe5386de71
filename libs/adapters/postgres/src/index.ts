/** The registry's store on PostgreSQL, real or embedded. */

export * from './migrate.ts';
export * from './open-when-there.ts';
export * from './pg-runner.ts';
export * from './pglite-runner.ts';
export * from './server-store.ts';
export type { SqlRow, SqlRunner, SqlSession, SqlValue, TransactionMode } from './sql-runner.ts';
