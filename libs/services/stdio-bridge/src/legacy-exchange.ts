/** One exchange of a legacy caller: its session, its requests, its answers to what an own child asks. */

import {
  isLegacyVersion,
  paramText,
  type Message,
  type NotificationMessage,
  type RequestMessage,
  type ResponseMessage,
} from '@cruvero/core';
import type { UpstreamRequest, UpstreamResponse } from '@cruvero/ports';
import { accepted, empty, events, refusal } from './answers.ts';
import { ask, retryAfterMs, type Exchanged, type ExchangeParts } from './asking.ts';
import type { Conversation } from './conversation.ts';
import { EventStream } from './event-stream.ts';
import { isHeldTogether, askTogether } from './held-together.ts';
import { openSession } from './initialize.ts';
import type { Instance, Live } from './instance.ts';
import type { OwnChild } from './own-child.ts';
import type { BridgeSession } from './sessions.ts';

type Session = BridgeSession<OwnChild>;

export class LegacyExchange {
  readonly #instance: Instance;
  readonly #request: UpstreamRequest;
  readonly #parts: ExchangeParts;

  constructor(instance: Instance, request: UpstreamRequest, parts: ExchangeParts) {
    this.#instance = instance;
    this.#request = request;
    this.#parts = parts;
  }

  initialize(message: RequestMessage, live: Live): Promise<Exchanged> {
    return openSession(this.#instance, live, message, this.#request, this.#parts);
  }

  /** Whatever comes within a session; `conversation` is with the session's child. */
  async serve(message: Message | undefined, conversation: Conversation): Promise<Exchanged> {
    const idText = message?.kind === 'request' ? message.idText : 'null';
    if (message?.kind === 'request' && message.method === 'server/discover')
      return refusal({ fault: 'unknown_method', method: message.method }, idText);
    const id = this.#request.headers['mcp-session-id'];
    if (id === undefined) return refusal({ fault: 'session_required' }, idText);
    const session = this.#instance.sessions.use(id, this.#parts.clock.monotonicMs());
    if (!session) return refusal({ fault: 'unknown_session' }, idText);
    const version = this.#request.headers['mcp-protocol-version'];
    if (version !== undefined && !isLegacyVersion(version)) {
      // Not -32022: that would say that this server is modern.
      const detail = `MCP-Protocol-Version ${JSON.stringify(version.slice(0, 32))} is not served here.`;
      return refusal({ fault: 'bad_request', detail }, idText);
    }
    if (this.#request.httpMethod === 'DELETE') return this.#endSession(session);
    if (!message) return this.#listen(session);
    if (message.kind === 'request') return this.#ask(message, session, conversation);
    if (message.kind === 'response') return this.#answerTaken(message, session);
    this.#notification(message, session, conversation);
    return accepted();
  }

  #endSession(session: Session): UpstreamResponse {
    this.#instance.sessions.end(session.id);
    return empty(204);
  }

  #listen(session: Session): UpstreamResponse {
    const { bounds, clock } = this.#parts;
    if (session.streams.size >= bounds.streamsMax) {
      const detail = `A session may have ${bounds.streamsMax} open streams.`;
      return refusal({ fault: 'overloaded', detail, retryAfterMs });
    }
    const stream = new EventStream(bounds.streamCharsMax, this.#request.bytesMax);
    stream.keepAlive();
    session.streams.add(stream);
    const onAbort = (): void => {
      session.streams.delete(stream);
      session.usedAtMs = clock.monotonicMs();
      stream.finish();
    };
    this.#request.signal.addEventListener('abort', onAbort, { once: true });
    session.own?.questions.laneOpened();
    return events(stream);
  }

  async #ask(message: RequestMessage, session: Session, conversation: Conversation): Promise<Exchanged> {
    const { own } = session;
    // What is under way may end, and may still be asked about; nothing new begins.
    if (own && this.#instance.draining)
      return { fault: 'unreachable', detail: `instance ${this.#instance.id} is draining`, neverLeft: true };
    const asking = { message, request: this.#request, conversation, session };
    if (own || !isHeldTogether(message.method)) return ask(asking, this.#parts);
    return askTogether(this.#instance, { ...asking, session }, this.#parts);
  }

  /** One that answers nothing, or comes too late, is taken and forgotten: its sender could do nothing about it. */
  #answerTaken({ idText, text }: ResponseMessage, { own }: Session): UpstreamResponse {
    if (own?.questions.answer(idText, text) !== 'not_taken') return accepted();
    const detail = 'This server does not read its input at the moment; try again.';
    return refusal({ fault: 'overloaded', detail, retryAfterMs });
  }

  #notification(message: NotificationMessage, session: Session, conversation: Conversation): void {
    switch (message.method) {
      case 'notifications/cancelled': {
        const idText = paramText(message.params, 'requestId');
        if (idText !== undefined) session.calls.get(idText)?.cancel();
        return;
      }
      // To a child that many use the bridge is the client: it has initialised it, declares no roots, and has asked nothing.
      case 'notifications/initialized':
      case 'notifications/roots/list_changed':
      case 'notifications/progress':
        if (session.own) conversation.notify(message.text);
        return;
      default:
        conversation.notify(message.text);
    }
  }
}
