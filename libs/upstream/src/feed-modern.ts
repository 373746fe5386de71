/** Listening to a modern server: one `subscriptions/listen` stream, replaced by another when what is wanted changes. */

import { isFault, type Fault, type ListenFilter, type Reply } from '@cruvero/core';
import type { Clock } from '@cruvero/ports';
import { pause } from './backoff.ts';
import { Chorus } from './chorus.ts';
import { orCancelled } from './faults.ts';
import { nothing, type Hearing, type HearingEvents, type Over } from './hearing.ts';
import { ListenStream, type Unheard } from './listen-stream.ts';
import type { Wanted } from './wanted.ts';

/** The stream that was replaced is read for so long after the new one was acknowledged: what is under way still comes. */
const lingerMs = 250;

export type OpenStream = (
  filter: ListenFilter,
  signal: AbortSignal,
  onNotification: (text: string) => void,
) => Promise<ListenStream | Reply | Fault | Unheard>;

export interface ModernHearingParts {
  readonly open: OpenStream;
  readonly clock: Clock;
  readonly wanted: Wanted;
  readonly events: HearingEvents;
  /** For an error reply to the whole of what is wanted. */
  readonly refused: (reply: Reply) => Fault;
}

interface Voice {
  stream: ListenStream | undefined;
}

export class ModernHearing implements Hearing {
  readonly era = 'modern';
  readonly #parts: ModernHearingParts;
  readonly #end = new AbortController();
  readonly #chorus: Chorus;
  #current: Voice | undefined;
  #replaced: Voice | undefined;
  /** One change at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: ModernHearingParts) {
    this.#parts = parts;
    this.#chorus = new Chorus((text) => parts.events.onNotification(text));
  }

  async run(): Promise<Over> {
    const opened = await this.#inTurn(
      async () => this.#current?.stream ?? this.#renew(this.#parts.wanted.filter(), this.#end.signal),
    );
    if (opened === 'unsupported') return { over: 'unsupported' };
    if (!(opened instanceof ListenStream))
      return { over: 'lost', fault: isFault(opened) ? opened : this.#parts.refused(opened) };
    this.#parts.events.onOpen(false);
    for (;;) {
      const voice = this.#current;
      const fault = (await voice?.stream?.ended) ?? { fault: 'cancelled' };
      if (this.#current !== voice && !this.#end.signal.aborted) continue;
      this.close();
      return { over: 'lost', fault };
    }
  }

  subscribe(uri: string, signal: AbortSignal): Promise<Reply | Fault> {
    return this.#inTurn<Reply | Fault>(async () => {
      const { wanted } = this.#parts;
      if (wanted.count(uri) === 0) {
        const opened = await this.#renew(wanted.filter({ with: uri }), signal, uri);
        if (opened === 'unsupported') return refusal('This server takes no subscriptions.');
        if (!(opened instanceof ListenStream)) return opened;
        if (signal.aborted) return { fault: 'cancelled' };
      }
      wanted.add(uri);
      return nothing;
    }, signal);
  }

  unsubscribe(uri: string, signal: AbortSignal): Promise<Reply | Fault> {
    return this.#inTurn<Reply | Fault>(async () => {
      const { wanted } = this.#parts;
      if (wanted.count(uri) === 1 && this.#current) {
        const opened = await this.#renew(wanted.filter({ without: uri }), signal);
        if (isFault(opened)) return opened;
      }
      wanted.remove(uri);
      return nothing;
    }, signal);
  }

  setLogLevel(): Promise<Reply> {
    return Promise.resolve(nothing);
  }

  close(): void {
    this.#end.abort();
    for (const voice of [this.#current, this.#replaced]) voice?.stream?.close();
  }

  /** After the changes before it; a caller that is gone changes nothing. */
  #inTurn<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T | Fault> {
    const turn = this.#last.then((): Promise<T | Fault> => {
      return signal?.aborted === true ? Promise.resolve({ fault: 'cancelled' }) : work();
    });
    this.#last = turn;
    return signal ? orCancelled(turn, signal) : turn;
  }

  /** Opens the new stream first, and then closes the old one. `needed` must be honoured, or the old one stays. */
  async #renew(
    filter: ListenFilter,
    signal: AbortSignal,
    needed?: string,
  ): Promise<ListenStream | Reply | Fault | Unheard> {
    const voice: Voice = { stream: undefined };
    this.#chorus.join(voice);
    const opened = await this.#parts.open(filter, signal, (text) => this.#chorus.say(voice, text));
    const unfit = opened instanceof ListenStream ? this.#unfit(opened, needed) : undefined;
    if (!(opened instanceof ListenStream) || unfit !== undefined) {
      this.#chorus.leave(voice);
      return unfit ?? opened;
    }
    voice.stream = opened;
    void opened.ended.then(() => this.#chorus.leave(voice));
    this.#retire(this.#current);
    this.#current = voice;
    return opened;
  }

  #unfit(stream: ListenStream, needed: string | undefined): Reply | Fault | undefined {
    const closed = this.#end.signal.aborted;
    if (!closed && (needed === undefined || stream.honoured.uris.includes(needed))) return undefined;
    stream.close();
    return closed ? { fault: 'cancelled' } : refusal('The server does not report changes of this resource.');
  }

  #retire(voice: Voice | undefined): void {
    this.#replaced?.stream?.close();
    this.#replaced = voice;
    if (voice?.stream === undefined) return;
    void pause(lingerMs, this.#parts.clock, this.#end.signal).then(() => voice.stream?.close());
  }
}

function refusal(message: string): Reply {
  return { kind: 'error', code: -32602, text: JSON.stringify({ code: -32602, message }) };
}
