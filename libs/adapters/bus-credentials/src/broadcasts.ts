/** Revocations as they come over the bus: believed where the broker signed them for this asker, and each of them once. */

import {
  credentialBroadcastSchema,
  credentialRevokedSchema,
  verify,
  type CredentialRevoked,
} from '@cruvero/contracts';
import type { Json } from '@cruvero/core';
import type { Clock, Log, Metrics } from '@cruvero/ports';

export interface BroadcastsOptions {
  readonly asker: string;
  /** 32 bytes, shared with the broker. */
  readonly key: Uint8Array;
}

export interface BroadcastsParts {
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs'>;
  readonly log: Pick<Log, 'warn'>;
  readonly metrics: Pick<Metrics, 'counter'>;
}

/** As for asks: nothing counts whose clock is further away. */
const clocksDifferMsMax = 60_000;
/** Beyond it the oldest is forgotten; said again, that one costs a question more. */
const heardMax = 10_000;
const strangersEveryMs = 10_000;

export class Broadcasts {
  readonly #options: BroadcastsOptions;
  readonly #parts: BroadcastsParts;
  readonly #counted: ReturnType<Metrics['counter']>;
  /** Nonces that were heard, with the time until which they count, oldest first. */
  readonly #heard = new Map<string, number>();
  #strangersSaidMs = -Infinity;

  constructor(options: BroadcastsOptions, parts: BroadcastsParts) {
    this.#options = options;
    this.#parts = parts;
    this.#counted = parts.metrics.counter(
      'cruvero_credential_broadcasts_total',
      'Revocations and rotations that were heard, and whether they were believed',
    );
  }

  /** What it says; undefined where it is not from the broker, not for this asker, late, or heard before. */
  async read(body: Json): Promise<CredentialRevoked | undefined> {
    const { asker, key } = this.#options;
    const broadcast = credentialBroadcastSchema.safeParse(body);
    if (!broadcast.success) return this.#stranger('it has not the form of one');
    const jws = broadcast.data.to[asker];
    // A broker with many askers says it in several messages.
    if (jws === undefined) return undefined;
    const said = credentialRevokedSchema.safeParse(
      await verify('cruvero-credential-revoked', asker, key, jws),
    );
    if (!said.success) return this.#stranger('its signature or its form is not right');
    const { nonce, at_ms: atMs } = said.data;
    const nowMs = this.#parts.clock.nowMs();
    if (Math.abs(nowMs - atMs) > clocksDifferMsMax) return this.#stranger('it is from another time');
    if (!this.#isFirst(nonce, nowMs)) return this.#stranger('it was heard before');
    this.#counted.add(1, { outcome: 'believed' });
    return said.data;
  }

  #isFirst(nonce: string, nowMs: number): boolean {
    for (const [old, untilMs] of this.#heard) {
      if (untilMs >= nowMs && this.#heard.size < heardMax) break;
      this.#heard.delete(old);
    }
    if (this.#heard.has(nonce)) return false;
    this.#heard.set(nonce, nowMs + 2 * clocksDifferMsMax);
    return true;
  }

  /** A flood of them is a line now and then. */
  #stranger(why: string): undefined {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#counted.add(1, { outcome: 'ignored' });
    if (nowMs - this.#strangersSaidMs < strangersEveryMs) return undefined;
    this.#strangersSaidMs = nowMs;
    this.#parts.log.warn('a revocation of credentials is not believed', { why });
  }
}
