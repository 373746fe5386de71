/** Passes one request of a caller on to a child, and waits for its answer, or for what comes before it. */

import { faultTable, paramText, type RequestMessage } from '@cruvero/core';
import type { Clock, Tracer, UpstreamFault, UpstreamRequest, UpstreamResponse } from '@cruvero/ports';
import { refusal } from './answers.ts';
import type { BridgeBounds } from './bounds.ts';
import type { Conversation } from './conversation.ts';
import type { OwnChild } from './own-child.ts';
import type { BridgeSession } from './sessions.ts';
import { Waiting } from './waiting.ts';

export interface ExchangeParts {
  readonly clock: Clock;
  readonly tracer: Tracer;
  readonly bounds: BridgeBounds;
  count(outcome: string): void;
}

export type Exchanged = UpstreamResponse | UpstreamFault;

export interface Asking {
  readonly message: RequestMessage;
  readonly request: UpstreamRequest;
  readonly conversation: Conversation;
  /** Undefined in the era that has none. */
  readonly session: BridgeSession<OwnChild> | undefined;
  /** `ok`, `error`, `cancelled`, or the fault. */
  readonly onOver?: (outcome: string) => void;
}

export const retryAfterMs = 1_000;

/** Never rejects. */
export function ask(asking: Asking, { clock, tracer, bounds, count }: ExchangeParts): Promise<Exchanged> {
  const { message, request, conversation, session } = asking;
  const { signal, timeoutMs } = request;
  const parent = parentTrace(message, request);
  const span = tracer.start(`child ${message.method}`, parent, 'client');
  const waiting: Waiting = new Waiting({
    request,
    session: session?.id,
    streamCharsMax: bounds.streamCharsMax,
    statusOf: (code) => (session === undefined ? modernStatus(code) : 200),
    onOver: (outcome) => {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
      if (session) leaveSession(session, waiting, message.idText, call, outcome);
      if (outcome !== 'ok') span.fail(outcome);
      span.end();
      count(outcome);
      asking.onOver?.(outcome);
    },
  });
  const leave = (reason: string): void => {
    if (typeof number === 'number') conversation.cancel(number, reason);
  };
  const onAbort = (): void => {
    leave('the caller went away');
    waiting.fail('aborted', 'the caller went away');
  };
  const call: Call = {
    cancel: () => {
      leave('cancelled by the caller');
      waiting.cancelled(message.idText);
    },
  };
  const timer = clock.after(timeoutMs, () => {
    if (waiting.streams) return;
    leave('timeout');
    waiting.fail('timeout', `the child did not answer within ${timeoutMs} ms`);
  });
  const number = conversation.ask(message, waiting, parent && span.context.traceparent);
  if (typeof number === 'string') return Promise.resolve(notTaken(number, message, waiting, bounds));
  signal.addEventListener('abort', onAbort, { once: true });
  if (session) enterSession(session, waiting, message.idText, call);
  return waiting.head;
}

interface Call {
  cancel(): void;
}

type Session = BridgeSession<OwnChild>;

function enterSession(session: Session, waiting: Waiting, idText: string, call: Call): void {
  session.calls.set(idText, call);
  session.exchanges.add(waiting);
  session.own?.questions.laneOpened();
}

/** Behind an answer the client may still answer what it was asked; a client that has gone will not. */
function leaveSession(session: Session, waiting: Waiting, idText: string, call: Call, outcome: string): void {
  if (session.calls.get(idText) === call) session.calls.delete(idText);
  session.exchanges.delete(waiting);
  if (outcome !== 'ok' && outcome !== 'error') session.own?.questions.laneLost(waiting);
}

function notTaken(
  why: 'too_many' | 'not_taken',
  message: RequestMessage,
  waiting: Waiting,
  { pendingMax }: BridgeBounds,
): UpstreamResponse {
  waiting.fail('unreachable', why);
  const detail =
    why === 'too_many'
      ? `This server has ${pendingMax} requests in work, the most it is given; try again.`
      : 'This server does not read its input at the moment; try again.';
  return refusal({ fault: 'overloaded', detail, retryAfterMs }, message.idText);
}

/** What the caller's hop says of itself: `_meta` first, the header where that is silent. */
function parentTrace(
  message: RequestMessage,
  request: UpstreamRequest,
): { readonly traceparent: string } | undefined {
  const meta: unknown = JSON.parse(paramText(message.params, '_meta') ?? 'null');
  const inMeta =
    typeof meta === 'object' && meta !== null && 'traceparent' in meta ? meta.traceparent : undefined;
  const traceparent = typeof inMeta === 'string' ? inMeta : request.headers['traceparent'];
  return traceparent !== undefined && /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(traceparent)
    ? { traceparent }
    : undefined;
}

/** Errors that Streamable HTTP shows in its status too (MCP 2026-07-28). */
function modernStatus(code: number | undefined): number {
  if (code === faultTable.unknown_method.code) return 404;
  return code === -32020 || code === -32021 || code === -32022 ? 400 : 200;
}
