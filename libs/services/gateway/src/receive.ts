/** What a client sent, whatever carried it: requests are run and answered, answers find their questions, notifications are heeded. */

import {
  canAnswer,
  changeMembers,
  isFault,
  paramsFrom,
  paramText,
  parseJsonObject,
  readInputResponses,
  readRequestState,
  readUpstreamMessage,
  type Fault,
  type JsonObject,
  type NotificationMessage,
  type Principal,
  type Reply,
  type RequestMessage,
  type ResponseMessage,
  type Snapshot,
  type Spoken,
} from '@cruvero/core';
import type { Clock, TraceContext } from '@cruvero/ports';
import type { Calls } from './calls.ts';
import { errorReply, type Caller } from './callers/caller.ts';
import type { Dialogues } from './callers/dialogues.ts';
import { askerOf, LegacyCaller } from './callers/legacy-caller.ts';
import { retold } from './callers/progress-token.ts';
import type { RequestStates } from './callers/request-states.ts';
import type { GatewayConfig } from './config.ts';
import { Deadline } from './deadline.ts';
import { initializeResult, negotiate, readInitialize } from './faces.ts';
import type { Outlet } from './http/call-answer.ts';
import type { Door } from './door.ts';
import type { Links } from './links.ts';
import type { Inbound } from './pipeline.ts';
import type { Replicas } from './replicas.ts';
import type { SessionTalk } from './session-talk.ts';
import type { ClientSession } from './sessions/client-session.ts';
import type { ClientSessions } from './sessions/sessions.ts';
import { termsOfSession } from './terms.ts';

export interface ReceiveParts {
  readonly config: Pick<GatewayConfig, 'callDeadlineMs' | 'questionMs' | 'gatewayId'>;
  readonly clock: Clock;
  readonly calls: Calls;
  readonly sessions: ClientSessions;
  readonly dialogues: Dialogues;
  readonly states: RequestStates;
  readonly replicas: Pick<Replicas, 'answer' | 'cancelled'>;
  readonly talk: Pick<SessionTalk, 'noted' | 'progressed' | 'put'>;
  readonly links: Pick<Links, 'notifySessions'>;
}

/** A request as far as its transport knows it. */
export interface Arrival {
  readonly door: Door;
  readonly principal: Principal;
  readonly snapshot: Snapshot;
  readonly spoken: Spoken;
  /** Of a legacy client. */
  readonly session: ClientSession | undefined;
  readonly trace: TraceContext | undefined;
  readonly paramHeaders: Readonly<Record<string, string>> | undefined;
  readonly outlet: Outlet;
  /** Calls back when the client goes away before it has its answer. */
  readonly onGone: (gone: () => void) => void;
}

/** Runs the request and answers it; never rejects for anything that may happen. Not for initialize and subscriptions/listen. */
export async function takeRequest(
  message: RequestMessage,
  arrival: Arrival,
  parts: ReceiveParts,
): Promise<void> {
  const { session, outlet } = arrival;
  const running = session?.work().running;
  if (running?.has(message.idText)) {
    const detail = `The id ${message.idText.slice(0, 64)} is in use by a request that is still running; ids are unique in a session.`;
    return outlet.finish({ fault: 'bad_request', detail });
  }
  const abort = new AbortController();
  // A modern caller that closes its stream cancels; a legacy one may merely have lost the connection.
  if (arrival.spoken.era === 'modern') arrival.onGone(() => abort.abort());
  running?.set(message.idText, abort);
  try {
    const begun = inboundOf(message, arrival, abort, parts);
    outlet.finish(
      await (arrival.spoken.era === 'modern'
        ? runModern(begun, arrival, parts)
        : runLegacy(begun, arrival, parts)),
    );
  } finally {
    running?.delete(message.idText);
  }
}

type Begun = Omit<Inbound, 'caller'>;

function inboundOf(
  message: RequestMessage,
  arrival: Arrival,
  abort: AbortController,
  parts: ReceiveParts,
): Begun {
  const { door, spoken, session, snapshot, trace, paramHeaders } = arrival;
  const deadline = new Deadline(parts.config.callDeadlineMs, abort, parts.clock);
  return {
    door,
    message,
    spoken,
    session,
    snapshot,
    trace,
    paramHeaders,
    abort,
    deadline,
    pinnedTo: undefined,
  };
}

function runLegacy(
  begun: Begun,
  { session, outlet, principal }: Arrival,
  parts: ReceiveParts,
): Promise<Reply | Fault> {
  const asking = {
    clock: parts.clock,
    gatewayId: parts.config.gatewayId,
    questionMs: parts.config.questionMs,
    elsewhere: (uid: string, text: string) => parts.talk.put(uid, text),
  };
  const caller: Caller = session
    ? new LegacyCaller(session, outlet, begun.deadline, asking)
    : { notify: (text) => outlet.notify(text), ask: noSession };
  return parts.calls.run({ ...begun, caller }, principal);
}

const noSession: Caller['ask'] = () =>
  Promise.resolve(errorReply(-32601, 'This client has no session in which it could be asked.'));
const notAsked: Caller['ask'] = () =>
  Promise.resolve(errorReply(-32601, 'This client did not declare that it can be asked anything.'));

/** Methods whose callers may be asked for input (MCP 2026-07-28, "Multi Round-Trip Requests"). */
const askingMethods: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

async function runModern(begun: Begun, arrival: Arrival, parts: ReceiveParts): Promise<Reply | Fault> {
  const { outlet, principal, spoken } = arrival;
  const notify = (text: string): void => outlet.notify(text);
  const state = askingMethods.has(begun.message.method) ? readRequestState(begun.message.params) : undefined;
  if (state !== undefined) return goOn(begun, state, arrival, parts);
  const asked =
    spoken.era === 'modern' &&
    askingMethods.has(begun.message.method) &&
    canAnswer(spoken.clientCapabilities);
  if (!asked) return parts.calls.run({ ...begun, caller: { notify, ask: notAsked } }, principal);
  return beginDialogue(begun, arrival, parts);
}

function beginDialogue(
  begun: Begun,
  { principal, spoken, outlet }: Arrival,
  parts: ReceiveParts,
): Promise<Reply | Fault> {
  const { abort, deadline, message } = begun;
  return parts.dialogues.begin(
    {
      request: { principal, door: begun.door, method: message.method, params: message.params },
      capabilities: spoken.era === 'modern' ? spoken.clientCapabilities : {},
      abort,
      deadline,
      run: (caller) => parts.calls.run({ ...begun, caller }, principal),
    },
    (text) => outlet.notify(text),
  );
}

/** A caller that comes back with what it was asked for. */
async function goOn(
  begun: Begun,
  state: string,
  arrival: Arrival,
  parts: ReceiveParts,
): Promise<Reply | Fault> {
  const { message, deadline, abort } = begun;
  const { principal, outlet } = arrival;
  const request = { principal, door: begun.door, method: message.method, params: message.params };
  const opened = parts.states.open(request, state);
  const responses = readInputResponses(message.params);
  if (isFault(opened) || 'problem' in responses) {
    deadline.end();
    return isFault(opened)
      ? opened
      : {
          fault: 'bad_params',
          detail: `params.inputResponses: ${'problem' in responses ? responses.problem : ''}`,
        };
  }
  if (opened.at === 'parked') {
    deadline.end();
    const notify = (text: string): void => {
      const told = retold(text, message.params);
      if (told !== undefined) outlet.notify(told);
    };
    return parts.dialogues.resume(request, opened, responses, notify, abort.signal);
  }
  const params = paramsFrom(
    changeMembers(message.params.text, { requestState: JSON.stringify(opened.state) }),
  );
  const unsealed = { ...begun, message: { ...message, params }, pinnedTo: opened.instanceId };
  return beginDialogue(unsealed, arrival, parts);
}

/** A notification of a legacy client: what concerns its calls, its answers and its servers is heeded, all others are taken as read. */
export function takeNotification(
  message: NotificationMessage,
  session: ClientSession | undefined,
  parts: ReceiveParts,
): void {
  if (!session) return;
  switch (message.method) {
    case 'notifications/cancelled':
      return takeCancellation(message, session, parts);
    case 'notifications/progress':
      return takeProgress(message, session, parts);
    case 'notifications/roots/list_changed':
      void tellServers(message, session, parts);
  }
}

/** How far the answer to a question is, for the server that asked. */
function takeProgress({ params }: NotificationMessage, session: ClientSession, parts: ReceiveParts): void {
  const idText = paramText(params, 'progressToken');
  if (idText === undefined) return;
  const question = session.workIfAny()?.questions.get(idText);
  if (question) return question.progress?.(params.text);
  const asker = askerOf(idText);
  if (asker !== undefined && asker !== parts.config.gatewayId)
    parts.talk.progressed(asker, session.uid, idText, params.text);
}

/** Every server with which the client's session has one of its own, here and at other replicas. */
async function tellServers(
  { method, params }: NotificationMessage,
  session: ClientSession,
  { links, talk }: ReceiveParts,
): Promise<void> {
  const { tenantId } = session.facts.principal;
  const notification = { method, paramsText: params.text };
  const told = await links.notifySessions(tenantId, termsOfSession(session), notification, undefined);
  talk.noted(session.uid, { ...notification, told });
}

function takeCancellation(message: NotificationMessage, session: ClientSession, parts: ReceiveParts): void {
  const requestId = paramText(message.params, 'requestId');
  if (requestId === undefined) return;
  const running = session.workIfAny()?.running.get(requestId);
  if (running) running.abort();
  else parts.replicas.cancelled(session.uid, requestId);
}

/** A client's answer to a question: here, or at the replica that put it. */
export function takeResponse(message: ResponseMessage, session: ClientSession, parts: ReceiveParts): void {
  const reply = replyOf(message);
  const question = session.workIfAny()?.questions.get(message.idText);
  if (question) return question.answer(reply);
  const asker = askerOf(message.idText);
  if (asker !== undefined && asker !== parts.config.gatewayId)
    parts.replicas.answer(asker, session.uid, message.idText, reply);
}

function replyOf(message: ResponseMessage): Reply {
  const read = readUpstreamMessage(message.text, message.idText);
  return read.kind === 'result' || read.kind === 'error'
    ? read
    : errorReply(-32603, 'The answer of the client cannot be read.');
}

/** What a client declares stands in its session's id, which comes with every request as a header. */
const capabilityBytesMax = 4_096;
const clientInfoCharsMax = 1_024;

/** Icons and descriptions may be long; who it is, is short. */
function shortInfo(info: JsonObject): JsonObject {
  if (JSON.stringify(info).length <= clientInfoCharsMax) return info;
  const short = (name: string): object =>
    typeof info[name] === 'string' ? { [name]: info[name].slice(0, clientInfoCharsMax / 4) } : {};
  return { ...short('name'), ...short('title'), ...short('version') };
}

export async function openSession(
  message: RequestMessage,
  { door, principal, snapshot }: Pick<Arrival, 'door' | 'principal' | 'snapshot'>,
  parts: ReceiveParts,
): Promise<{ readonly session: ClientSession; readonly resultText: string } | Fault> {
  const params = parseJsonObject(message.params.text);
  if (typeof params?.['protocolVersion'] !== 'string') {
    const detail = 'initialize needs params.protocolVersion, params.capabilities and params.clientInfo.';
    return { fault: 'bad_params', detail };
  }
  const asked = readInitialize(message.params.text);
  const { clientCapabilities } = asked;
  const clientInfo = shortInfo(asked.clientInfo);
  if (Buffer.byteLength(JSON.stringify(clientCapabilities)) > capabilityBytesMax)
    return {
      fault: 'bad_params',
      detail: `params.capabilities is at most ${capabilityBytesMax} bytes long.`,
    };
  const face = await parts.calls.face(door, principal, snapshot);
  if (isFault(face)) return face;
  const version = negotiate(asked.version);
  const session = parts.sessions.open({ principal, door, version, clientCapabilities, clientInfo });
  return { session, resultText: initializeResult(face, version) };
}
