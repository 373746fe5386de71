/** The scanner reads what JSON.parse reads, and nothing else. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  arrayElements,
  depthMax,
  isJsonProblem,
  objectMembers,
  stringAt,
  textOf,
  wholeObject,
  wholeValue,
} from './json-spans.ts';

const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

const jsonish = fc.string({
  unit: fc.constantFrom(...'{}[]",:0123456789.eE+-truefalsn \\u\n\t\u0001'),
  maxLength: 40,
});

describe('the JSON scanner', () => {
  it('accepts exactly what JSON.parse accepts, over text made of JSON letters', () => {
    fc.assert(
      fc.property(jsonish, (text) => {
        assert.equal(!isJsonProblem(wholeValue(text)), parses(text));
      }),
      { numRuns: 20_000 },
    );
  });

  it('accepts exactly what JSON.parse accepts, over damaged JSON', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.string(), (text, at, damage) => {
        const cut = at % (text.length + 1);
        const damaged = text.slice(0, cut) + damage + text.slice(cut);
        assert.equal(!isJsonProblem(wholeValue(damaged)), parses(damaged));
      }),
      { numRuns: 5_000 },
    );
  });

  it('finds every member of an object, with the text of its value', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(3), (object, indent) => {
        const text = JSON.stringify(object, null, indent);
        const members = wholeObject(text);
        assert.ok(!isJsonProblem(members));
        const read = new Map([...members].map(([name, span]) => [name, JSON.parse(textOf(text, span))]));
        assert.deepEqual(read, new Map(Object.entries(JSON.parse(text) as object)));
      }),
    );
  });

  it('finds every element of an array', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), (array) => {
        const text = JSON.stringify(array, null, 1);
        const spans = arrayElements(text, 0);
        assert.ok(!isJsonProblem(spans));
        assert.deepEqual(
          spans.map((span) => JSON.parse(textOf(text, span))),
          JSON.parse(text),
        );
      }),
    );
  });

  it('refuses a member that stands twice, also when one of them is spelled with escapes', () => {
    for (const text of ['{"id":1,"id":2}', '{"id":1,"\\u0069d":2}']) {
      const members = wholeObject(text);
      assert.ok(isJsonProblem(members));
      assert.match(members.problem, /"id" stands twice/);
    }
  });

  it('takes members of the same name at different depths for what they are', () => {
    assert.ok(!isJsonProblem(wholeObject('{"id":{"id":{"id":1}}}')));
  });

  it('refuses nesting deeper than its bound, and takes nesting up to it', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    assert.ok(!isJsonProblem(wholeValue(nested(depthMax))));
    assert.ok(isJsonProblem(wholeValue(nested(depthMax + 1))));
    assert.ok(isJsonProblem(wholeValue('['.repeat(1_000_000))));
  });

  it('refuses text behind the object', () => {
    assert.ok(isJsonProblem(wholeObject('{} {}')));
    assert.ok(!isJsonProblem(wholeObject(' {}\n')));
  });

  it('says where the problem is', () => {
    const problem = wholeValue('{"a": tru}');
    assert.deepEqual(problem, { problem: 'a value should stand here', at: 6 });
  });

  it('reads strings with escapes, and nothing but strings as strings', () => {
    const text = '{"a":"x\\n\\u00e9","b":1}';
    const members = objectMembers(text, 0);
    assert.ok(!isJsonProblem(members));
    assert.equal(stringAt(text, members.get('a')), 'x\né');
    assert.equal(stringAt(text, members.get('b')), undefined);
    assert.equal(stringAt(text, undefined), undefined);
  });
});
