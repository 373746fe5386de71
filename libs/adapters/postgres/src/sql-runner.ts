/** What the store asks of a database: values in, rows out, transactions; kept by a pool and by the embedded worker alike. */

export type SqlValue = string | number | boolean | null;
export type SqlRow = Readonly<Record<string, unknown>>;

export interface SqlSession {
  /** `text` is written in this folder, never made from data; data goes in `values` ($1, $2, …). */
  query(text: string, values?: readonly SqlValue[]): Promise<readonly SqlRow[]>;
  /** Several statements without values: migration files only. */
  script(text: string): Promise<void>;
}

/** `write` sees each statement's last commit; `snapshot` is read only and sees one moment. */
export type TransactionMode = 'write' | 'snapshot';

/** Rejects with StoreUnavailable while the database is away; other rejections are faults of the statement. */
export interface SqlRunner extends SqlSession {
  /**
   * Commits when `work` resolves, rolls back when it rejects. Run again, a few times, after a serialisation
   * failure.
   */
  transaction<T>(mode: TransactionMode, work: (session: SqlSession) => Promise<T>): Promise<T>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** How often a transaction is tried when the database asks for another try. */
export const triesMax = 5;

export const beginText: Readonly<Record<TransactionMode, string>> = {
  write: 'BEGIN ISOLATION LEVEL READ COMMITTED',
  snapshot: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
};

/** SQLSTATE of an error from either driver, or a system code such as ECONNREFUSED. */
export function errorCode(error: unknown): string {
  const code = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : '';
}

/** serialization_failure and deadlock_detected: the same work may succeed at once. */
export const isWorthAnotherTry = (error: unknown): boolean => ['40001', '40P01'].includes(errorCode(error));
