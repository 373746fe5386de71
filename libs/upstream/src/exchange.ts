/** Sends one message to a peer and reads what answers it: a JSON body, or a stream of events up to the answer. */

import {
  isSseProblem,
  readUpstreamMessage,
  SseParser,
  type Fault,
  type Reply,
  type UpstreamMessage,
} from '@cruvero/core';
import { isUpstreamFault, type Timer, type UpstreamResponse } from '@cruvero/ports';
import { coreFault } from './faults.ts';
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';

export interface Sending {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Id of the request as JSON text; undefined for a notification or a response, which nothing answers. */
  readonly idText: string | undefined;
  /** Of the caller. This side ends an exchange by a signal of its own: the call may go on with another attempt. */
  readonly signal: AbortSignal;
  /** Bound of the whole answer, however lively its stream is; absent: only silence is bounded. */
  readonly wholeMs?: number;
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

export async function post(
  peer: Peer,
  sending: Sending,
  bounds: LinkBounds,
  ports: LinkPorts,
): Promise<Answered | Fault> {
  const { server, instance } = peer;
  const upstream = ports.upstreams[instance.transport];
  if (!upstream) {
    const detail = `this process does not speak transport ${JSON.stringify(instance.transport)}`;
    return { fault: 'upstream_unavailable', server, detail, neverLeft: true };
  }
  const end = endWith(sending.signal);
  const response = await upstream.exchange({
    httpMethod: 'POST',
    endpoint: instance.endpoint,
    headers: { ...sharedHeaders, ...sending.headers },
    body: sending.body,
    signal: end.abort.signal,
    timeoutMs: bounds.timeoutMs,
    bytesMax: bounds.answerBytesMax,
  });
  if (!isUpstreamFault(response)) return readAnswer({ peer, sending, bounds, ports, end }, response);
  end.release();
  return coreFault(response, server, bounds.timeoutMs);
}

/** Ends one exchange: when the caller is gone, or when this side says so. */
interface End {
  readonly abort: AbortController;
  /** Once nothing can be ended any more: callers' signals may live long. */
  readonly release: () => void;
}

function endWith(signal: AbortSignal): End {
  const abort = new AbortController();
  const onAbort = (): void => abort.abort();
  if (signal.aborted) abort.abort();
  else signal.addEventListener('abort', onAbort);
  return { abort, release: () => signal.removeEventListener('abort', onAbort) };
}

interface Reading {
  readonly peer: Peer;
  readonly sending: Sending;
  readonly bounds: LinkBounds;
  readonly ports: LinkPorts;
  readonly end: End;
}

async function readAnswer(reading: Reading, response: UpstreamResponse): Promise<Answered | Fault> {
  const { peer, sending, end } = reading;
  const { status } = response;
  const sessionId = response.headers['mcp-session-id'];
  const nothing = { status, sessionId, reply: undefined };
  if (response.body.kind === 'stream' && sending.idText !== undefined) {
    const reply = await readStream(reading, response.body.chunks);
    return 'fault' in reply ? reply : { status, sessionId, reply };
  }
  end.release();
  if (response.body.kind === 'stream') {
    end.abort.abort();
    return nothing;
  }
  if (sending.idText === undefined) return nothing;
  const text = response.body.text;
  const message = text === '' ? undefined : readUpstreamMessage(text, sending.idText);
  const reply = message && asReply(message, sending.idText);
  if (reply) return { status, sessionId, reply };
  if (status >= 400) return nothing;
  return broken(
    peer,
    message === undefined ? `it answered HTTP ${status} without a body` : describe(message),
  );
}

/** An error with id null answers too: the server could not read our id. */
function asReply(message: UpstreamMessage, idText: string): Reply | undefined {
  if (message.kind !== 'result' && message.kind !== 'error') return undefined;
  if (message.idText === idText) return message;
  return message.kind === 'error' && message.idText === 'null' ? message : undefined;
}

function describe(message: UpstreamMessage): string {
  if (message.kind === 'garbage') return message.detail;
  if (message.kind === 'result' || message.kind === 'error')
    return 'its answer has the id of another request';
  return 'it sent a message that is no answer';
}

function broken(peer: Peer, detail: string): Fault {
  return { fault: 'upstream_broken', server: peer.server, detail };
}

/** Reads events until the answer came; silence longer than the bound ends the stream. */
async function readStream(reading: Reading, chunks: AsyncIterable<string>): Promise<Reply | Fault> {
  const { peer, sending, bounds, ports, end } = reading;
  const parser = new SseParser(bounds.answerBytesMax);
  const iterator = chunks[Symbol.asyncIterator]();
  let lateMs: number | undefined;
  const giveUpAfter = (boundMs: number): Timer =>
    ports.clock.after(boundMs, () => {
      lateMs = boundMs;
      end.abort.abort();
    });
  const whole = sending.wholeMs === undefined ? undefined : giveUpAfter(sending.wholeMs);
  try {
    for (;;) {
      const silence = giveUpAfter(bounds.timeoutMs);
      const next = await iterator.next().finally(() => silence.cancel());
      if (next.done === true) {
        end.release();
        return broken(peer, 'its event stream ended without the answer');
      }
      const reply = takeEvents(peer, parser.feed(next.value), sending);
      if (reply === undefined) continue;
      finish(iterator, end, ports);
      return reply;
    }
  } catch (thrown) {
    end.release();
    if (sending.signal.aborted) return { fault: 'cancelled' };
    if (lateMs !== undefined) return { fault: 'upstream_timeout', server: peer.server, timeoutMs: lateMs };
    return broken(peer, thrown instanceof Error ? thrown.message : 'its event stream broke');
  } finally {
    whole?.cancel();
  }
}

function takeEvents(
  peer: Peer,
  events: ReturnType<SseParser['feed']>,
  sending: Sending,
): Reply | Fault | undefined {
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
function finish(iterator: AsyncIterator<string>, end: End, ports: LinkPorts): void {
  const timer = ports.clock.after(lingerMs, () => end.abort.abort());
  const drain = async (): Promise<void> => {
    for (;;) if ((await iterator.next()).done === true) return;
  };
  drain()
    .catch(() => undefined)
    .finally(() => {
      timer.cancel();
      end.release();
    });
}

const lingerMs = 1_000;
