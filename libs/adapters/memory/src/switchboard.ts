/** The broker's inside: who listens, which streams there are, what is kept by key. Connections are in bus.ts. */

import type { BusFault, Clock, ConsumeOptions, Log, Random, StreamDefinition } from '@cruvero/ports';
import { isStreamName, isSubjectPattern, subjectMatches } from '@cruvero/ports';

import type { Attachment } from './durable.ts';
import { Durable } from './durable.ts';
import type { Envelope } from './envelope.ts';
import { busError, subjectsOverlap } from './envelope.ts';
import { MemoryStream } from './stream.ts';

export interface MemoryBrokerOptions {
  readonly clock: Clock;
  /** Chooses among responders. */
  readonly random: Random;
  /** Told of handlers that throw and of messages dropped. */
  readonly log?: Pick<Log, 'warn'>;
}

export interface Listener {
  readonly pattern: string;
  /** Responders share the work, plain listeners each get a copy. */
  readonly responds: boolean;
  take(envelope: Envelope, reply: ((answer: string | undefined) => void) | undefined): void;
}

/** All values of all buckets together, about as much as one disk would lend them. */
const valuesBytesMax = 256 << 20;

export class Switchboard {
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'> | undefined;
  readonly #random: Random;
  readonly #listeners = new Set<Listener>();
  readonly #streams = new Map<string, MemoryStream>();
  readonly #durables = new Map<string, Durable>();
  readonly #values = new Map<string, string>();
  readonly #onReach = new Set<(reachable: boolean) => void>();
  #valuesBytes = 0;
  #reachable = true;

  constructor(options: MemoryBrokerOptions) {
    this.clock = options.clock;
    this.log = options.log;
    this.#random = options.random;
  }

  get reachable(): boolean {
    return this.#reachable;
  }

  /** Away: every connection is told, publishes fail, nothing is delivered; what is stored stays. For tests of outages. */
  setReachable(reachable: boolean): void {
    if (this.#reachable === reachable) return;
    this.#reachable = reachable;
    for (const tell of [...this.#onReach]) tell(reachable);
    if (reachable) this.#pumpAll();
  }

  onReach(tell: (reachable: boolean) => void): () => void {
    this.#onReach.add(tell);
    return () => void this.#onReach.delete(tell);
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Stores it where a stream covers it, then hands a copy to every listener in a later turn of the loop. */
  publish(envelope: Envelope): void {
    this.store(envelope, undefined);
    this.#fanOut(envelope);
  }

  /** False where no stream covers the subject; then nobody gets it either. */
  publishStored(envelope: Envelope, messageId: string): boolean {
    if (!this.covers(envelope.subject)) return false;
    this.store(envelope, messageId);
    this.#fanOut(envelope);
    return true;
  }

  /** False where nobody listens. The answer is undefined where the responder failed. */
  ask(envelope: Envelope, reply: (answer: string | undefined) => void): boolean {
    const matching = [...this.#listeners].filter((listener) =>
      subjectMatches(listener.pattern, envelope.subject),
    );
    if (matching.length === 0) return false;
    this.#fanOut(envelope);
    const responders = matching.filter((listener) => listener.responds);
    const chosen = responders[Math.floor(this.#random() * responders.length)];
    if (chosen) setImmediate(() => chosen.take(envelope, reply));
    return true;
  }

  covers(subject: string): boolean {
    return [...this.#streams.values()].some((stream) => stream.covers(subject));
  }

  store(envelope: Envelope, messageId: string | undefined): void {
    for (const stream of this.#streams.values()) {
      if (stream.covers(envelope.subject)) {
        stream.append(envelope.subject, envelope.text, messageId, this.clock.nowMs());
      }
    }
    this.#pumpAll();
  }

  #fanOut(envelope: Envelope): void {
    for (const listener of this.#listeners) {
      if (listener.responds || !subjectMatches(listener.pattern, envelope.subject)) continue;
      setImmediate(() => {
        if (this.#reachable && this.#listeners.has(listener)) listener.take(envelope, undefined);
      });
    }
  }

  ensureStream(definition: StreamDefinition): BusFault | undefined {
    const { name, subjects } = definition;
    if (!isStreamName(name)) return busError(`${JSON.stringify(name)} is no stream name`);
    if (subjects.length === 0) return busError(`stream ${name} needs at least one subject`);
    const bad = subjects.find((subject) => !isSubjectPattern(subject));
    if (bad !== undefined) return busError(`${JSON.stringify(bad)} is no subject`);
    const other = [...this.#streams.values()].find(
      (stream) =>
        stream.definition.name !== name &&
        stream.definition.subjects.some((theirs) => subjects.some((ours) => subjectsOverlap(ours, theirs))),
    );
    if (other) return busError(`subjects overlap with stream ${other.definition.name}`);
    const copy = { ...definition, subjects: [...subjects] };
    const present = this.#streams.get(name);
    if (present) present.redefine(copy, this.clock.nowMs());
    else this.#streams.set(name, new MemoryStream(copy));
    return undefined;
  }

  /** Undefined where the stream does not exist. */
  attach(options: ConsumeOptions, attachment: Attachment): (() => void) | undefined {
    const stream = this.#streams.get(options.stream);
    if (!stream) return undefined;
    const key = `${options.stream}/${options.durable}`;
    const durable = this.#durables.get(key) ?? new Durable(stream, options, this.clock);
    this.#durables.set(key, durable);
    durable.attach(attachment, options);
    return () => durable.detach(attachment);
  }

  #pumpAll(): void {
    for (const durable of this.#durables.values()) durable.pump();
  }

  putValue(key: string, value: string): BusFault | undefined {
    const growth = Buffer.byteLength(value) - Buffer.byteLength(this.#values.get(key) ?? '');
    if (this.#valuesBytes + growth > valuesBytesMax)
      return busError('the values kept are too many bytes together');
    this.#valuesBytes += growth;
    this.#values.set(key, value);
    return undefined;
  }

  getValue(key: string): string | undefined {
    return this.#values.get(key);
  }

  deleteValue(key: string): void {
    this.#valuesBytes -= Buffer.byteLength(this.#values.get(key) ?? '');
    this.#values.delete(key);
  }
}
