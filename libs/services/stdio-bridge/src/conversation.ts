/** The talk with one child: who asked what, and whom each line of the child is for. */

import { metaKeys, type RequestMessage, type Span } from '@cruvero/core';
import type { Child } from '@cruvero/ports';
import {
  asLine,
  endOfSubscription,
  readFromChild,
  towardsCaller,
  towardsChild,
  type FromChild,
} from './remap.ts';

/** Somebody who waits for an answer. Called in order: notifications, then `onAnswer` or `onGone`, once. */
export interface Asker {
  /** Whose request it is; notifications that name no request are given by it. Undefined: nobody's session. */
  readonly session: string | undefined;
  /** The bridge itself, to whom a log message is never meant. */
  readonly isBridge?: true;
  onNotification(text: string): void;
  /** `errorCode` is undefined for a result. */
  onAnswer(text: string, errorCode: number | undefined): void;
  /** The child ended first. */
  onGone(detail: string): void;
}

/** A request of the child: its message, and in it where its own id stands. */
export interface ChildRequest {
  readonly method: string;
  readonly text: string;
  readonly idText: string;
  readonly id: Span;
}

/** A result as JSON; or somebody will answer it by `notify`. */
export type ChildAnswer = { readonly result: string } | 'refused' | 'later';

export interface ConversationEvents {
  /** A notification that belongs to no request; `session` where it can only be meant for that one. */
  onNotification(method: string, text: string, session: string | undefined): void;
  /** Whether this session wants the log message. Undefined: nobody's session. */
  admitsLog(text: string, session: string | undefined): boolean;
  /** Every request but ping, which is answered here. */
  onChildRequest(request: ChildRequest): ChildAnswer;
  /** The child takes a request of its own back. */
  onChildCancelled(request: Omit<ChildRequest, 'method'>): void;
  /** A line that is no JSON-RPC message. */
  onNoise(line: string): void;
}

interface Pending {
  readonly idText: string;
  readonly tokenText: string | undefined;
  readonly method: string;
  readonly asker: Asker;
}

export type Refusal = 'too_many' | 'not_taken';

export class Conversation {
  readonly #child: Pick<Child, 'writeLine'>;
  readonly #events: ConversationEvents;
  readonly #pendingMax: number;
  readonly #pending = new Map<number, Pending>();
  readonly #idle = new Set<() => void>();
  #lastNumber = 0;
  #over: string | undefined;

  constructor(child: Pick<Child, 'writeLine'>, events: ConversationEvents, pendingMax: number) {
    this.#child = child;
    this.#events = events;
    this.#pendingMax = pendingMax;
  }

  /** Requests that have no answer yet, subscriptions included. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Passes a request on; the number is its id towards the child. A refused request never left. */
  ask(message: RequestMessage, asker: Asker, traceparent?: string): number | Refusal {
    if (this.#pending.size >= this.#pendingMax) return 'too_many';
    const number = (this.#lastNumber += 1);
    const { line, tokenText } = towardsChild(message, number, traceparent);
    if (this.#over !== undefined || !this.#child.writeLine(line)) return 'not_taken';
    this.#pending.set(number, { idText: message.idText, tokenText, method: message.method, asker });
    return number;
  }

  /** False: not taken. */
  notify(text: string): boolean {
    return this.#over === undefined && this.#child.writeLine(asLine(text));
  }

  /** Forgets the request and tells the child; a late answer is dropped. */
  cancel(number: number, reason: string): void {
    if (!this.#pending.delete(number)) return;
    const params = JSON.stringify({ requestId: number, reason });
    this.notify(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":${params}}`);
    this.#settleIdle();
  }

  /** Resolves when only subscriptions are left. */
  idle(): Promise<void> {
    if (this.#callCount() === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.add(resolve));
  }

  #callCount(): number {
    let count = 0;
    for (const { method } of this.#pending.values()) if (method !== 'subscriptions/listen') count += 1;
    return count;
  }

  #settleIdle(): void {
    if (this.#idle.size === 0 || this.#callCount() > 0) return;
    for (const resolve of this.#idle) resolve();
    this.#idle.clear();
  }

  /** One line of the child's stdout. */
  read(line: string): void {
    if (line.trim() === '') return;
    const message = readFromChild(line);
    switch (message.kind) {
      case 'answer':
        return this.#answer(line, message);
      case 'notification':
        return this.#notification(line, message);
      case 'request':
        return this.#childRequest({ ...message, text: line });
      case 'cancelled':
        return this.#cancelled({ ...message, text: line });
      case 'noise':
        return this.#events.onNoise(line);
    }
  }

  #answer(line: string, { reference, errorCode }: Extract<FromChild, { kind: 'answer' }>): void {
    const pending = this.#pending.get(reference.number);
    // Late, after a cancel; or of a request that never was.
    if (!pending) return;
    this.#pending.delete(reference.number);
    const text = towardsCaller(line, reference, pending.idText);
    const isEnd = pending.method === 'subscriptions/listen' && errorCode === undefined;
    pending.asker.onAnswer(
      isEnd ? endOfSubscription(text, reference.number, pending.idText) : text,
      errorCode,
    );
    this.#settleIdle();
  }

  #notification(line: string, message: Extract<FromChild, { kind: 'notification' }>): void {
    const { about, method } = message;
    if (about) {
      const pending = this.#pending.get(about.number);
      const ownText = about.by === 'token' ? pending?.tokenText : pending?.idText;
      if (pending && ownText !== undefined) pending.asker.onNotification(towardsCaller(line, about, ownText));
      return;
    }
    if (method === 'notifications/progress') return;
    if (method === 'notifications/message') this.#logMessage(line);
    else this.#events.onNotification(method, line, undefined);
  }

  /**
   * A log message on stdio does not say whose it is. It goes to the only request in flight, or to the only session that has
   * any; where callers of several sessions wait it could show one what another does, and is dropped.
   */
  #logMessage(line: string): void {
    const calls = [...this.#pending.values()].filter(
      ({ method, asker }) => method !== 'subscriptions/listen' && asker.isBridge !== true,
    );
    const [first] = calls;
    if (!first) return this.#events.onNotification('notifications/message', line, undefined);
    const { session } = first.asker;
    if (calls.length === 1) {
      if (this.#events.admitsLog(line, session)) first.asker.onNotification(line);
      return;
    }
    if (session === undefined || calls.some(({ asker }) => asker.session !== session)) return;
    this.#events.onNotification('notifications/message', line, session);
  }

  #childRequest(request: ChildRequest): void {
    const { idText, method } = request;
    const answer = method === 'ping' ? { result: '{}' } : this.#events.onChildRequest(request);
    if (answer === 'later') return;
    if (answer !== 'refused') this.notify(`{"jsonrpc":"2.0","id":${idText},"result":${answer.result}}`);
    else this.refuse(idText, -32601, `This client does not serve ${method.slice(0, 128)}.`);
  }

  /** Tells the child that its request will not be answered. `idText` is the child's own. */
  refuse(idText: string, code: number, message: string): void {
    this.notify(`{"jsonrpc":"2.0","id":${idText},"error":${JSON.stringify({ code, message })}}`);
  }

  /** On stdio a server ends a subscription by its result or by cancelling it; over HTTP it is the result. */
  #cancelled(request: Omit<ChildRequest, 'method'>): void {
    const number = Number(request.idText);
    const pending = this.#pending.get(number);
    if (pending?.method === 'subscriptions/listen') this.#endSubscription(number, pending);
    else this.#events.onChildCancelled(request);
  }

  /** The child will be stopped: who listens is told the end that it would have said. */
  endSubscriptions(): void {
    for (const [number, pending] of [...this.#pending])
      if (pending.method === 'subscriptions/listen') this.#endSubscription(number, pending);
  }

  #endSubscription(number: number, { idText, asker }: Pending): void {
    this.#pending.delete(number);
    const meta = `{${JSON.stringify(metaKeys.subscriptionId)}:${idText}}`;
    const result = `{"resultType":"complete","_meta":${meta}}`;
    asker.onAnswer(`{"jsonrpc":"2.0","id":${idText},"result":${result}}`, undefined);
  }

  /** The child is gone; everybody who waits is told. */
  end(detail: string): void {
    this.#over = detail;
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const { asker } of waiting) asker.onGone(detail);
    this.#settleIdle();
  }
}
