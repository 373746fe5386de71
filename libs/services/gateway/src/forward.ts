/** One attempt at one instance: in the server's era there, in the caller's era back, with everything that is asked on the way. */

import { randomInt } from 'node:crypto';
import {
  adaptReply,
  BytesResult,
  changeMembers,
  emitParamHeaders,
  exposeUris,
  faultData,
  faultTable,
  inputRequiredText,
  isFault,
  isJsonProblem,
  mapTaskIds,
  missingCapability,
  modernCapabilities,
  objectMembers,
  paramsFrom,
  questionsOfUrlError,
  readInputRequired,
  textOf,
  wholeObject,
  withoutDialogue,
  withRequestState,
  type Fault,
  type Instance,
  type Json,
  type JsonObject,
  type Params,
  type Pieces,
  type Reply,
} from '@cruvero/core';
import type { Telemetry } from '@cruvero/ports';
import type { Answer, Ask } from '@cruvero/upstream';
import { answerRounds } from './callers/input-rounds.ts';
import { progressTokenText } from './callers/progress-token.ts';
import type { RequestStates } from './callers/request-states.ts';
import type { Catalog } from './catalog/catalog.ts';
import { offeredHere } from './catalog/server-door.ts';
import { metaFor } from './code-exec.ts';
import { lateBy } from './deadline.ts';
import type { Links } from './links.ts';
import { roomAt, type LegacyTasks } from './legacy-tasks.ts';
import type { Forward, Routed } from './pipeline.ts';
import type { TaskIds } from './task-ids.ts';
import { clientInfoOf, termsOf } from './terms.ts';

export interface ForwardParts {
  readonly links: Links;
  readonly telemetry: Telemetry;
  readonly catalog: Pick<Catalog, 'toolOf' | 'refresh'>;
  readonly states: RequestStates;
  readonly taskIds: TaskIds;
  readonly legacyTasks: LegacyTasks;
  /** Between two rounds of a server that only wants to be asked again. */
  readonly pause: (delayMs: number, signal: AbortSignal) => Promise<void>;
}

export function forwarder(parts: ForwardParts): Forward {
  // Two replicas may use one session of a server; the tokens in it differ all the same.
  let tokens = randomInt(2 ** 47);
  return async (call, instance) => {
    const token = (tokens = (tokens + 1) % Number.MAX_SAFE_INTEGER);
    const span = parts.telemetry.tracer.start('mcp forward', call.trace, 'client');
    const trace = { traceparent: span.context.traceparent, tracestate: span.context.tracestate };
    const ask = {
      ...askOf(call, token, instance, parts),
      metaChanges: { ...progress(call, token), ...trace },
    };
    call.session?.work().called.add(call.server.name);
    const answer = await converse(call, instance, ask, parts);
    if (isFault(answer)) span.fail(answer.fault);
    span.set('mcp.instance', instance.instanceId);
    span.end();
    if (isFault(answer)) return ownUp(call, answer);
    // Its legacy session is there; the next call of this client goes there too.
    if (answer.era === 'legacy') call.session?.work().instances.set(call.server.name, instance.instanceId);
    const reply = toCaller(call, instance, answer, parts);
    if (isFault(reply) || answer.era === 'modern' || call.spoken.era === 'modern') return reply;
    return parts.legacyTasks.outward(call, instance, reply);
  };
}

function askOf(
  call: Routed,
  token: number,
  instance: Instance,
  { legacyTasks }: ForwardParts,
): Omit<Ask, 'metaChanges'> {
  const room = roomAt(call.principal, call.session, call.server, instance);
  const notify = (text: string): void => call.caller.notify(text);
  const tokens = { given: String(token), own: ownToken(call) };
  return {
    method: call.message.method,
    params: call.message.params,
    legacyParams: legacyParamsOf(call),
    meta: metaFor(call),
    changes: call.changes,
    terms: termsOf(call),
    capabilities: capabilitiesOf(call),
    clientInfo: clientInfoOf(call),
    logLevel: call.session?.logLevel,
    abort: call.abort,
    onNotification: (text) => relay(call, tokens, text, (told) => legacyTasks.notified(room, told, notify)),
    onPolling: () => call.caller.begin?.(),
    onRequest: (question, signal, progress) =>
      legacyTasks.asked(room, question, (mapped) => call.caller.ask(mapped, signal, progress)),
  };
}

/** A legacy server knows nothing of rounds, and a modern caller nothing of tasks that it would have to ask for. */
function legacyParamsOf({ spoken, message }: Routed): Params | undefined {
  if (spoken.era === 'legacy') return undefined;
  const params = withoutDialogue(message.params);
  return params.members.has('task') ? paramsFrom(changeMembers(params.text, { task: undefined })) : params;
}

/** What the server may expect of this hop: what the caller declared, no more and no less. */
function capabilitiesOf(call: Routed): JsonObject {
  if (call.spoken.era === 'modern') return call.spoken.clientCapabilities;
  return call.session ? modernCapabilities(call.session.facts.clientCapabilities) : {};
}

/** The request with its headers, once more where the tool's definition turned out to have changed, and round after round where the server asks. */
async function converse(
  call: Routed,
  instance: Instance,
  ask: Ask,
  parts: ForwardParts,
): Promise<Answer | Fault> {
  const link = parts.links.of(call.server, instance);
  const request = (params: Params): Promise<Answer | Fault> =>
    link.request({ ...ask, params, paramHeaders: paramHeaders(call, params, parts) });
  let answer = await request(ask.params);
  if (isStale(call, answer)) {
    await parts.catalog.refresh(call.server);
    answer = await request(ask.params);
  }
  if (isFault(answer) || call.spoken.era === 'modern' || answer.era === 'legacy') return answer;
  return answerRounds(answer, ask.params, {
    request,
    ask: (question) => call.caller.ask(question, call.abort.signal),
    pause: (delayMs) => parts.pause(delayMs, call.abort.signal),
    server: call.server.name,
    method: call.message.method,
  });
}

/** The server wants other `Mcp-Param-*` headers than its definition said when it was last seen (-32020). */
function isStale(call: Routed, answer: Answer | Fault): boolean {
  return (
    call.message.method === 'tools/call' &&
    !isFault(answer) &&
    answer.era === 'modern' &&
    answer.reply.kind === 'error' &&
    answer.reply.code === -32020
  );
}

/** Those of the tool's definition, by the body; and those of the caller that the definition does not know. */
function paramHeaders(call: Routed, params: Params, { catalog }: ForwardParts): Ask['paramHeaders'] {
  if (call.message.method !== 'tools/call') return undefined;
  const specs = catalog.toolOf(call.server, call.target)?.headers;
  if (!specs || specs.length === 0) return call.paramHeaders;
  return { ...call.paramHeaders, ...emitParamHeaders(params, specs) };
}

/** A call that its deadline ended was not cancelled by its caller: the server took too long. */
function ownUp(call: Routed, fault: Fault): Fault {
  const late = fault.fault === 'cancelled' ? lateBy(call.abort.signal) : undefined;
  return late === undefined
    ? fault
    : { fault: 'upstream_timeout', server: call.server.name, timeoutMs: late };
}

/** Two callers may use the same token; towards a shared session each call gets its own. */
function progress(call: Routed, token: number): { readonly progressToken?: Json } {
  return call.spoken.meta?.['progressToken'] === undefined ? {} : { progressToken: token };
}

function toCaller(call: Routed, instance: Instance, answer: Answer, parts: ForwardParts): Reply | Fault {
  const { method } = call.message;
  if (isAsItCame(call, answer)) return answer.reply;
  const asked = askedByError(call, answer);
  if (asked) return asked;
  const adapted = adaptReply(answer.reply, method, answer.era, call.spoken.era, call.server.name);
  if (isFault(adapted)) return untranslatable(call, adapted);
  if (adapted.kind === 'error') return adapted;
  let { text } = adapted;
  if (call.spoken.era === 'modern' && answer.era === 'modern') text = sealed(call, instance, text, parts);
  if (call.door.door !== 'server') text = exposeUris(method, call.server.name, text);
  else if (method === 'tools/list') text = offeredHere(call, answer.era, text);
  return { kind: 'result', text };
}

/** Large results mostly hold nothing that this hop has to change: these pass as bytes, seen by no reader of text. */
function isAsItCame({ door, message, spoken }: Routed, { reply, era }: Answer): boolean {
  if (!(reply instanceof BytesResult) || era !== spoken.era || message.method === 'tools/list') return false;
  const { names, type } = reply.cut;
  if (names.has('task') || names.has('taskId')) return false;
  if (era === 'modern' && type !== 'complete') return false;
  return door.door === 'server' || !mentionsUri(reply.pieces);
}

/** False only where no member can be of that name, wherever it stands and however it is spelled. */
function mentionsUri(pieces: Pieces): boolean {
  let before = '';
  for (const piece of pieces) {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    // The pieces may cut what is looked for.
    const joint = before + bytes.toString('latin1', 0, 3);
    for (const name of uriSpellings) if (bytes.includes(name) || joint.includes(name)) return true;
    before = (before + bytes.toString('latin1', Math.max(0, bytes.length - 3))).slice(-3);
  }
  return false;
}

/** Plainly, or with one of its letters escaped. */
const uriSpellings: readonly string[] = ['uri"', 'u00'];

/** A legacy server that wants its caller to open a page says so by an error (-32042); a modern caller is asked. */
function askedByError(call: Routed, { reply, era }: Answer): Reply | Fault | undefined {
  if (reply.kind !== 'error' || era !== 'legacy' || call.spoken.era !== 'modern') return undefined;
  const questions = questionsOfUrlError(reply.text);
  if (!questions) return undefined;
  for (const question of questions) {
    const required = missingCapability(question, call.spoken.clientCapabilities);
    const detail =
      'The server wants the user to open a page, and this client did not declare that it can ask for that.';
    if (required) return { fault: 'missing_capability', detail, required };
  }
  return { kind: 'result', text: inputRequiredText(questions, undefined) };
}

/** State and ids that the server gave to the caller, in a form that only this caller can bring back. */
function sealed(
  call: Routed,
  instance: Instance,
  resultText: string,
  { states, taskIds }: ForwardParts,
): string {
  const { principal, door, server, message } = call;
  const asked = readInputRequired(resultText);
  if (asked && !('problem' in asked) && asked.state !== undefined) {
    const request = { principal, door, method: message.method, params: message.params };
    return withRequestState(resultText, states.upstream(request, instance.instanceId, asked.state));
  }
  return mapTaskIds(resultText, (own) =>
    taskIds.expose(principal, { server: server.name, instanceId: instance.instanceId, own }),
  );
}

/** The server did its work, so this speaks neither against it nor for another attempt: an answer, not a fault. */
function untranslatable(call: Routed, fault: Fault): Reply | Fault {
  if (fault.fault !== 'upstream_broken') return fault;
  const message = `The answer of server ${JSON.stringify(call.server.name)} cannot be given to you: ${fault.detail}.`;
  const { code } = faultTable[fault.fault];
  return { kind: 'error', code, text: JSON.stringify({ code, message, data: faultData(fault) }) };
}

/** Notifications about this call go to its caller, with the token it gave; those that nobody here knows pass as they are. */
function relay(call: Routed, tokens: Tokens, text: string, notify: (text: string) => void): void {
  const members = wholeObject(text);
  if (isJsonProblem(members)) return;
  const method = members.get('method');
  const name = method && textOf(text, method);
  if (name === '"notifications/progress"') {
    const params = members.get('params');
    return params && relayProgress(tokens, text, textOf(text, params), notify);
  }
  if (name === '"notifications/message"' && !wantsMessages(call)) return;
  // What concerns everybody comes to those who listen, once.
  if (name === undefined || ofEverybody.has(name)) return;
  if (call.spoken.era === 'modern' && ofLegacyEra.has(name)) return;
  notify(text);
}

const ofEverybody: ReadonlySet<string> = new Set([
  '"notifications/tools/list_changed"',
  '"notifications/prompts/list_changed"',
  '"notifications/resources/list_changed"',
  '"notifications/resources/updated"',
]);

/** They speak of what the modern era has not: ids of elicitations, and tasks that were asked for. */
const ofLegacyEra: ReadonlySet<string> = new Set([
  '"notifications/elicitation/complete"',
  '"notifications/tasks/status"',
]);

/** Of progress, as JSON text: the one that the server was given, and the caller's own where it asked for any. */
interface Tokens {
  readonly given: string;
  readonly own: string | undefined;
}

function ownToken({ spoken, message }: Routed): string | undefined {
  const asked = spoken.meta?.['progressToken'];
  return asked === undefined ? undefined : (progressTokenText(message.params) ?? JSON.stringify(asked));
}

function relayProgress(
  { given, own }: Tokens,
  text: string,
  paramsText: string,
  notify: (text: string) => void,
): void {
  const params = objectMembers(paramsText, 0);
  if (own === undefined || isJsonProblem(params)) return;
  const said = params.get('progressToken');
  if (!said || textOf(paramsText, said) !== given) return;
  const mine = changeMembers(paramsText, { progressToken: own });
  notify(changeMembers(text, { params: mine }));
}

/** A modern caller gets log messages only for a request that asked for them (MCP 2026-07-28, "Logging"). */
function wantsMessages(call: Routed): boolean {
  return call.spoken.era === 'legacy' || call.spoken.meta?.['io.modelcontextprotocol/logLevel'] !== undefined;
}
