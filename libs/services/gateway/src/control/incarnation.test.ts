/** Another life of the registry's store is taken in answer to a question only, and a former one never by accident. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { policySchema, serversSchema } from '@cruvero/contracts';
import { IncarnationGate, incarnationsOf } from './incarnation.ts';

const servers = (incarnation?: string) =>
  serversSchema.parse({ version: 7, servers: [], ...(incarnation === undefined ? {} : { incarnation }) });
const policy = (incarnation: string) =>
  policySchema.parse({
    version: 7,
    incarnation,
    profiles: [{ name: 'default', rate_limit: 1, rate_burst: 1, enforcement_mode: 'audit' }],
  });
const said = (incarnation: string, question?: string) => ({ incarnation, in_answer_to: question });

describe('the first life that speaks', () => {
  it('is taken by a gateway that knows none', () => {
    const gate = new IncarnationGate({});
    assert.equal(gate.admits(said('a')), true);
    assert.equal(gate.admits(said('a')), true);
    assert.equal(gate.admits(said('b')), false);
  });

  it('is taken by a gateway whose parts are of two lives', () => {
    const gate = new IncarnationGate({ servers: servers('a'), policy: policy('b') });
    assert.equal(gate.admits(said('c')), true);
    assert.equal(gate.admits(said('a')), false);
  });

  it('is the one that was written down, if there was one', () => {
    const gate = new IncarnationGate({ servers: servers('a'), policy: policy('a') });
    assert.equal(gate.admits(said('b')), false);
    assert.equal(gate.admits(said('a')), true);
  });
});

describe('another life', () => {
  const stage = () => {
    const gate = new IncarnationGate({ servers: servers('a') });
    gate.asked('q-1');
    return gate;
  };

  it('is taken in the answer to the open question, and all that it says from then on', () => {
    const gate = stage();
    assert.equal(gate.admits(said('b')), false, 'told unasked');
    assert.equal(gate.admits(said('b', 'q-0')), false, 'the answer to an older question');
    assert.equal(gate.admits(said('b', 'q-1')), true);
    assert.equal(gate.admits(said('b', 'q-1')), true, 'another scope of the same answer');
    assert.equal(gate.admits(said('b')), true);
  });

  it('shuts the former one out, late pushes and late answers alike', () => {
    const gate = stage();
    gate.admits(said('b', 'q-1'));
    for (const late of [said('a'), said('a', 'q-1'), said('a', 'q-0')])
      assert.equal(gate.admits(late), false);
  });

  it('may be a former one that was restored: it answers the next question', () => {
    const gate = stage();
    gate.admits(said('b', 'q-1'));
    gate.asked('q-2');
    assert.equal(gate.admits(said('a', 'q-2')), true);
    assert.equal(gate.admits(said('b')), false);
  });

  it('does not take the question from the one that stays', () => {
    const gate = stage();
    assert.equal(gate.admits(said('a', 'q-1')), true);
    assert.equal(gate.admits(said('b', 'q-1')), true, 'the newer registry answered second');
  });
});

describe('a registry that names no life', () => {
  it('is believed by its versions alone, and changes nothing', () => {
    const gate = new IncarnationGate({ servers: servers('a') });
    assert.equal(gate.admits({}), true);
    assert.equal(gate.admits(said('b')), false);
    assert.equal(gate.admits(said('a')), true);
  });
});

describe('what the gateway has', () => {
  it('is said scope by scope, where it is known', () => {
    assert.deepEqual(incarnationsOf({}), {});
    assert.deepEqual(incarnationsOf({ servers: servers(), policy: policy('b') }), { 'config.policy': 'b' });
    assert.deepEqual(incarnationsOf({ servers: servers('a'), policy: policy('b') }), {
      'config.servers': 'a',
      'config.policy': 'b',
    });
  });
});
