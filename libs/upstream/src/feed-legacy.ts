/** Listening to a legacy server: it holds a session, its GET stream and the subscriptions made over it. */

import { isFault, type Fault, type JsonObject, type Reply } from '@cruvero/core';
import type { Clock } from '@cruvero/ports';
import type { AnswerQuestion, SessionTerms } from './ask.ts';
import { isLate } from './backoff.ts';
import type { Answered } from './exchange.ts';
import { unanswered, upstreamBroken } from './faults.ts';
import { streamWaitMs } from './held.ts';
import { nothing, type Hearing, type HearingEvents, type Over } from './hearing.ts';
import type { Legacy } from './legacy.ts';
import type { Peer } from './peer.ts';
import { Questions } from './questions.ts';
import type { Session } from './session.ts';
import type { Lease } from './sessions.ts';
import type { Wanted } from './wanted.ts';

export interface LegacyHearingParts {
  readonly peer: Peer;
  readonly legacy: Legacy;
  readonly terms: SessionTerms;
  readonly wanted: Wanted;
  readonly events: HearingEvents;
  readonly onRequest: AnswerQuestion | undefined;
  readonly clock: Clock;
}

export class LegacyHearing implements Hearing {
  readonly era = 'legacy';
  readonly #parts: LegacyHearingParts;
  readonly #end = new AbortController();
  readonly #over = Promise.withResolvers<Over>();
  /** Its GET stream is open, or is not to be had right now. */
  readonly #tried = Promise.withResolvers<void>();

  constructor(parts: LegacyHearingParts) {
    this.#parts = parts;
  }

  async run(): Promise<Over> {
    const { legacy, terms } = this.#parts;
    const lease = await legacy.sessions.lease(terms, this.#end.signal);
    if (isFault(lease)) return { over: 'lost', fault: lease };
    await this.#remake(lease.session);
    const questions = new Questions({
      answer: this.#parts.onRequest,
      tell: (body) => legacy.tell(lease.session, body),
      hold: () => () => undefined,
    });
    const leave = this.#end.signal.aborted ? undefined : this.#listen(lease, questions);
    const over = await this.#over.promise;
    leave?.();
    questions.end();
    lease.release();
    return over;
  }

  /** What the session before this one had. A subscription that is refused now cannot be told to anybody. */
  async #remake({ face }: Session): Promise<void> {
    const { terms, wanted } = this.#parts;
    const level = wanted.logLevel;
    if (level !== undefined && level !== terms.logLevel && face.capabilities['logging'] !== undefined)
      await this.#send('logging/setLevel', { level }, this.#end.signal);
    for (const uri of wanted.uris) {
      if (this.#end.signal.aborted) return;
      const answered = await this.#send('resources/subscribe', { uri }, this.#end.signal);
      if (isFault(answered)) return;
    }
  }

  #listen({ held }: Lease, questions: Questions): () => void {
    const { peer, wanted, events } = this.#parts;
    return held.listen({
      questions,
      onNotification: ({ method, text }) => {
        if (wanted.hears(method)) events.onNotification(text);
      },
      onOpen: (missed) => {
        this.#tried.resolve();
        events.onOpen(missed);
      },
      onWaiting: (fault) => {
        this.#tried.resolve();
        events.onWaiting(fault);
      },
      onNone: () => {
        this.#tried.resolve();
        events.onUnsupported();
      },
      onLost: () => {
        const fault = upstreamBroken(peer, 'it does not know the session any more');
        this.#over.resolve({ over: 'lost', fault });
      },
    });
  }

  /** What changes right behind the answer must find the stream open over which it is told. */
  async subscribe(uri: string, signal: AbortSignal): Promise<Reply | Fault> {
    await isLate(this.#tried.promise, streamWaitMs, this.#parts.clock, signal);
    const reply = await this.#reply('resources/subscribe', { uri }, signal);
    if (!isFault(reply) && reply.kind === 'result') this.#parts.wanted.add(uri);
    return reply;
  }

  async unsubscribe(uri: string, signal: AbortSignal): Promise<Reply | Fault> {
    const others = this.#parts.wanted.count(uri) > 1;
    this.#parts.wanted.remove(uri);
    return others ? nothing : this.#reply('resources/unsubscribe', { uri }, signal);
  }

  async setLogLevel(level: string, signal: AbortSignal): Promise<Reply | Fault> {
    const reply = await this.#reply('logging/setLevel', { level }, signal);
    if (!isFault(reply) && reply.kind === 'result') this.#parts.wanted.logLevel = level;
    return reply;
  }

  async #reply(method: string, params: JsonObject, signal: AbortSignal): Promise<Reply | Fault> {
    const answered = await this.#send(method, params, signal);
    if (isFault(answered)) return answered;
    return answered.reply ?? unanswered(this.#parts.peer, answered.status);
  }

  #send(method: string, params: JsonObject, signal: AbortSignal): Promise<Answered | Fault> {
    return this.#parts.legacy.plain(this.#parts.terms, method, params, signal);
  }

  close(): void {
    this.#end.abort();
    this.#tried.resolve();
    this.#over.resolve({ over: 'lost', fault: { fault: 'cancelled' } });
  }
}
