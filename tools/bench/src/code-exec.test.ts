/** The report of `npm run bench -- code-exec`. */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { codeExecText } from './code-exec.ts';

it('says the overhead at the median and whether the goal is met', () => {
  const found = { bareMs: [10, 11, 12], callMs: [25, 26, 40], overheadMs: 15, errors: 0 };
  assert.match(codeExecText(found), /overhead over bare python3: 15\.0 ms at the median; goal ≤ 20 ms: met$/);
  const slow = codeExecText({ ...found, overheadMs: 20.1, errors: 2 });
  assert.match(slow, /20\.1 ms at the median; goal ≤ 20 ms: NOT met\n2 answers were wrong$/);
});
