/** Sends one message to a peer and reads what answers it: a JSON body, or a stream of events up to the answer. */

import {
  BytesResult,
  cutResultBytes,
  isFault,
  isSseProblem,
  readUpstreamMessage,
  SseParser,
  type Fault,
  type Pieces,
  type Reply,
  type UpstreamMessage,
} from '@cruvero/core';
import { isUpstreamFault, type UpstreamResponse } from '@cruvero/ports';
import { noTransport, upstreamBroken } from './faults.ts';
import { Patience, timerMsMax } from './patience.ts';
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';
import { Resumption, type Chunks } from './resume.ts';

export type ServerRequest = Extract<UpstreamMessage, { kind: 'request' }>;
export type ServerNotification = Extract<UpstreamMessage, { kind: 'notification' }>;

export interface Sending {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Id of the request as JSON text; undefined for a notification or a response, which nothing answers. */
  readonly idText: string | undefined;
  /** Of the caller. */
  readonly signal: AbortSignal;
  /** Bound of the whole answer, however lively its stream is; absent: only silence is bounded. */
  readonly wholeMs?: number | undefined;
  /** Given where the server may ask in between: silence is then bounded by it alone, from the first byte on. */
  readonly patience?: Patience | undefined;
  /** A stream that ends before the answer may be opened again behind its last event. */
  readonly resumable?: boolean | undefined;
  /** Before the stream is opened again. */
  readonly onPolling?: (() => void) | undefined;
  readonly onNotification?: ((notification: ServerNotification) => void) | undefined;
  readonly onRequest?: ((request: ServerRequest) => void) | undefined;
}

/** `sessionId` as the server gave it in the answer. */
export interface Answered {
  readonly status: number;
  readonly sessionId: string | undefined;
  readonly reply: Reply | undefined;
}

const postHeaders = {
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
    sending.patience?.end();
    return noTransport(peer);
  }
  const { timeoutMs, answerBytesMax } = bounds;
  const patience =
    sending.patience ?? new Patience(sending.signal, ports.clock, { timeoutMs, wholeMs: sending.wholeMs });
  if (sending.patience) patience.wait();
  const response = await upstream.exchange({
    httpMethod: 'POST',
    endpoint: instance.endpoint,
    headers: { ...postHeaders, ...sending.headers },
    body: sending.body,
    signal: patience.signal,
    timeoutMs: sending.patience ? timerMsMax : timeoutMs,
    bytesMax: answerBytesMax,
  });
  patience.rest();
  if (!isUpstreamFault(response)) return readAnswer({ peer, sending, bounds, ports, patience }, response);
  patience.end();
  return patience.faultOf(response, server);
}

interface Reading {
  readonly peer: Peer;
  readonly sending: Sending;
  readonly bounds: LinkBounds;
  readonly ports: LinkPorts;
  readonly patience: Patience;
}

async function readAnswer(reading: Reading, response: UpstreamResponse): Promise<Answered | Fault> {
  const { peer, sending, patience } = reading;
  const { status } = response;
  const sessionId = response.headers['mcp-session-id'];
  const nothing = { status, sessionId, reply: undefined };
  if (response.body.kind === 'stream' && sending.idText !== undefined) {
    const reply = await readStreams(reading, response.body.chunks);
    return isFault(reply) ? reply : { status, sessionId, reply };
  }
  patience.end();
  if (response.body.kind === 'stream') {
    patience.giveUp();
    return nothing;
  }
  if (sending.idText === undefined) return nothing;
  const { pieces } = response.body;
  const cut = pieces && cutResultBytes(pieces, sending.idText);
  if (pieces && cut) return { status, sessionId, reply: new BytesResult(pieces, cut, decodeUtf8) };
  const { text } = response.body;
  const message = text === '' ? undefined : readUpstreamMessage(text, sending.idText);
  const reply = message && asReply(message, sending.idText);
  if (reply) return { status, sessionId, reply };
  if (status >= 400) return nothing;
  const detail = message === undefined ? `it answered HTTP ${status} without a body` : describe(message);
  return upstreamBroken(peer, detail);
}

function decodeUtf8(pieces: Pieces): string {
  return Buffer.concat(pieces).toString();
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

/** A stream that cannot go on, though what it was about may. */
interface Cut {
  readonly cut: string;
}

/** Reads the stream, and the ones that go on where it was cut, until the answer came. */
async function readStreams(reading: Reading, first: Chunks): Promise<Reply | Fault> {
  const { peer, sending, patience } = reading;
  const resumption = new Resumption(reading, sending.headers);
  for (let chunks = first; ;) {
    const read = await readStream(reading, resumption, chunks);
    if (!('cut' in read)) return read;
    if (sending.resumable === true && resumption.isPossible()) sending.onPolling?.();
    const next = sending.resumable === true ? await resumption.next() : undefined;
    if (next === undefined) {
      patience.end();
      return patience.why(peer.server) ?? upstreamBroken(peer, read.cut);
    }
    chunks = next;
  }
}

/** Reads events until the answer came; silence longer than the bound ends the stream. */
async function readStream(
  reading: Reading,
  resumption: Resumption,
  chunks: Chunks,
): Promise<Reply | Fault | Cut> {
  const { bounds, ports, patience } = reading;
  const parser = new SseParser(bounds.answerBytesMax);
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    for (;;) {
      patience.wait();
      const next = await iterator.next().finally(() => patience.rest());
      if (next.done === true) return { cut: 'its event stream ended without the answer' };
      const taken = takeEvents(reading, resumption, parser.feed(next.value));
      resumption.stands(parser.lastEventId);
      if (taken === undefined) continue;
      if (isFault(taken)) patience.giveUp();
      finish(iterator, patience, ports);
      return taken;
    }
  } catch (thrown) {
    return { cut: thrown instanceof Error ? thrown.message : 'its event stream broke' };
  }
}

function takeEvents(
  { peer, sending }: Reading,
  resumption: Resumption,
  events: ReturnType<SseParser['feed']>,
): Reply | Fault | undefined {
  if (isSseProblem(events)) return upstreamBroken(peer, events.problem);
  for (const event of events) {
    resumption.took(event);
    if (event.data === '') continue;
    const message = readUpstreamMessage(event.data, sending.idText ?? '');
    if (message.kind === 'notification') sending.onNotification?.(message);
    else if (message.kind === 'request') sending.onRequest?.(message);
    else if (message.kind === 'garbage') return upstreamBroken(peer, message.detail);
    else {
      const reply = asReply(message, sending.idText ?? '');
      if (reply) return reply;
    }
  }
  return undefined;
}

/** The server ends the stream behind the answer; where it does not, we do, so that the connection is free again. */
function finish(iterator: AsyncIterator<string>, patience: Patience, ports: LinkPorts): void {
  patience.settle();
  const timer = ports.clock.after(lingerMs, () => patience.giveUp());
  const drain = async (): Promise<void> => {
    for (;;) if ((await iterator.next()).done === true) return;
  };
  drain()
    .catch(() => undefined)
    .finally(() => {
      timer.cancel();
      patience.end();
    });
}

const lingerMs = 1_000;
