/** For tests: the same runner for a store that must not close it. */

import type { SqlRunner } from './sql-runner.ts';

export function lent(owner: SqlRunner): SqlRunner {
  return {
    query: (text, values) => owner.query(text, values),
    script: (text) => owner.script(text),
    transaction: (mode, work) => owner.transaction(mode, work),
    [Symbol.asyncDispose]: async () => undefined,
  };
}
