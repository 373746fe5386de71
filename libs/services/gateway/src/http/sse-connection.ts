/** One client of HTTP+SSE (MCP 2024-11-05): its stream is its session, and carries everything that it is told. */

import { isFault, type Fault, type Principal, type Reply } from '@cruvero/core';
import type { ServerResponse } from 'node:http';
import type { Door } from '../door.ts';
import type { ClientSession, SessionStream } from '../sessions/client-session.ts';
import { notifyBufferedMax, type Outlet } from './call-answer.ts';
import { errorMessage, faultText, resultMessage } from './respond.ts';
import { unreadBytesMax, type OpenStream } from './streams.ts';

export class SseConnection {
  /** In the address to which its client POSTs; nobody can guess it. */
  readonly id: string;
  readonly principal: Principal;
  readonly door: Door;
  readonly openedAtMs: number;
  readonly #response: ServerResponse;
  readonly #stream: OpenStream;
  #session: ClientSession | undefined;
  #onClose: readonly (() => void)[] = [];
  /** True from the first initialize on: a connection has one session. */
  hasBegun = false;

  constructor(
    facts: Pick<SseConnection, 'id' | 'principal' | 'door' | 'openedAtMs'>,
    response: ServerResponse,
    stream: OpenStream,
  ) {
    this.id = facts.id;
    this.principal = facts.principal;
    this.door = facts.door;
    this.openedAtMs = facts.openedAtMs;
    this.#response = response;
    this.#stream = stream;
  }

  get session(): ClientSession | undefined {
    return this.#session;
  }

  isOpen(): boolean {
    return !this.#response.destroyed && !this.#response.writableEnded;
  }

  /** Reads what it is sent, or has little to read. */
  keepsUp(): boolean {
    return this.#response.writableLength <= unreadBytesMax;
  }

  /** What the session is told goes over this stream; whoever ends the session ends the stream. */
  carry(session: ClientSession): SessionStream {
    this.#session = session;
    const stream: SessionStream = {
      // Answers may be long; what is told besides is not worth as much room.
      send: (text) => this.keepsUp() && this.#stream.send(text),
      end: () => this.#stream.end(),
    };
    session.stream = stream;
    return stream;
  }

  /** Called once, when the stream is closed. */
  onClose(closed: () => void): void {
    this.#onClose = [...this.#onClose, closed];
  }

  closed(): void {
    const told = this.#onClose;
    this.#onClose = [];
    for (const tell of told) tell();
  }

  answer(idText: string, outcome: Reply | Fault): void {
    if (isFault(outcome)) this.#stream.send(errorMessage(idText, faultText(outcome)));
    else if (outcome.kind === 'error') this.#stream.send(errorMessage(idText, outcome.text));
    else this.#stream.send(resultMessage(idText, outcome.text));
  }

  outlet(idText: string): Outlet {
    return {
      notify: (text) => {
        if (this.#response.writableLength < notifyBufferedMax) this.#stream.send(text);
      },
      ask: (text) => this.#stream.send(text),
      finish: (outcome) => {
        // Who cancels a request wants no answer to it (MCP 2024-11-05, "Cancellation").
        if (!isFault(outcome) || outcome.fault !== 'cancelled') this.answer(idText, outcome);
      },
    };
  }
}
