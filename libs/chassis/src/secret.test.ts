/** A secret must not slip out by printing. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, inspect } from 'node:util';

import { Secret } from './secret.ts';

test('a secret shows itself in no way of printing, only reveal gives it', () => {
  const secret = new Secret('hunter2');
  const printed = [
    String(secret),
    secret.toString(),
    `${secret}`,
    '' + secret,
    JSON.stringify({ secret }),
    inspect(secret, { showHidden: true, depth: 9 }),
    inspect({ a: [secret] }),
    format('%s %o %j', secret, secret, secret),
    JSON.stringify(Object.entries(secret)),
  ];
  for (const text of printed) assert.ok(!text.includes('hunter2'), text);
  assert.equal(String(secret), '[secret]');
  assert.equal(JSON.stringify(secret), '"[secret]"');
  assert.equal(secret.reveal(), 'hunter2');
});
