/**
 * A durable consumer in memory: one message in hand at a time, so that a redelivery never overtakes and is never
 * overtaken; the next goes out when the one in hand is acknowledged or given up.
 */

import type { BusMessage, Clock, ConsumeOptions, Timer } from '@cruvero/ports';
import { redeliveryPauseMs } from '@cruvero/ports';

import type { MemoryStream, StoredMessage } from './stream.ts';

/** A handler of one connection; it works on one message at a time. */
export interface Attachment {
  readonly handle: (message: BusMessage) => Promise<void>;
  /** False while its connection is away or gone. */
  readonly reachable: () => boolean;
  readonly onThrow: (error: unknown) => void;
  busy: boolean;
}

interface InHand {
  readonly message: StoredMessage;
  deliveryCount: number;
  /** Ready to be handed to whoever is free. */
  due: boolean;
  timer?: Timer;
}

export class Durable {
  readonly #stream: MemoryStream;
  readonly #clock: Clock;
  #options: ConsumeOptions;
  #cursor = 1;
  #inHand: InHand | undefined;
  readonly #attached: Attachment[] = [];

  constructor(stream: MemoryStream, options: ConsumeOptions, clock: Clock) {
    this.#stream = stream;
    this.#options = options;
    this.#clock = clock;
  }

  attach(attachment: Attachment, options: ConsumeOptions): void {
    this.#options = options;
    this.#attached.push(attachment);
    this.pump();
  }

  detach(attachment: Attachment): void {
    const at = this.#attached.indexOf(attachment);
    if (at >= 0) this.#attached.splice(at, 1);
  }

  /** Hands out what can be handed out now; called whenever something changed. */
  pump(): void {
    const inHand = (this.#inHand ??= this.#take());
    if (!inHand?.due) return;
    const gone = !this.#stream.holds(inHand.message.sequence, this.#clock.nowMs());
    if (gone || inHand.deliveryCount >= this.#options.deliveriesMax) return this.#settle(inHand);
    const free = this.#attached.find((attachment) => !attachment.busy && attachment.reachable());
    if (free) this.#deliver(inHand, free);
  }

  #take(): InHand | undefined {
    const message = this.#stream.next(this.#cursor, this.#options.subject, this.#clock.nowMs());
    if (!message) return undefined;
    this.#cursor = message.sequence + 1;
    return { message, deliveryCount: 0, due: true };
  }

  #deliver(inHand: InHand, to: Attachment): void {
    inHand.due = false;
    inHand.deliveryCount += 1;
    inHand.timer = this.#clock.after(this.#options.ackWaitMs, () => this.#makeDue(inHand));
    to.busy = true;
    // The others get their turn next.
    this.detach(to);
    this.#attached.push(to);
    const deliveryCount = inHand.deliveryCount;
    setImmediate(() => void this.#run(inHand, deliveryCount, to));
  }

  async #run(inHand: InHand, deliveryCount: number, to: Attachment): Promise<void> {
    const { subject, text, sequence } = inHand.message;
    try {
      if (!this.#attached.includes(to)) return this.#makeDue(inHand);
      await to.handle({ subject, body: JSON.parse(text), sequence, deliveryCount });
      this.#settle(inHand);
    } catch (error) {
      to.onThrow(error);
      this.#fail(inHand, deliveryCount);
    } finally {
      to.busy = false;
      this.pump();
    }
  }

  #fail(inHand: InHand, deliveryCount: number): void {
    // A later delivery of the same message is out or due: that one decides.
    if (this.#inHand !== inHand || inHand.due || inHand.deliveryCount !== deliveryCount) return;
    if (deliveryCount >= this.#options.deliveriesMax) return this.#settle(inHand);
    inHand.timer?.cancel();
    const pauseMs = redeliveryPauseMs(deliveryCount, this.#options.ackWaitMs);
    inHand.timer = this.#clock.after(pauseMs, () => this.#makeDue(inHand));
  }

  #makeDue(inHand: InHand): void {
    if (this.#inHand !== inHand) return;
    inHand.timer?.cancel();
    inHand.due = true;
    this.pump();
  }

  /** Done with this message, acknowledged or given up. */
  #settle(inHand: InHand): void {
    if (this.#inHand !== inHand) return;
    inHand.timer?.cancel();
    this.#inHand = undefined;
    this.pump();
  }
}
