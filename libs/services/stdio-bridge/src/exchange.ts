/** One HTTP exchange with an instance, as a Streamable HTTP server of the child's own era would answer it. */

import {
  classify,
  isFault,
  paramText,
  readMessage,
  type Fault,
  type Message,
  type NotificationMessage,
  type RequestMessage,
} from '@cruvero/core';
import type { UpstreamRequest } from '@cruvero/ports';
import { accepted, refusal } from './answers.ts';
import { ask, type Exchanged, type ExchangeParts } from './asking.ts';
import type { Instance, Live } from './instance.ts';
import { LegacyExchange } from './legacy-exchange.ts';

/** Never rejects. */
export async function exchangeWith(
  instance: Instance,
  request: UpstreamRequest,
  parts: ExchangeParts,
): Promise<Exchanged> {
  const message = request.httpMethod === 'POST' ? readMessage(request.body ?? '') : undefined;
  if (isFault(message)) return refusal(message);
  const gone: Exchanged = { fault: 'aborted', detail: 'the caller went away', neverLeft: true };
  if (request.signal.aborted) return gone;
  // An own child does not depend on how the other one fares.
  const own = message && isInitialize(message) ? undefined : ownChildOf(instance, request);
  if (own) return new LegacyExchange(instance, request, parts).serve(message, own.conversation);
  const waitMs = Math.min(parts.bounds.respawnWaitMs, request.timeoutMs);
  const live = await instance.live(waitMs, request.signal);
  if (request.signal.aborted) return gone;
  if (!live) {
    const detail = `instance ${instance.id} is ${instance.state}${instance.reason ? `: ${instance.reason}` : ''}`;
    return { fault: 'unreachable', detail, neverLeft: true };
  }
  if (live.face.era === 'modern') return modernExchange(message, live, request, parts);
  const legacy = new LegacyExchange(instance, request, parts);
  return message && isInitialize(message)
    ? legacy.initialize(message, live)
    : legacy.serve(message, live.conversation);
}

const isInitialize = (message: Message): message is RequestMessage =>
  message.kind === 'request' && message.method === 'initialize';

function ownChildOf(instance: Instance, request: UpstreamRequest) {
  const id = request.headers['mcp-session-id'];
  return id === undefined ? undefined : instance.sessions.get(id)?.own;
}

async function modernExchange(
  message: Message | undefined,
  live: Live,
  request: UpstreamRequest,
  parts: ExchangeParts,
): Promise<Exchanged> {
  if (!message) return refusal({ fault: 'wrong_http_method', allow: 'POST' });
  if (message.kind === 'response') return accepted();
  const fault = modernFault(message, live, request);
  if (fault) return refusal(fault, message.kind === 'request' ? message.idText : 'null');
  const { conversation } = live;
  if (message.kind === 'request') return ask({ message, request, conversation, session: undefined }, parts);
  // Cancelling is closing the exchange; an id of one caller may be another's too.
  if (message.method !== 'notifications/cancelled') conversation.notify(message.text);
  return accepted();
}

function modernFault(
  message: RequestMessage | NotificationMessage,
  live: Live,
  { headers }: UpstreamRequest,
): Fault | undefined {
  const { supported } = live.face;
  if (message.method === 'initialize') {
    const asked: unknown = JSON.parse(paramText(message.params, 'protocolVersion') ?? '""');
    return { fault: 'unsupported_version', requested: typeof asked === 'string' ? asked : '', supported };
  }
  const spoken = classify(message, {
    protocolVersion: headers['mcp-protocol-version'],
    mcpMethod: headers['mcp-method'],
    mcpName: headers['mcp-name'],
  });
  if (isFault(spoken)) return spoken.fault === 'unsupported_version' ? { ...spoken, supported } : spoken;
  if (spoken.era === 'modern') return undefined;
  return {
    fault: 'bad_params',
    detail: 'This server needs the protocol version in params._meta of every request (2026-07-28).',
  };
}
