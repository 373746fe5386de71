/** Subjects and pauses, by table and by property. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { isKeyName, isSubject, isSubjectPattern, redeliveryPauseMs, subjectMatches } from './bus-rules.ts';

describe('subjects', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['a.b', 'a.b', true],
    ['a.b', 'a.b.c', false],
    ['a.b.c', 'a.b', false],
    ['a.*', 'a.b', true],
    ['a.*', 'a.b.c', false],
    ['a.*.c', 'a.b.c', true],
    ['a.>', 'a.b.c', true],
    ['a.>', 'a', false],
    ['>', 'a', true],
    ['*', 'a.b', false],
    ['mcpgw.*.events.>', 'mcpgw.gw-1.events.server.registered', true],
    ['mcpgw.*.events.*', 'mcpgw.gw-1.events.server.registered', false],
  ];
  for (const [pattern, subject, expected] of cases) {
    it(`${pattern} ${expected ? 'takes' : 'leaves'} ${subject}`, () => {
      assert.equal(subjectMatches(pattern, subject), expected);
    });
  }

  it('refuses what is no subject', () => {
    for (const bad of ['', '.', 'a.', '.a', 'a..b', 'a b', 'a\r\nPUB', 'a.*', 'a.>', 'x'.repeat(513)]) {
      assert.equal(isSubject(bad), false, JSON.stringify(bad));
    }
    for (const bad of ['', 'a.>.b', 'a*', 'a>', '>.a', 'a\tb']) {
      assert.equal(isSubjectPattern(bad), false, JSON.stringify(bad));
    }
    for (const bad of ['', '.a', 'a.', 'a..b', 'a/b', 'a b', '*']) assert.equal(isKeyName(bad), false, bad);
  });

  it('lets every subject match itself, and itself with any one token starred, and any prefix with >', () => {
    const subject = fc.array(fc.stringMatching(/^[a-z0-9_-]{1,5}$/), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(subject, fc.nat(), (parts, n) => {
        const at = n % parts.length;
        const text = parts.join('.');
        assert.ok(isSubject(text));
        assert.ok(subjectMatches(text, text));
        assert.ok(subjectMatches(parts.map((part, i) => (i === at ? '*' : part)).join('.'), text));
        assert.ok(subjectMatches([...parts.slice(0, at), '>'].join('.'), text));
        assert.ok(!subjectMatches(text, `${text}.more`));
      }),
      { verbose: true },
    );
  });
});

describe('redelivery', () => {
  it('pauses longer each time, and never longer than the acknowledgement may take', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5, 60].map((count) => redeliveryPauseMs(count, 1_000)),
      [100, 200, 400, 800, 1_000, 1_000],
    );
  });
});
