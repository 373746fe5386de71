/** Publishes what was committed, oldest first, and takes it out of the book only when the stream has it. */

import type { Bus, Clock, Log, ServerStore, Timer } from '@cruvero/ports';
import { StoreUnavailable } from '@cruvero/ports';
import type { RegistryMetrics } from './metrics.ts';

export interface OutboxParts {
  readonly store: Pick<ServerStore, 'outbox' | 'settle'>;
  readonly bus: Pick<Bus, 'publishStored'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: RegistryMetrics;
}

const rowsMax = 100;
/** Without any reason to look: whatever went wrong before is tried again. */
const lookEveryMs = 3_000;

/**
 * A row may be published twice (its message id is the same), never not at all, and never before an older one.
 */
export class OutboxPublisher {
  readonly #parts: OutboxParts;
  readonly #timer: Timer;
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.#timer = parts.clock.every(lookEveryMs, () => this.kick());
  }

  /** Something was committed, or the bus is back. */
  kick(): void {
    if (this.#closed) return;
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#again && !this.#closed) {
        this.#again = false;
        this.kick();
      }
    });
  }

  async #run(): Promise<void> {
    try {
      while (!this.#closed && (await this.#batch()));
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) this.#parts.log.error('the outbox failed', { error });
    }
  }

  /** True where there may be more. */
  async #batch(): Promise<boolean> {
    const { store, bus, metrics, log } = this.#parts;
    const rows = await store.outbox(rowsMax);
    metrics.outboxDepth = rows.length;
    for (const [at, row] of rows.entries()) {
      const fault = await bus.publishStored(row.subject, row.body, row.messageId);
      metrics.publish.add(1, { kind: 'sync', outcome: fault ? 'failed' : 'ok' });
      if (fault?.fault === 'message_too_large') {
        // It will never fit; holding the others up for it would stop everything.
        log.error('an event is too large for the bus and is left out', {
          subject: row.subject,
          detail: fault.detail,
        });
      } else if (fault) {
        log.warn('events wait for the bus', { detail: fault.detail });
        return false;
      }
      await store.settle([row.id]);
      metrics.outboxDepth = rows.length - at - 1;
    }
    return rows.length === rowsMax;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer.cancel();
    await this.#running;
  }
}
