/** What several streams say together is passed on as often as the one that said it most often. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Chorus } from './chorus.ts';

describe('streams that say the same for a while', () => {
  it('lose nothing and double nothing, however their messages interleave', () => {
    // what the server says in turn; the old stream ends at `last`, the new one begins at `first`
    const history = fc.record({
      said: fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 }),
      first: fc.nat(30),
      last: fc.nat(30),
      picks: fc.array(fc.boolean(), { minLength: 60, maxLength: 60 }),
    });
    fc.assert(
      fc.property(history, ({ said, first, last, picks }) => {
        const begin = Math.min(first, last, said.length);
        const end = Math.min(Math.max(first, last), said.length);
        const passed: string[] = [];
        const chorus = new Chorus((text) => passed.push(text));
        const voices = { old: {}, fresh: {} };
        chorus.join(voices.old);
        for (const text of said.slice(0, begin)) chorus.say(voices.old, text);
        chorus.join(voices.fresh);
        const [old, fresh] = [said.slice(begin, end), said.slice(begin, end)];
        for (const pick of picks) {
          const voice = (pick && old.length > 0) || fresh.length === 0 ? voices.old : voices.fresh;
          const text = (voice === voices.old ? old : fresh).shift();
          if (text !== undefined) chorus.say(voice, text);
        }
        chorus.leave(voices.old);
        for (const text of said.slice(end)) chorus.say(voices.fresh, text);
        assert.deepEqual([...passed].sort(), [...said].sort());
      }),
      { numRuns: 500 },
    );
  });

  it('may be three: the debts of one that left are forgotten', () => {
    const passed: string[] = [];
    const chorus = new Chorus((text) => passed.push(text));
    const [one, two, three] = [{}, {}, {}];
    chorus.join(one);
    chorus.join(two);
    chorus.say(one, 'a');
    chorus.join(three);
    chorus.say(three, 'a');
    chorus.say(two, 'a');
    chorus.leave(one);
    chorus.leave(two);
    chorus.say(three, 'a');
    chorus.say(one, 'a');
    assert.equal(chorus.size, 1);
    assert.deepEqual(passed, ['a', 'a', 'a']);
  });

  it('remember so much and no more', () => {
    const passed: string[] = [];
    const chorus = new Chorus((text) => passed.push(text));
    const [one, two] = [{}, {}];
    chorus.join(one);
    chorus.join(two);
    for (let at = 0; at < 1_100; at += 1) chorus.say(one, String(at));
    for (let at = 0; at < 1_100; at += 1) chorus.say(two, String(at));
    assert.equal(passed.length, 1_200, 'the last hundred twice');
  });
});
