/** Loaded into the gateway's process before its main: tells its heap after a collection, and records a profile on demand. */

import { Session, type Profiler } from 'node:inspector';
import { setImmediate as turn } from 'node:timers/promises';
import { endWithParent } from './process-end.ts';

export type Question = { readonly ask: 'heap' } | { readonly ask: 'profile' } | { readonly ask: 'profiled' };

export interface Heap {
  /** In the heap and in buffers outside it, after a full collection. */
  readonly usedBytes: number;
  readonly rssBytes: number;
}

export type Profile = Profiler.Profile;

let session: Session | undefined;

async function heap(): Promise<Heap> {
  for (let round = 0; round < 4; round += 1) {
    globalThis.gc?.();
    await turn();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { usedBytes: heapUsed + external, rssBytes: rss };
}

function beginProfile(): Promise<null> {
  const opened = new Session();
  opened.connect();
  session = opened;
  return new Promise((resolve) => {
    opened.post('Profiler.enable', () => {
      opened.post('Profiler.setSamplingInterval', { interval: 200 }, () => {
        opened.post('Profiler.start', () => resolve(null));
      });
    });
  });
}

function endProfile(): Promise<Profile | null> {
  const opened = session;
  session = undefined;
  return new Promise((resolve) => {
    if (!opened) return resolve(null);
    opened.post('Profiler.stop', (error, result) => {
      opened.disconnect();
      resolve(error ? null : result.profile);
    });
  });
}

function answer(question: Question): Promise<unknown> {
  switch (question.ask) {
    case 'heap':
      return heap();
    case 'profile':
      return beginProfile();
    case 'profiled':
      return endProfile();
  }
}

process.on('message', (question: Question) => {
  void answer(question).then((told) => process.send?.(told ?? {}));
});
endWithParent();
