/** A child for one session: greeted with what its client can answer, asking it in the middle of calls, gone with the session. */

import {
  changeMembers,
  isFault,
  isLegacyVersion,
  parseJsonObject,
  readInitializeResult,
  readMessage,
  textOf,
  wholeObject,
  isJsonProblem,
  type RequestMessage,
} from '@cruvero/core';
import type { Child, ChildExit } from '@cruvero/ports';
import type { Asker, Conversation } from './conversation.ts';
import type { CommandServer } from './entry.ts';
import type { Lane } from './event-stream.ts';
import { bridgeInfo } from './handshake.ts';
import { Questions, type QuestionOutcome } from './questions.ts';
import type { BridgeSession, SessionChild } from './sessions.ts';
import { describeExit, spawnChild, type SpawnParts } from './spawn.ts';

export interface OwnChildParts extends SpawnParts {
  readonly newQuestionNumber: () => number;
  readonly countQuestion: (outcome: QuestionOutcome) => void;
  /** It ended by itself, though its session still had use for it. */
  readonly onDeath: (reason: string) => void;
}

/** Its answer to initialize; or why there is none. */
export type OwnGreeting =
  | { readonly kind: 'welcome' | 'error'; readonly text: string }
  | { readonly kind: 'silent'; readonly detail: string };

export class OwnChild implements SessionChild {
  readonly conversation: Conversation;
  readonly questions: Questions;
  readonly #child: Child;
  readonly #session: BridgeSession;
  readonly #parts: OwnChildParts;
  #stopped: Promise<ChildExit> | undefined;
  #dead = false;

  constructor(session: BridgeSession, entry: CommandServer, parts: OwnChildParts) {
    this.#session = session;
    this.#parts = parts;
    const { child, conversation } = spawnChild(
      entry,
      parts,
      {
        onNotification: (method, text) => this.#notification(method, text),
        admitsLog: () => true,
        onChildRequest: (request) => {
          this.questions.ask(request);
          return 'later';
        },
        onChildCancelled: ({ idText, id, text }) => this.questions.cancel(idText, id, text),
      },
      (exit) => this.#died(exit),
    );
    this.#child = child;
    this.conversation = conversation;
    this.questions = this.#newQuestions(conversation);
  }

  #newQuestions(conversation: Conversation): Questions {
    const { bounds, clock, newQuestionNumber, countQuestion } = this.#parts;
    return new Questions({
      questionsMax: bounds.questionsMax,
      waitMs: bounds.questionWaitMs,
      waitingBytesMax: bounds.streamCharsMax,
      clock,
      newNumber: newQuestionNumber,
      lane: () => this.#lane(),
      write: (line) => conversation.notify(line),
      refuse: (idText, message) => conversation.refuse(idText, -32603, message),
      count: countQuestion,
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** A question whose client has nothing open any more holds nobody: it might never be answered. */
  get busy(): boolean {
    return this.conversation.pending > 0 || (this.questions.size > 0 && this.#lane() !== undefined);
  }

  /** The exchange begun last, for a question is most likely about it; otherwise a stream of the session. */
  #lane(): Lane | undefined {
    const [stream] = this.#session.streams;
    return [...this.#session.exchanges].at(-1) ?? stream;
  }

  /** What belongs to no request has its place on the session's stream; a log message of several calls goes to the last one. */
  #notification(method: string, text: string): void {
    const [stream] = this.#session.streams;
    const lane = stream ?? (method === 'notifications/message' ? this.#lane() : undefined);
    lane?.notify(text);
  }

  /** The caller's initialize, as it came; a version that is not known here counts as silence. */
  async greet(message: RequestMessage, timeoutMs: number, signal: AbortSignal): Promise<OwnGreeting> {
    const said = await this.#ask(completed(message), timeoutMs, signal);
    if (said.kind !== 'welcome') return said;
    const members = wholeObject(said.text);
    const result = isJsonProblem(members) ? undefined : members.get('result');
    const face = result && readInitializeResult(textOf(said.text, result));
    if (!face) return { kind: 'silent', detail: 'its answer to initialize is not an InitializeResult' };
    if (isLegacyVersion(face.version)) return said;
    const version = JSON.stringify(face.version.slice(0, 32));
    return { kind: 'silent', detail: `it speaks protocol version ${version}, which is not known here` };
  }

  #ask(message: RequestMessage, timeoutMs: number, signal: AbortSignal): Promise<OwnGreeting> {
    const { promise, resolve } = Promise.withResolvers<OwnGreeting>();
    const silent = (detail: string): void => resolve({ kind: 'silent', detail });
    const asker: Asker = {
      session: this.#session.id,
      isBridge: true,
      onNotification: () => undefined,
      onAnswer: (text, errorCode) => resolve({ kind: errorCode === undefined ? 'welcome' : 'error', text }),
      onGone: silent,
    };
    const late = `it did not answer initialize within ${timeoutMs} ms`;
    const timer = this.#parts.clock.after(timeoutMs, () => silent(late));
    const onAbort = (): void => silent('the caller went away');
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    else if (typeof this.conversation.ask(message, asker) === 'string') silent('it takes no initialize now');
    return promise.finally(() => {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
    });
  }

  #died(exit: ChildExit): void {
    if (this.#dead) return;
    const reason = describeExit(exit);
    this.#over(reason);
    this.#parts.onDeath(reason);
  }

  #over(detail: string): void {
    this.#dead = true;
    this.conversation.end(detail);
    this.questions.end();
  }

  /** Stops it; who waits is told at once. Idempotent. */
  end(detail: string): void {
    if (!this.#dead) this.#over(detail);
    this.#stopped ??= this.#child.stop(this.#parts.bounds.stopGraceMs);
  }

  /** Resolves when the process is gone; after `end`. */
  get gone(): Promise<unknown> {
    return this.#stopped ?? Promise.resolve();
  }
}

/** A caller that leaves out what an initialize must have is not the child's business. */
function completed(message: RequestMessage): RequestMessage {
  const { members, text } = message.params;
  if (members.has('clientInfo') && members.has('protocolVersion')) return message;
  const params = changeMembers(text, {
    ...(members.has('clientInfo') ? {} : { clientInfo: JSON.stringify(bridgeInfo) }),
    ...(members.has('protocolVersion') ? {} : { protocolVersion: '"2025-11-25"' }),
  });
  const whole = readMessage(changeMembers(message.text.trim(), { params }));
  if (isFault(whole) || whole.kind !== 'request') throw new Error('a request with other params is a request');
  return whole;
}

/** Capabilities that let a server ask its client. */
const asking = ['elicitation', 'sampling', 'roots'] as const;

/** Whether the client that says this initialize can be asked something. `capabilitiesText` is JSON. */
export function letsServerAsk(capabilitiesText: string | undefined): boolean {
  const capabilities = parseJsonObject(capabilitiesText ?? '{}') ?? {};
  return asking.some((name) => typeof capabilities[name] === 'object' && capabilities[name] !== null);
}
