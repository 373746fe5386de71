/** Evidence in, verdict out: the stories an operator knows, and that nothing flaps. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { defaultProbePolicy } from './probing.ts';
import {
  beginWatch,
  judge,
  sameVerdict,
  stepWatch,
  type Evidence,
  type HealthPolicy,
  type Verdict,
} from './verdict.ts';

const policy: HealthPolicy = {
  probes: defaultProbePolicy,
  staleThresholdMs: undefined,
  assumedIntervalMs: 30_000,
};
const second = 1_000;
const ok: Evidence = { kind: 'heartbeat', status: 'ok' };
const answered: Evidence = { kind: 'probed', outcome: undefined };
const failed: Evidence = { kind: 'probed', outcome: { failed: 'connection refused' } };
const announced = (intervalMs?: number): Evidence => ({ kind: 'announced', intervalMs });

/** Evidence at given seconds, then the verdict at `atS`. */
function verdictAt(atS: number, story: readonly (readonly [number, Evidence])[], by = policy): Verdict {
  let watch = beginWatch(0);
  for (const [s, evidence] of story) watch = stepWatch(watch, evidence, s * second, by);
  return judge(watch, atS * second, by);
}

describe('the verdict on an instance', () => {
  const beats10 = announced(10 * second);
  const table: readonly (readonly [string, Verdict, Verdict['status'], Verdict['health'], RegExp])[] = [
    ['nothing is known', verdictAt(5, []), 'pending', 'unknown', /No sign of life yet/],
    ['it was announced', verdictAt(5, [[0, beats10]]), 'active', 'healthy', /heartbeats arrive/],
    [
      'heartbeats stopped',
      verdictAt(31, [[0, beats10]]),
      'stale',
      'stale',
      /No heartbeat for 31 s; stale after 30 s\./,
    ],
    ['they stopped long ago', verdictAt(91, [[0, beats10]]), 'expired', 'expired', /expired after 90 s/],
    [
      'they resumed',
      verdictAt(101, [
        [0, beats10],
        [100, ok],
      ]),
      'active',
      'healthy',
      /heartbeats arrive/,
    ],
    [
      'heartbeats stopped, probes answer',
      verdictAt(31, [
        [0, beats10],
        [30, answered],
      ]),
      'stale',
      'stale',
      /No heartbeat/,
    ],
    ['it only answers probes', verdictAt(3_600, [[1, answered]]), 'active', 'healthy', /answers its probes/],
    [
      'one probe failed',
      verdictAt(1, [
        [0, announced()],
        [1, failed],
      ]),
      'active',
      'degraded',
      /1 probe failed: connection/,
    ],
    [
      'three failed',
      verdictAt(1, [
        [0, answered],
        [1, failed],
        [1, failed],
        [1, failed],
      ]),
      'active',
      'unhealthy',
      /3 probes/,
    ],
    [
      'never reached',
      verdictAt(1, [
        [0, failed],
        [0, failed],
        [0, failed],
      ]),
      'pending',
      'unhealthy',
      /in a row failed/,
    ],
    [
      'it drains',
      verdictAt(1, [
        [0, beats10],
        [1, { kind: 'heartbeat', status: 'draining' }],
      ]),
      'active',
      'degraded',
      /draining/,
    ],
    [
      'listed, silent',
      verdictAt(31, [[0, { kind: 'listed', intervalMs: 10_000 }]]),
      'stale',
      'stale',
      /No heartbeat/,
    ],
    [
      'it beats unpromised',
      verdictAt(91, [
        [0, announced()],
        [0, ok],
      ]),
      'stale',
      'stale',
      /stale after 90 s/,
    ],
  ];
  for (const [when, verdict, status, health, reason] of table) {
    it(`is ${status}/${health} when ${when}`, () => {
      assert.deepEqual([verdict.status, verdict.health], [status, health]);
      assert.match(verdict.reason, reason);
    });
  }

  it('says in its reason that heartbeats arrive although probes fail', () => {
    const verdict = verdictAt(2, [
      [0, beats10],
      [1, failed],
      [1, failed],
      [1, failed],
    ]);
    assert.match(verdict.reason, /3 probes in a row failed though its heartbeats arrive: connection refused/);
  });

  it('counts its age from the last sign of life', () => {
    assert.equal(verdictAt(31, [[0, beats10]]).ageMs, 31_000);
    assert.equal(
      verdictAt(31, [
        [0, announced()],
        [30, answered],
      ]).ageMs,
      1_000,
    );
  });

  it('gives an instance its full time again when this side was deaf', () => {
    const deaf: Evidence = { kind: 'resumed', deafSinceMs: 5_000 };
    assert.equal(
      verdictAt(1_029, [
        [0, beats10],
        [1_000, deaf],
      ]).status,
      'active',
    );
    assert.equal(
      verdictAt(1_031, [
        [0, beats10],
        [1_000, deaf],
      ]).status,
      'stale',
    );
  });

  it('does not revive by deafness who was silent before it, nor let it expire in the meantime', () => {
    const deaf: Evidence = { kind: 'resumed', deafSinceMs: 40_000 };
    assert.equal(
      verdictAt(1_001, [
        [0, beats10],
        [1_000, deaf],
      ]).status,
      'stale',
    );
  });

  it('believes a promise from the moment it is made', () => {
    const story: [number, Evidence][] = [
      [0, announced()],
      [500, { kind: 'listed', intervalMs: 10_000 }],
    ];
    assert.equal(verdictAt(529, story).status, 'active');
    assert.equal(verdictAt(531, story).status, 'stale');
  });
});

const evidences: fc.Arbitrary<Evidence> = fc.oneof(
  fc.constant(answered),
  fc.constant(failed),
  fc.record({
    kind: fc.constant('heartbeat' as const),
    status: fc.constantFrom('ok', 'degraded', 'draining'),
  }),
  fc.record({
    kind: fc.constantFrom('announced' as const, 'listed' as const),
    intervalMs: fc.option(fc.integer({ min: 100, max: 60_000 }), { nil: undefined }),
  }),
);

describe('no flapping', () => {
  it('between two pieces of evidence a verdict only moves on through active, stale, expired', () => {
    fc.assert(
      fc.property(
        fc.array(evidences, { maxLength: 20 }),
        fc.array(fc.nat(1e6), { minLength: 2 }),
        (story, moments) => {
          const watch = story.reduce((w, evidence) => stepWatch(w, evidence, 0, policy), beginWatch(0));
          const order = ['pending', 'active', 'stale', 'expired'];
          const places = moments
            .sort((a, b) => a - b)
            .map((nowMs) => order.indexOf(judge(watch, nowMs, policy).status));
          places.forEach((place, i) => assert.ok(i === 0 || place >= (places[i - 1] ?? 0)));
        },
      ),
    );
  });

  it('the same evidence at the same moment gives the same verdict: nothing changes by looking', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(60_000), evidences), { maxLength: 30 }), (story) => {
        let nowMs = 0;
        let watch = beginWatch(0);
        for (const [gapMs, evidence] of story) {
          nowMs += gapMs;
          watch = stepWatch(watch, evidence, nowMs, policy);
          const verdict = judge(watch, nowMs, policy);
          assert.ok(sameVerdict(verdict, judge(watch, nowMs, policy)));
          assert.ok(verdict.reason.length > 0 && verdict.reason.length <= 512 && verdict.ageMs >= 0);
        }
      }),
    );
  });

  it('a live server whose heartbeats are late by less than the threshold never leaves active', () => {
    const gaps = fc.array(fc.nat(90_000), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(gaps, fc.nat(89_999), (gapsMs, lookMs) => {
        let nowMs = 0;
        let watch = stepWatch(beginWatch(0), announced(30_000), 0, policy);
        for (const gapMs of gapsMs) {
          assert.equal(judge(watch, nowMs + Math.min(lookMs, gapMs), policy).status, 'active');
          nowMs += gapMs;
          watch = stepWatch(watch, ok, nowMs, policy);
          assert.equal(judge(watch, nowMs, policy).status, 'active');
        }
      }),
    );
  });

  it('a heartbeat brings any instance back to active at once', () => {
    fc.assert(
      fc.property(fc.array(evidences, { maxLength: 20 }), fc.nat(1e9), (story, laterMs) => {
        const watch = story.reduce((w, evidence) => stepWatch(w, evidence, 0, policy), beginWatch(0));
        assert.equal(judge(stepWatch(watch, ok, laterMs, policy), laterMs, policy).status, 'active');
      }),
    );
  });
});
