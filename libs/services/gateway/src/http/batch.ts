/** Several messages in one POST, which only MCP 2025-03-26 knows (JSON-RPC 2.0 §6): each is judged, run and answered by itself. */

import type { IncomingMessage } from 'node:http';
import {
  isFault,
  readBatch,
  type Fault,
  type Message,
  type NotificationMessage,
  type RequestMessage,
  type Spoken,
} from '@cruvero/core';
import { takeNotification, takeRequest, takeResponse } from '../receive.ts';
import type { ClientSession } from '../sessions/client-session.ts';
import { BatchAnswer } from './batch-answer.ts';
import { accepted, findSession, traceFor, type EndpointParts, type Exchange } from './exchange.ts';
import { eraHeaders, sessionIdOf } from './headers.ts';
import { classifyLegacy } from './legacy-only.ts';
import { sendFault } from './respond.ts';

/** The one version that has batches: they came with it and went with the next. */
const batchVersion = '2025-03-26';
/** Messages of one batch. */
const messagesMax = 64;
/** Requests of one batch that run at a time; the others wait for their turn. */
const runningMax = 8;

const bad = (detail: string): Fault => ({ fault: 'bad_request', detail });

/** Answers whatever came as an array. */
export async function takeBatch(
  text: string,
  exchange: Exchange,
  acceptsSse: boolean,
  parts: EndpointParts,
): Promise<void> {
  const { request, response } = exchange;
  const session = sessionIdOf(request) === undefined ? undefined : await findSession(exchange, parts);
  if (isFault(session)) return sendFault(response, session);
  if (session?.facts.version !== batchVersion) return sendFault(response, unknownHere(session));
  const messages = readBatch(text, messagesMax);
  if (isFault(messages)) return sendFault(response, messages);
  const repeated = repeatedId(messages);
  if (repeated !== undefined) return sendFault(response, bad(repeated));
  await answerAll(messages, exchange, session, acceptsSse, parts);
}

function unknownHere(session: ClientSession | undefined): Fault {
  const where = session
    ? `this session speaks ${session.facts.version}`
    : 'in a session that initialize opened with it';
  const detail = `Batches are not served here; send one message in one request. Only MCP ${batchVersion} knows them; ${where}.`;
  return { fault: 'batch_refused', detail };
}

/** Answers could not be told apart. `"a"` and `"\u0061"` are the same id, `1` and `"1"` are two. */
function repeatedId(messages: readonly (Message | Fault)[]): string | undefined {
  const seen = new Set<string>();
  for (const message of messages) {
    if (isFault(message) || message.kind !== 'request') continue;
    const { idText } = message;
    const id = idText.startsWith('"') ? JSON.stringify(JSON.parse(idText)) : idText;
    if (seen.has(id))
      return `The id ${idText.slice(0, 64)} stands twice in this batch; ids are unique in a session.`;
    seen.add(id);
  }
  return undefined;
}

/** A request of the batch that may run. */
interface Due {
  readonly message: RequestMessage;
  readonly spoken: Spoken;
  /** Stands for the request while it waits for its turn, so that it can be cancelled. */
  readonly turn: AbortController;
  readonly at: number;
}

async function answerAll(
  messages: readonly (Message | Fault)[],
  exchange: Exchange,
  session: ClientSession,
  acceptsSse: boolean,
  parts: EndpointParts,
): Promise<void> {
  const answered = messages.filter((message) => isFault(message) || message.kind === 'request');
  const judged = answered.map((message, at) => judge(message, at, exchange, session));
  for (const message of messages) {
    if (isFault(message)) continue;
    if (message.kind === 'response') takeResponse(message, session, parts);
    else if (message.kind === 'notification') heed(message, exchange, session, parts);
  }
  if (judged.length === 0) return accepted(exchange.response);
  const due = judged.filter((one): one is Due => !('refused' in one));
  const answer = new BatchAnswer(exchange.response, judged.length, {
    // Nothing in it is a request that could be run.
    status: due.length === 0 ? 400 : 200,
    acceptsSse,
    streams: parts.streams,
    bytesMax: parts.config.link.answerBytesMax,
  });
  judged.forEach((one, at) => {
    if ('refused' in one) answer.outlet(at, one.idText).finish(one.refused);
  });
  await inTurn(due, (one) => run(one, answer, exchange, session, parts));
}

type Judged = Due | { readonly refused: Fault; readonly idText: string };

/** A request that may run has its place among those that run from now on. */
function judge(message: Message | Fault, at: number, { request }: Exchange, session: ClientSession): Judged {
  if (isFault(message)) return { refused: message, idText: 'null' };
  if (message.kind !== 'request') throw new Error('only requests are judged');
  const { idText } = message;
  if (message.method === 'initialize')
    return { refused: bad('initialize is not part of a batch; send it by itself.'), idText };
  const spoken = spokenIn(message, request);
  if (isFault(spoken)) return { refused: spoken, idText };
  const { running } = session.work();
  if (running.has(idText)) {
    const detail = `The id ${idText.slice(0, 64)} is in use by a request that is still running; ids are unique in a session.`;
    return { refused: bad(detail), idText };
  }
  const turn = new AbortController();
  running.set(idText, turn);
  return { message, spoken, turn, at };
}

function heed(
  message: NotificationMessage,
  { request }: Exchange,
  session: ClientSession,
  parts: EndpointParts,
): void {
  if (!isFault(spokenIn(message, request))) takeNotification(message, session, parts);
}

function spokenIn(message: RequestMessage | NotificationMessage, request: IncomingMessage): Spoken | Fault {
  return classifyLegacy(message, eraHeaders(request).protocolVersion, 'A batch');
}

async function inTurn(due: readonly Due[], runOne: (one: Due) => Promise<void>): Promise<void> {
  const rest = due.values();
  const takeTurns = async (): Promise<void> => {
    for (const one of rest) await runOne(one);
  };
  await Promise.all(Array.from({ length: Math.min(runningMax, due.length) }, takeTurns));
}

async function run(
  { message, spoken, turn, at }: Due,
  answer: BatchAnswer,
  { request, door, principal, snapshot }: Exchange,
  session: ClientSession,
  parts: EndpointParts,
): Promise<void> {
  const outlet = answer.outlet(at, message.idText);
  session.workIfAny()?.running.delete(message.idText);
  if (turn.signal.aborted) return outlet.finish({ fault: 'cancelled' });
  const trace = traceFor(request, spoken);
  // As with one message alone: a legacy client that lost its connection did not cancel.
  const onGone = (): void => undefined;
  await takeRequest(
    message,
    { door, principal, snapshot, spoken, session, trace, paramHeaders: undefined, outlet, onGone },
    parts,
  );
}
