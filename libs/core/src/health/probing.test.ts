/** Probe hysteresis: rows of outcomes and the health that follows. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { defaultProbePolicy, neverProbed, stepProbe, type ProbePolicy, type ProbeState } from './probing.ts';

/** `+` an answer, `-` a failure; the health after each. */
function after(outcomes: string, policy: ProbePolicy = defaultProbePolicy): string[] {
  let state: ProbeState = neverProbed;
  return [...outcomes].map((outcome) => {
    state = stepProbe(state, outcome === '+' ? undefined : { failed: 'no answer' }, policy);
    return state.health;
  });
}

describe('a row of probes', () => {
  const table: readonly (readonly [string, string])[] = [
    ['+', 'healthy'],
    ['-', 'degraded'],
    ['--', 'degraded'],
    ['---', 'unhealthy'],
    ['+---', 'unhealthy'],
    ['+--+', 'degraded'],
    ['+--++', 'healthy'],
    ['+-+-+-+-', 'degraded'],
    ['---+', 'degraded'],
    ['---+-', 'degraded'],
    ['---+---', 'unhealthy'],
    ['---++', 'healthy'],
    ['-+', 'degraded'],
  ];
  for (const [outcomes, health] of table) {
    it(`${outcomes} makes an instance ${health}`, () => assert.equal(after(outcomes).at(-1), health));
  }

  it('obeys other limits: one failure, one answer', () => {
    assert.deepEqual(after('+-+', { failuresMax: 1, successesMin: 1 }), ['healthy', 'unhealthy', 'healthy']);
  });

  it('keeps the last failure in mind until the instance is healthy', () => {
    const failed = stepProbe(neverProbed, { failed: 'connection refused' }, defaultProbePolicy);
    const rising = stepProbe(failed, undefined, defaultProbePolicy);
    assert.equal(rising.detail, 'connection refused');
    assert.equal(stepProbe(rising, undefined, defaultProbePolicy).detail, undefined);
  });
});

describe('whatever the row', () => {
  const rows = fc.array(fc.constantFrom('+', '-'), { maxLength: 60 }).map((row) => row.join(''));
  const policies = fc.record({
    failuresMax: fc.integer({ min: 1, max: 6 }),
    successesMin: fc.integer({ min: 1, max: 6 }),
  });

  it('unhealthy comes only after enough failures in a row, healthy only after enough answers', () => {
    fc.assert(
      fc.property(rows, policies, (row, policy) => {
        const healths = after(row, policy);
        healths.forEach((health, i) => {
          if (health === healths[i - 1]) return;
          const upTo = row.slice(0, i + 1);
          if (health === 'unhealthy') assert.ok(upTo.endsWith('-'.repeat(policy.failuresMax)));
          if (health === 'healthy') assert.ok(i === 0 || upTo.endsWith('+'.repeat(policy.successesMin)));
        });
      }),
    );
  });

  it('an end of answers heals and an end of failures fells, in a bounded number of probes', () => {
    fc.assert(
      fc.property(rows, policies, (row, policy) => {
        assert.equal(after(row + '+'.repeat(policy.successesMin), policy).at(-1), 'healthy');
        assert.equal(after(row + '-'.repeat(policy.failuresMax), policy).at(-1), 'unhealthy');
      }),
    );
  });
});
