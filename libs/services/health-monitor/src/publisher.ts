/** Brings verdicts to the bus: only what changed, stored, in order for each instance, until it is taken. */

import { lifecycleSubjects, streams, verdictSchema, type VerdictEvent } from '@cruvero/contracts';
import { sameVerdict, type Json, type Verdict } from '@cruvero/core';
import type { Bus, Clock, Log, Random, Timer } from '@cruvero/ports';
import type { InstanceName } from './fleet.ts';

export interface PublisherParts {
  readonly bus: Pick<Bus, 'publishStored' | 'ensureStream'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** A verdict was stored. */
  readonly onStored: (event: VerdictEvent) => void;
}

interface Outgoing {
  readonly event: VerdictEvent;
  readonly verdict: Verdict;
}

interface Line {
  readonly name: InstanceName;
  /** The last verdict that was stored; everybody begins as pending, so that is never said. */
  told: Pick<Verdict, 'status' | 'health'>;
  toldMs: number;
  outgoing: Outgoing | undefined;
}

const untold = { status: 'pending', health: 'unknown' } as const;
const sendsMax = 8;
const againMs = 1_000;
const remindAfterMs = 5_000;

export class VerdictPublisher {
  readonly #prefix: string;
  readonly #parts: PublisherParts;
  readonly #lines = new Map<string, Line>();
  /** Keys with something to send, oldest first. */
  readonly #due = new Set<string>();
  readonly #sending = new Set<string>();
  #pause: Timer | undefined;
  #closed = false;

  constructor(prefix: string, parts: PublisherParts) {
    this.#prefix = prefix;
    this.#parts = parts;
  }

  /** Takes note of a verdict; it is sent if it says something else than the last one that was stored. */
  consider(key: string, name: InstanceName, verdict: Verdict): void {
    const line = this.#lines.get(key) ?? { name, told: untold, toldMs: 0, outgoing: undefined };
    this.#lines.set(key, line);
    if (sameVerdict(line.told, verdict)) {
      line.outgoing = undefined;
      this.#due.delete(key);
    } else if (!line.outgoing || !sameVerdict(line.outgoing.verdict, verdict)) {
      this.#put(key, line, verdict);
    }
  }

  /** Says the verdict again although nothing changed, for whoever may have missed it. */
  repeat(key: string, verdict: Verdict): void {
    const line = this.#lines.get(key);
    if (line && !sameVerdict(verdict, untold)) this.#put(key, line, verdict);
  }

  /** Somebody believes something else although this was told a while ago: it is told again, not too often. */
  remind(key: string, verdict: Verdict): void {
    const line = this.#lines.get(key);
    const told = line && !line.outgoing && sameVerdict(line.told, verdict);
    if (told && this.#parts.clock.monotonicMs() - line.toldMs >= remindAfterMs) this.repeat(key, verdict);
  }

  forget(key: string): void {
    this.#lines.delete(key);
    this.#due.delete(key);
  }

  close(): void {
    this.#closed = true;
    this.#pause?.cancel();
  }

  /** Tries at once what waits; for when the bus is back. */
  wake(): void {
    this.#pause?.cancel();
    this.#pause = undefined;
    this.#sendDue();
  }

  #put(key: string, line: Line, verdict: Verdict): void {
    line.outgoing = { verdict, event: this.#event(line, verdict) };
    this.#due.add(key);
    this.#sendDue();
  }

  #event(line: Line, verdict: Verdict): VerdictEvent {
    const { clock, random } = this.#parts;
    const parts = Array.from({ length: 4 }, () =>
      Math.floor(random() * 2 ** 32)
        .toString(16)
        .padStart(8, '0'),
    );
    return {
      event_type: 'mcp.verdict',
      event_id: `evt-${parts.join('')}`,
      timestamp: new Date(clock.nowMs()).toISOString(),
      tenant_id: line.name.tenantId,
      payload: {
        server: line.name.server,
        instance_id: line.name.instanceId,
        old_status: line.told.status,
        new_status: verdict.status,
        health: verdict.health,
        reason: verdict.reason.slice(0, 512),
        age_ms: Math.round(verdict.ageMs),
      },
    };
  }

  #sendDue(): void {
    for (const key of this.#due) {
      if (this.#closed || this.#pause || this.#sending.size >= sendsMax) return;
      if (this.#sending.has(key)) continue;
      this.#due.delete(key);
      this.#sending.add(key);
      void this.#send(key).finally(() => {
        this.#sending.delete(key);
        this.#sendDue();
      });
    }
  }

  async #send(key: string): Promise<void> {
    const line = this.#lines.get(key);
    const outgoing = line?.outgoing;
    if (!line || !outgoing) return;
    const { bus, log, onStored } = this.#parts;
    const { event } = outgoing;
    const body = verdictSchema.parse(event) as Json;
    const fault = await bus.publishStored(lifecycleSubjects(this.#prefix).verdict, body, event.event_id);
    if (fault) {
      log.warn('verdict not stored; it is tried again', { server: line.name.server, detail: fault.detail });
      this.#due.add(key);
      // without a stream, but with somebody who listens, there is no other sign than that nobody stores it
      if (fault.fault !== 'bus_disconnected') await bus.ensureStream(streams(this.#prefix).mcp);
      this.#pause ??= this.#parts.clock.after(againMs, () => this.wake());
      return;
    }
    line.told = outgoing.verdict;
    line.toldMs = this.#parts.clock.monotonicMs();
    if (line.outgoing === outgoing) line.outgoing = undefined;
    onStored(event);
  }
}
