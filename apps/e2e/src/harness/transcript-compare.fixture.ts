/** What must be equal in two transcripts of one request, directly and through the gateway. */

import assert from 'node:assert/strict';
import type { JsonObject } from '@cruvero/core';
import type { Transcript } from './transcript-client.fixture.ts';
import { timeless, withoutEra } from './view.fixture.ts';

/** All but progress: times, and the ids that a server makes up, are the only things in which two answers may differ. */
export function comparable(transcript: Transcript, sameEra: boolean): unknown {
  const { outcome, progress: _progress, ...rest } = transcript;
  const text = JSON.stringify({ ...rest, outcome: sameEra ? outcome : withoutEra(outcome) });
  // To a client of the other era it is an unnamed failure: the number is of 2026-07-28 only.
  const inBoth = sameEra ? text : text.replace('"code":-32021', '"code":-32603');
  return timeless(JSON.parse(inBoth) as unknown);
}

/** The v2 SDK tells its application of each round of questions as of progress. */
const isOwnWord = ({ message }: JsonObject): boolean => /^Fulfilling input required/.test(String(message));

/** The SDKs drop progress that comes in one piece with what ends the request: the last step may be missing, on either side. */
export function assertSameProgress(got: Transcript, direct: Transcript): void {
  const own = ({ progress }: Transcript): readonly JsonObject[] =>
    progress.filter((step) => !isOwnWord(step));
  const [a, b] = [own(got), own(direct)];
  const both = Math.min(a.length, b.length);
  assert.deepEqual(a.slice(0, both), b.slice(0, both));
  assert.ok(
    Math.max(a.length, b.length) - both <= 1,
    `progress ${JSON.stringify(a)}, directly ${JSON.stringify(b)}`,
  );
}
