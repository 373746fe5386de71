/** A call has its time, whatever somebody makes of the clock of the machine meanwhile. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimClock } from '@cruvero/testkit';
import { Deadline, lateBy } from './deadline.ts';

describe('a deadline', () => {
  for (const setMs of [-3_600_000, 3_600_000]) {
    it(`passes after its time where the clock is set ${setMs < 0 ? 'back' : 'forward'}, pauses left out`, async () => {
      let offsetMs = 0;
      class SetClock extends SimClock {
        override nowMs(): number {
          return super.nowMs() + offsetMs;
        }
      }
      const clock = new SetClock();
      const abort = new AbortController();
      const deadline = new Deadline(1_000, abort, clock);
      await clock.advance(400);
      offsetMs = setMs;
      assert.equal(deadline.leftMs(), 600);
      deadline.pause();
      await clock.advance(5_000);
      deadline.resume();
      await clock.advance(599);
      assert.equal(abort.signal.aborted, false);
      await clock.advance(1);
      assert.equal(lateBy(abort.signal), 1_000);
    });
  }
});
