/** What replicas of this gateway say to each other over the bus: a client's next request may reach any of them. */

import { randomBytes } from 'node:crypto';
import { replicaSubjects } from '@cruvero/contracts';
import {
  isFault,
  isJsonObject,
  type Fault,
  type GatewayId,
  type Json,
  type JsonObject,
  type KeyedQuestion,
  type Reply,
} from '@cruvero/core';
import { isBusFault, type Bus, type BusFault, type Clock, type Log, type Subscription } from '@cruvero/ports';
import { errorReply } from './callers/caller.ts';
import type { Resumed } from './callers/dialogues.ts';
import type { Step } from './callers/parked-call.ts';

export interface ReplicaParts {
  readonly bus: Bus;
  readonly gatewayId: GatewayId;
  readonly subjectPrefix: string;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
  /** The longest that a call may go on before it has its outcome, or asks again. */
  readonly stepMsMax: number;
  /** A call that waits here goes on. */
  readonly resumeHere: (
    resumed: Resumed,
    notify: (text: string) => void,
    signal: AbortSignal,
  ) => Promise<Step | Fault>;
  /** A client answered a question that this replica put. */
  readonly answered: (uid: string, idText: string, reply: Reply) => void;
  readonly ended: (uid: string) => void;
  readonly cancelled: (uid: string, requestIdText: string) => void;
}

/** Whether the other replica is there is known at once. */
const acceptTimeoutMs = 2_000;
/** A bus message has a bound; longer outcomes go in parts. */
const partChars = 200_000;

interface Expected {
  readonly notify: (text: string) => void;
  readonly parts: string[];
  received: number;
  /** All parts are there. */
  readonly whole: (text: string) => void;
}

export class Replicas {
  readonly #parts: ReplicaParts;
  readonly #subjects: ReturnType<typeof replicaSubjects>;
  readonly #subscriptions: Subscription[];
  /** Exchanges that this replica waits for, by name. */
  readonly #expected = new Map<string, Expected>();
  /** Calls that go on here for other replicas. */
  readonly #resumed = new Map<string, AbortController>();

  constructor(parts: ReplicaParts) {
    this.#parts = parts;
    this.#subjects = replicaSubjects(parts.subjectPrefix);
    this.#subscriptions = [
      parts.bus.respond(this.#subjects.resume(parts.gatewayId), ({ body }) => this.#resume(body)),
      parts.bus.subscribe(this.#subjects.tell(parts.gatewayId), ({ body }) => this.#told(body)),
      parts.bus.subscribe(this.#subjects.sessions, ({ body }) => this.#aboutSession(body)),
    ];
  }

  /** Goes on with a call that waits at another replica; a fault where that one is gone. */
  async resumeElsewhere(
    replica: string,
    resumed: Resumed,
    notify: (text: string) => void,
    signal: AbortSignal,
  ): Promise<Step | Fault> {
    const exchange = randomBytes(12).toString('base64url');
    const { promise, resolve } = Promise.withResolvers<Step | Fault>();
    const whole = (text: string): void =>
      resolve(readStep(text) ?? lost(replica, 'its answer cannot be read'));
    this.#expected.set(exchange, { notify, parts: [], received: 0, whole });
    const onAbort = (): void => {
      void this.#tell(replica, { kind: 'abort', exchange });
      resolve({ fault: 'cancelled' });
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const { clock, stepMsMax } = this.#parts;
    const timer = clock.after(stepMsMax, () => resolve(lost(replica, 'it does not answer')));
    try {
      const refused = await this.#askToResume(replica, exchange, resumed);
      // It may still take it, late: its caller is told to begin anew, and what it does must not be done twice.
      if (refused) void this.#tell(replica, { kind: 'abort', exchange });
      return refused ?? (await promise);
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
      this.#expected.delete(exchange);
    }
  }

  /** Brings a client's answer to the replica that asked, or what stands in its place where it is too large for that. */
  answer(replica: string, uid: string, idText: string, reply: Reply): void {
    const body = (said: Reply) => ({ kind: 'answer', uid, idText, reply: plainReply(said) });
    void this.#tell(replica, body(reply)).then((fault) => {
      if (fault?.fault === 'message_too_large') void this.#tell(replica, body(unbrought));
    });
  }

  ended(uid: string): void {
    void this.#parts.bus.publish(this.#subjects.sessions, {
      kind: 'ended',
      from: this.#parts.gatewayId,
      uid,
    });
  }

  cancelled(uid: string, requestIdText: string): void {
    const body = { kind: 'cancelled', from: this.#parts.gatewayId, uid, requestIdText };
    void this.#parts.bus.publish(this.#subjects.sessions, body);
  }

  async close(): Promise<void> {
    for (const abort of this.#resumed.values()) abort.abort();
    await Promise.all(this.#subscriptions.map((subscription) => subscription.close()));
  }

  async #tell(replica: string, body: Json): Promise<BusFault | undefined> {
    const fault = await this.#parts.bus.publish(this.#subjects.tell(replica), body);
    if (fault) this.#parts.log.warn('another replica cannot be told', { replica, reason: fault.detail });
    return fault;
  }

  async #askToResume(replica: string, exchange: string, resumed: Resumed): Promise<Fault | undefined> {
    const { bus, gatewayId } = this.#parts;
    const responses = [...resumed.responses].map(([key, text]) => [key, text]);
    const body = { exchange, from: gatewayId, parkId: resumed.parkId, owner: resumed.owner, responses };
    const accepted = await bus.request(this.#subjects.resume(replica), body, acceptTimeoutMs);
    return isBusFault(accepted) ? lost(replica, accepted.detail) : undefined;
  }

  /** Says at once that it is here; how the call goes on is told later, so that no other request waits behind this one. */
  #resume(body: Json): Promise<Json> {
    const asked = readResume(body);
    if (asked) void this.#goOn(asked);
    return Promise.resolve({});
  }

  async #goOn({ exchange, from, resumed }: NonNullable<ReturnType<typeof readResume>>): Promise<void> {
    const abort = new AbortController();
    this.#resumed.set(exchange, abort);
    const note = (text: string): void => void this.#tell(from, { kind: 'note', exchange, text });
    const step = await this.#parts.resumeHere(resumed, note, abort.signal);
    this.#resumed.delete(exchange);
    const text = JSON.stringify(step);
    const count = Math.ceil(text.length / partChars);
    for (let at = 0; at < count; at += 1) {
      const part = text.slice(at * partChars, (at + 1) * partChars);
      await this.#tell(from, { kind: 'part', exchange, at, count, text: part });
    }
  }

  #told(body: Json): void {
    if (!isJsonObject(body)) return;
    const { kind, exchange, text, at, count } = body;
    if (kind === 'answer') return this.#answered(body);
    if (typeof exchange !== 'string') return;
    if (kind === 'abort') return this.#resumed.get(exchange)?.abort();
    const expected = this.#expected.get(exchange);
    if (!expected || typeof text !== 'string') return;
    if (kind === 'note') return expected.notify(text);
    if (kind !== 'part' || typeof at !== 'number' || typeof count !== 'number') return;
    expected.parts[at] = text;
    expected.received += 1;
    if (expected.received === count) expected.whole(expected.parts.join(''));
  }

  #answered({ uid, idText, reply }: JsonObject): void {
    if (typeof uid !== 'string' || typeof idText !== 'string' || !isJsonObject(reply)) return;
    const { kind, text, code } = reply;
    if (typeof text !== 'string') return;
    if (kind === 'result') this.#parts.answered(uid, idText, { kind, text });
    else if (kind === 'error' && typeof code === 'number')
      this.#parts.answered(uid, idText, { kind, text, code });
  }

  #aboutSession(body: Json): void {
    if (!isJsonObject(body) || body['from'] === this.#parts.gatewayId) return;
    const { kind, uid, requestIdText } = body;
    if (typeof uid !== 'string') return;
    if (kind === 'ended') this.#parts.ended(uid);
    else if (kind === 'cancelled' && typeof requestIdText === 'string')
      this.#parts.cancelled(uid, requestIdText);
  }
}

const unbrought = errorReply(
  -32603,
  'The answer of the client is too large to be brought to the replica that asked.',
);

/** As it goes over the bus: text, whatever else is at hand. */
function plainReply(reply: Reply): JsonObject {
  return reply.kind === 'result'
    ? { kind: 'result', text: reply.text }
    : { kind: 'error', code: reply.code, text: reply.text };
}

function lost(replica: string, detail: string): Fault {
  return {
    fault: 'bad_params',
    detail: `params.requestState is refused: the call waits at ${replica.slice(0, 64)}, which cannot be reached (${detail}). Make the request anew.`,
  };
}

function readResume(body: Json) {
  if (!isJsonObject(body)) return undefined;
  const { exchange, from, parkId, owner, responses } = body;
  if (typeof exchange !== 'string' || typeof from !== 'string') return undefined;
  if (typeof parkId !== 'string' || typeof owner !== 'string' || !Array.isArray(responses)) return undefined;
  const pairs = responses.flatMap((pair): [string, string][] =>
    Array.isArray(pair) && typeof pair[0] === 'string' && typeof pair[1] === 'string'
      ? [[pair[0], pair[1]]]
      : [],
  );
  return { exchange, from, resumed: { parkId, owner, responses: new Map(pairs) } };
}

/** What another replica of this same program wrote; a fault is a step's outcome, or stands for it. */
function readStep(text: string): Step | Fault | undefined {
  const step: unknown = JSON.parse(text);
  if (isFault(step)) return step;
  if (!isJsonObject(step)) return undefined;
  const { at, outcome, questions } = step;
  if (at === 'done' && isJsonObject(outcome)) return { at, outcome: outcome as unknown as Reply | Fault };
  if (at === 'asking' && Array.isArray(questions))
    return { at, questions: questions as unknown as KeyedQuestion[] };
  return undefined;
}
