/** Changing few members keeps the rest to the letter. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { changeMembers, splice } from './splice.ts';

describe('splice', () => {
  it('applies edits in any order', () => {
    const edits = [
      { span: { start: 4, end: 5 }, text: 'E' },
      { span: { start: 0, end: 1 }, text: '' },
    ];
    assert.equal(splice('abcde', edits), 'bcdE');
    assert.equal(splice('abcde', []), 'abcde');
  });
});

describe('changeMembers', () => {
  it('keeps the spelling of everything it was not told to change', () => {
    const text = '{ "big": 12345678901234567890, "f": 1.0e+2 , "name":"a" , "x":{"k" :1} }';
    assert.equal(
      changeMembers(text, { name: '"b"' }),
      '{ "big": 12345678901234567890, "f": 1.0e+2 , "name":"b" , "x":{"k" :1} }',
    );
  });

  it('puts new members to the front, also into an empty object', () => {
    assert.equal(changeMembers('{"a":1}', { b: '2' }), '{"b":2,"a":1}');
    assert.equal(changeMembers('{}', { b: '2' }), '{"b":2}');
    assert.equal(changeMembers('{ }', { b: '2', c: '3' }), '{"b":2,"c":3 }');
  });

  it('takes members out', () => {
    assert.equal(changeMembers('{"a":1, "b":2}', { a: undefined }), '{"b":2}');
    assert.equal(changeMembers('{"a":1}', { a: undefined }), '{}');
  });

  it('knows members of the object from those of every object', () => {
    const text = '{"a":1,"constructor":{},"toString":2,"__proto__":[3]}';
    assert.equal(changeMembers(text, { a: undefined }), '{"constructor":{},"toString":2,"__proto__":[3]}');
  });

  it('leaves the text alone when there is nothing to do', () => {
    const text = '{ "a" : 1 }';
    assert.equal(changeMembers(text, { b: undefined }), text);
  });

  it('does what setting and deleting on the parsed object would do', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }),
        fc.dictionary(fc.string(), fc.option(fc.jsonValue()), { noNullPrototype: true }),
        (object, wanted) => {
          const entries = Object.entries(wanted).filter(([name]) => name !== '__proto__');
          const changes = Object.fromEntries(
            entries.map(([name, value]) => [name, value === null ? undefined : JSON.stringify(value)]),
          );
          const expected = new Map(Object.entries(JSON.parse(JSON.stringify(object)) as object));
          for (const [name, value] of entries) {
            if (value === null) expected.delete(name);
            else expected.set(name, JSON.parse(JSON.stringify(value)));
          }
          const changed = JSON.parse(changeMembers(JSON.stringify(object), changes)) as object;
          assert.deepEqual(new Map(Object.entries(changed)), expected);
        },
      ),
    );
  });

  it('is told as a bug when it is handed something that is no object', () => {
    assert.throws(() => changeMembers('[1]', { a: '1' }), /needs an object/);
  });
});
