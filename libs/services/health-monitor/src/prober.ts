/** Probes every instance that can be asked, each in its own time, a bounded number at once. */

import type { JsonObject, ProbeOutcome } from '@cruvero/core';
import { isUpstreamFault } from '@cruvero/ports';
import type { Clock, Random, Timer, Upstream, Upstreams } from '@cruvero/ports';
import { defaultBounds, UpstreamLink, type Peer } from '@cruvero/upstream';
import type { InstanceName, Reach } from './fleet.ts';
import { probeLink } from './probe.ts';

export interface ProberOptions {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Probes under way at once. */
  readonly atOnceMax: number;
  /** A server that failed so often in a row is met as a stranger the next time: its replacement may be another one. */
  readonly strangerAfter: number;
  readonly clientInfo: JsonObject;
}

export interface ProberParts {
  readonly upstreams: Upstreams;
  readonly clock: Clock;
  readonly random: Random;
  /** `tookMs` of the whole probe. */
  readonly onOutcome: (key: string, outcome: ProbeOutcome, tookMs: number) => void;
}

interface Probed {
  readonly key: string;
  readonly link: UpstreamLink;
  /** Of one that wants a credential: whether its last word was that it wants one. */
  readonly guard: { refused: boolean } | undefined;
  timer: Timer | undefined;
  /** Failures in a row; undefined before the first probe. */
  failures: number | undefined;
  gone: boolean;
}

/** The first probe comes within this time, spread so that a large fleet is not asked in one moment. */
const firstWithinMs = 2_000;
const answerBytesMax = 1 << 20;
const closeWithinMs = 1_000;

export class Prober {
  readonly #options: ProberOptions;
  readonly #parts: ProberParts;
  readonly #probed = new Map<string, Probed>();
  readonly #waiting = new Set<Probed>();
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  constructor(options: ProberOptions, parts: ProberParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** How many instances are probed. */
  get size(): number {
    return this.#probed.size;
  }

  /** Begins to probe an instance, or to probe it at its new place. What cannot be asked from here is left to its heartbeats. */
  watch(key: string, name: InstanceName, reach: Reach): void {
    this.forget(key);
    const { transport, endpoint } = reach;
    const asked =
      transport !== 'stdio' && endpoint !== undefined && this.#parts.upstreams[transport] !== undefined;
    if (!asked || this.#closed) return;
    const peer: Peer = {
      server: name.server,
      instance: { instanceId: name.instanceId, transport, endpoint },
    };
    const guard = reach.guarded ? { refused: false } : undefined;
    const probed: Probed = {
      key,
      link: this.#link(peer, guard),
      guard,
      timer: undefined,
      failures: undefined,
      gone: false,
    };
    this.#probed.set(key, probed);
    this.#askIn(probed, this.#parts.random() * Math.min(firstWithinMs, this.#options.intervalMs));
  }

  forget(key: string): void {
    const probed = this.#probed.get(key);
    if (!probed) return;
    this.#probed.delete(key);
    void this.#end(probed);
  }

  /** Ends every session that was opened; servers that do not answer are not waited for longer than a second. */
  async close(): Promise<void> {
    this.#closed = true;
    const ends = [...this.#probed.values()].map((probed) => this.#end(probed));
    this.#probed.clear();
    const late = Promise.withResolvers<void>();
    const timer = this.#parts.clock.after(closeWithinMs, () => late.resolve());
    await Promise.race([Promise.all([...ends, ...this.#running]), late.promise]);
    timer.cancel();
  }

  #link(peer: Peer, guard: Probed['guard']): UpstreamLink {
    const bounds = { ...defaultBounds, timeoutMs: this.#options.timeoutMs, answerBytesMax, sessionsMax: 4 };
    const { clock, random } = this.#parts;
    const upstreams = guard ? noting(this.#parts.upstreams, guard) : this.#parts.upstreams;
    return new UpstreamLink(peer, bounds, { upstreams, clock, random, clientInfo: this.#options.clientInfo });
  }

  async #end(probed: Probed): Promise<void> {
    probed.gone = true;
    probed.timer?.cancel();
    this.#waiting.delete(probed);
    await probed.link.close();
  }

  #askIn(probed: Probed, delayMs: number): void {
    probed.timer = this.#parts.clock.after(delayMs, () => {
      this.#waiting.add(probed);
      this.#startNext();
    });
  }

  #startNext(): void {
    for (const probed of this.#waiting) {
      if (this.#running.size >= this.#options.atOnceMax) return;
      this.#waiting.delete(probed);
      const run = this.#probe(probed).finally(() => {
        this.#running.delete(run);
        this.#startNext();
      });
      this.#running.add(run);
    }
  }

  async #probe(probed: Probed): Promise<void> {
    const { clock, random, onOutcome } = this.#parts;
    const startedMs = clock.monotonicMs();
    const asked = await probeLink(probed.link, probed.failures === 0, this.#options.timeoutMs);
    // Whoever asks for a credential is there; whether it works with one, only those know who have it.
    const outcome = probed.guard?.refused === true ? undefined : asked;
    // a session opened while the instance was being forgotten is ended too
    if (probed.gone) return probed.link.close();
    probed.failures = outcome ? (probed.failures ?? 0) + 1 : 0;
    onOutcome(probed.key, outcome, clock.monotonicMs() - startedMs);
    if (probed.failures === this.#options.strangerAfter) await probed.link.reset();
    if (!probed.gone) this.#askIn(probed, this.#options.intervalMs * (0.9 + random() / 5));
  }
}

/** The same ways, with a note of whether the last answer asked for a credential. */
function noting(upstreams: Upstreams, guard: { refused: boolean }): Upstreams {
  const noted = (upstream: Upstream): Upstream => ({
    exchange: async (request) => {
      const response = await upstream.exchange(request);
      guard.refused = !isUpstreamFault(response) && (response.status === 401 || response.status === 403);
      return response;
    },
    [Symbol.asyncDispose]: async () => undefined,
  });
  const ways = Object.entries(upstreams).map(([transport, upstream]) => [transport, noted(upstream)]);
  return Object.fromEntries(ways) as Upstreams;
}
