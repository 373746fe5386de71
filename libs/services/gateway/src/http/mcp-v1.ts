/**
 * `/mcp/v1/*`: MCP's methods as plain POSTs without a session (requirements §14, appendix E 7). The body is a JSON-RPC request,
 * answered by a JSON-RPC response, or the bare params, answered by the bare result.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  faultTable,
  isArrayAt,
  isFault,
  isJsonProblem,
  readMessage,
  wholeObject,
  wholeValue,
  type Fault,
  type JsonObject,
  type Reply,
  type RequestMessage,
  type Spoken,
} from '@cruvero/core';
import type { Clock, HttpHandler, Log } from '@cruvero/ports';
import type { Calls } from '../calls.ts';
import { failedInside, silentCaller } from '../callers/caller.ts';
import { Deadline } from '../deadline.ts';
import { initializeResult, negotiate, readInitialize, type Face } from '../faces.ts';
import type { Door } from '../door.ts';
import { isJsonType, readBody } from './body.ts';
import { admit, traceFor, type EndpointParts, type Exchange } from './exchange.ts';
import { eraHeaders } from './headers.ts';
import { classifyLegacy } from './legacy-only.ts';
import { errorMessage, faultHeaders, faultText, resultMessage, sendFault, sendJson } from './respond.ts';

export const mcpV1Prefix = '/mcp/v1';

export interface McpV1Parts extends Pick<EndpointParts, 'config' | 'snapshot'> {
  readonly calls: Calls;
  readonly clock: Clock;
  readonly log: Pick<Log, 'error'>;
  /** How tools are called where the URL does not say. */
  readonly doorOf: (url: string) => Door;
}

const methods: ReadonlySet<string> = new Set([
  'initialize',
  'tools/list',
  'tools/call',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'prompts/list',
  'prompts/get',
  'completion/complete',
]);

export function mcpV1(parts: McpV1Parts): HttpHandler {
  return (request, response) => {
    serve(request, response, parts).catch((thrown: unknown) => {
      parts.log.error('a request failed inside', { path: mcpV1Prefix, error: thrown });
      if (response.headersSent) response.destroy();
      else sendFault(response, failedInside);
    });
  };
}

async function serve(request: IncomingMessage, response: ServerResponse, parts: McpV1Parts): Promise<void> {
  const path = (request.url ?? '').replace(/[?#].*$/s, '');
  const method = path.slice(mcpV1Prefix.length + 1);
  // Before it is known which of the two forms the caller speaks: the error stands where both look for it.
  if (!methods.has(method)) return sendFault(response, { fault: 'no_such_path', path: path.slice(0, 128) });
  if (request.method !== 'POST') return sendFault(response, { fault: 'wrong_http_method', allow: 'POST' });
  const exchange = admit(request, response, parts.doorOf(request.url ?? ''), parts);
  if (isFault(exchange)) return sendFault(response, exchange);
  const type = request.headers['content-type'];
  if (!isJsonType(type))
    return sendFault(response, { fault: 'wrong_content_type', got: (type ?? '').slice(0, 128) });
  const text = await readBody(request, parts.config.bodyBytesMax);
  if (isFault(text)) return sendFault(response, text);
  const asked = readAsked(text, method);
  const send = asked.isEnvelope ? sendEnvelope : sendBare;
  const { message } = asked;
  if (isFault(message)) return send(response, 'null', message);
  send(response, message.idText, asked.refused ?? (await answer(message, exchange, parts)));
}

interface Asked {
  readonly isEnvelope: boolean;
  readonly message: RequestMessage | Fault;
  /** The message can be read, but not be served here. */
  readonly refused?: Fault;
}

/** No params of these methods have members of these names. */
const envelopeMembers: readonly string[] = ['jsonrpc', 'method', 'params'];

function readAsked(text: string, method: string): Asked {
  // No body at all: no params.
  const body = text === '' ? '{}' : text;
  const members = wholeObject(body);
  const isEnvelope = !isJsonProblem(members) && envelopeMembers.some((name) => members.has(name));
  if (isEnvelope) return readEnvelope(body, method);
  if (isJsonProblem(members)) return { isEnvelope, message: notAnObject(body, members) };
  // One whole object, as was just seen, so it cannot end the message around it.
  const message = readMessage(`{"jsonrpc":"2.0","id":0,"method":${JSON.stringify(method)},"params":${body}}`);
  return { isEnvelope, message: onlyRequest(message) };
}

function notAnObject(
  text: string,
  { problem, at }: { readonly problem: string; readonly at: number },
): Fault {
  const whole = wholeValue(text);
  const detail = `${problem} (at character ${at})`;
  if (isJsonProblem(whole)) return { fault: 'bad_json', detail };
  if (isArrayAt(text, whole))
    return { fault: 'batch_refused', detail: 'Batches are not served here; send one request.' };
  return {
    fault: 'bad_request',
    detail: `The body is a JSON object, a JSON-RPC request or its params: ${detail}.`,
  };
}

function readEnvelope(text: string, method: string): Asked {
  const message = onlyRequest(readMessage(text));
  if (isFault(message) || message.method === method) return { isEnvelope: true, message };
  const detail = `The path says ${JSON.stringify(method)}, the body says ${JSON.stringify(message.method.slice(0, 64))}.`;
  return { isEnvelope: true, message, refused: { fault: 'bad_request', detail } };
}

function onlyRequest(message: ReturnType<typeof readMessage>): RequestMessage | Fault {
  if (isFault(message) || message.kind === 'request') return message;
  return {
    fault: 'bad_request',
    detail: 'Only requests are served here; a request has a "method" and an "id".',
  };
}

async function answer(
  message: RequestMessage,
  exchange: Exchange,
  parts: McpV1Parts,
): Promise<Reply | Fault> {
  const spoken = classifyLegacy(message, eraHeaders(exchange.request).protocolVersion, '/mcp/v1');
  if (isFault(spoken)) return spoken;
  if (message.method === 'initialize') return initialize(message, exchange, parts);
  return run(message, spoken, exchange, parts);
}

async function initialize(
  { params }: RequestMessage,
  { door, principal, snapshot }: Exchange,
  { calls }: McpV1Parts,
): Promise<Reply | Fault> {
  const face = await calls.face(door, principal, snapshot);
  if (isFault(face)) return face;
  return {
    kind: 'result',
    text: initializeResult(plain(face), negotiate(readInitialize(params.text).version)),
  };
}

const served: readonly string[] = ['tools', 'resources', 'prompts', 'completions'];

/** Nothing can be told here without being asked: no subscriptions, no log messages. */
function plain(face: Face): Face {
  const kept = served
    .filter((name) => face.capabilities[name] !== undefined)
    .map((name) => [name, {}] as const);
  const capabilities: JsonObject = Object.fromEntries(kept);
  return { ...face, capabilities };
}

function run(
  message: RequestMessage,
  spoken: Spoken,
  { request, response, door, principal, snapshot }: Exchange,
  { calls, clock, config }: McpV1Parts,
): Promise<Reply | Fault> {
  const abort = new AbortController();
  response.once('close', () => response.writableFinished || abort.abort());
  const inbound = {
    door,
    message,
    spoken,
    session: undefined,
    snapshot,
    trace: traceFor(request, spoken),
    abort,
    deadline: new Deadline(config.callDeadlineMs, abort, clock),
    caller: silentCaller,
    paramHeaders: undefined,
    pinnedTo: undefined,
  };
  return calls.run(inbound, principal);
}

function sendEnvelope(response: ServerResponse, idText: string, outcome: Reply | Fault): void {
  if (isFault(outcome)) return sendFault(response, outcome, idText, 'legacy');
  const { kind, text } = outcome;
  sendJson(response, 200, kind === 'result' ? resultMessage(idText, text) : errorMessage(idText, text));
}

const bareStatus: Readonly<Partial<Record<Fault['fault'], number>>> = {
  unknown_tool: 404,
  unknown_resource: 404,
};
/** The server understood the request and answered an error, as the REST facade says it too. */
const serverSaidNo = 422;

function sendBare(response: ServerResponse, _idText: string, outcome: Reply | Fault): void {
  if (isFault(outcome)) {
    const status = bareStatus[outcome.fault] ?? faultTable[outcome.fault].httpStatus;
    return sendJson(response, status, `{"error":${faultText(outcome)}}`, faultHeaders(outcome));
  }
  if (outcome.kind === 'error') return sendJson(response, serverSaidNo, `{"error":${outcome.text}}`);
  sendJson(response, 200, outcome.text);
}
