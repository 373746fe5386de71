/** Sends one message to a peer and reads what answers it: a JSON body, or a stream of events up to the answer. */

import {
  isSseProblem,
  readUpstreamMessage,
  SseParser,
  type Fault,
  type Reply,
  type UpstreamMessage,
} from '@cruvero/core';
import { isUpstreamFault, type UpstreamResponse } from '@cruvero/ports';
import { coreFault } from './faults.ts';
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';

export interface Sending {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Id of the request as JSON text; undefined for a notification or a response, which nothing answers. */
  readonly idText: string | undefined;
  /** One for the call: whoever ends it, the caller or this side, aborts it. */
  readonly abort: AbortController;
  readonly onNotification?: ((text: string) => void) | undefined;
  /** A request of the server in the middle of our call; its id and method. */
  readonly onRequest?: ((idText: string, method: string) => void) | undefined;
}

/** `sessionId` as the server gave it in the answer. */
export interface Answered {
  readonly status: number;
  readonly sessionId: string | undefined;
  readonly reply: Reply | undefined;
}

const sharedHeaders = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
} as const;

export async function post(peer: Peer, sending: Sending, bounds: LinkBounds, ports: LinkPorts): Promise<Answered | Fault> {
  const { server, instance } = peer;
  const upstream = ports.upstreams[instance.transport];
  if (!upstream) {
    const detail = `this process does not speak transport ${JSON.stringify(instance.transport)}`;
    return { fault: 'upstream_unavailable', server, detail, neverLeft: true };
  }
  const response = await upstream.exchange({
    httpMethod: 'POST',
    endpoint: instance.endpoint,
    headers: { ...sharedHeaders, ...sending.headers },
    body: sending.body,
    signal: sending.abort.signal,
    timeoutMs: bounds.timeoutMs,
    bytesMax: bounds.answerBytesMax,
  });
  if (isUpstreamFault(response)) return coreFault(response, server, bounds.timeoutMs);
  return readAnswer(peer, response, sending, bounds, ports);
}

async function readAnswer(
  peer: Peer,
  response: UpstreamResponse,
  sending: Sending,
  bounds: LinkBounds,
  ports: LinkPorts,
): Promise<Answered | Fault> {
  const { status } = response;
  const sessionId = response.headers['mcp-session-id'];
  if (response.body.kind === 'stream') {
    const reply = await readStream(peer, response.body.chunks, sending, bounds, ports);
    return 'fault' in reply ? reply : { status, sessionId, reply };
  }
  if (sending.idText === undefined) return { status, sessionId, reply: undefined };
  const text = response.body.text;
  const message = text === '' ? undefined : readUpstreamMessage(text, sending.idText);
  const reply = message && asReply(message, sending.idText);
  if (reply) return { status, sessionId, reply };
  if (status >= 400) return { status, sessionId, reply: undefined };
  return broken(peer, message === undefined ? `it answered HTTP ${status} without a body` : describe(message));
}

/** An error with id null answers too: the server could not read our id. */
function asReply(message: UpstreamMessage, idText: string): Reply | undefined {
  if (message.kind !== 'result' && message.kind !== 'error') return undefined;
  if (message.idText === idText) return message;
  return message.kind === 'error' && message.idText === 'null' ? message : undefined;
}

function describe(message: UpstreamMessage): string {
  if (message.kind === 'garbage') return message.detail;
  if (message.kind === 'result' || message.kind === 'error') return 'its answer has the id of another request';
  return 'it sent a message that is no answer';
}

function broken(peer: Peer, detail: string): Fault {
  return { fault: 'upstream_broken', server: peer.server, detail };
}

/** Reads events until the answer came; silence longer than the bound ends the stream. */
async function readStream(
  peer: Peer,
  chunks: AsyncIterable<string>,
  sending: Sending,
  bounds: LinkBounds,
  ports: LinkPorts,
): Promise<Reply | Fault> {
  const parser = new SseParser(bounds.answerBytesMax);
  const iterator = chunks[Symbol.asyncIterator]();
  let timedOut = false;
  const giveUp = (): void => {
    timedOut = true;
    sending.abort.abort();
  };
  try {
    for (;;) {
      const timer = ports.clock.after(bounds.timeoutMs, giveUp);
      const next = await iterator.next().finally(() => timer.cancel());
      if (next.done === true) return broken(peer, 'its event stream ended without the answer');
      const reply = takeEvents(peer, parser.feed(next.value), sending);
      if (reply === undefined) continue;
      finish(iterator, sending, ports);
      return reply;
    }
  } catch (thrown) {
    if (timedOut) return { fault: 'upstream_timeout', server: peer.server, timeoutMs: bounds.timeoutMs };
    if (sending.abort.signal.aborted) return { fault: 'cancelled' };
    return broken(peer, thrown instanceof Error ? thrown.message : 'its event stream broke');
  }
}

function takeEvents(peer: Peer, events: ReturnType<SseParser['feed']>, sending: Sending): Reply | Fault | undefined {
  if (isSseProblem(events)) return broken(peer, events.problem);
  for (const event of events) {
    if (event.data === '') continue;
    const message = readUpstreamMessage(event.data, sending.idText ?? '');
    if (message.kind === 'notification') sending.onNotification?.(message.text);
    else if (message.kind === 'request') sending.onRequest?.(message.idText, message.method);
    else if (message.kind === 'garbage') return broken(peer, message.detail);
    else {
      const reply = asReply(message, sending.idText ?? '');
      if (reply) return reply;
    }
  }
  return undefined;
}

/** The server ends the stream behind the answer; where it does not, we do, so that the connection is free again. */
function finish(iterator: AsyncIterator<string>, sending: Sending, ports: LinkPorts): void {
  const timer = ports.clock.after(lingerMs, () => sending.abort.abort());
  const drain = async (): Promise<void> => {
    for (;;) if ((await iterator.next()).done === true) return;
  };
  drain()
    .catch(() => undefined)
    .finally(() => timer.cancel());
}

const lingerMs = 1_000;
