/** One HTTP exchange with an instance, as a Streamable HTTP server of the child's own era would answer it. */

import {
  classify,
  faultTable,
  isFault,
  isLegacyVersion,
  paramText,
  readMessage,
  type Fault,
  type Message,
  type NotificationMessage,
  type RequestMessage,
} from '@cruvero/core';
import type { Clock, Tracer, UpstreamFault, UpstreamRequest, UpstreamResponse } from '@cruvero/ports';
import { accepted, empty, events, refusal } from './answers.ts';
import type { BridgeBounds } from './bounds.ts';
import { EventStream } from './event-stream.ts';
import { openSession } from './initialize.ts';
import type { Instance, Live } from './instance.ts';
import type { BridgeSession } from './sessions.ts';
import { Waiting } from './waiting.ts';

export interface ExchangeParts {
  readonly clock: Clock;
  readonly tracer: Tracer;
  readonly bounds: BridgeBounds;
  count(outcome: string): void;
}

type Exchanged = UpstreamResponse | UpstreamFault;

const unreachable = (detail: string): UpstreamFault => ({ fault: 'unreachable', detail, neverLeft: true });
const retryAfterMs = 1_000;

/** Never rejects. */
export async function exchangeWith(
  instance: Instance,
  request: UpstreamRequest,
  parts: ExchangeParts,
): Promise<Exchanged> {
  const message = request.httpMethod === 'POST' ? readMessage(request.body ?? '') : undefined;
  if (isFault(message)) return refusal(message);
  if (request.signal.aborted) return { fault: 'aborted', detail: 'the caller went away', neverLeft: true };
  const waitMs = Math.min(parts.bounds.respawnWaitMs, request.timeoutMs);
  const live = await instance.live(waitMs, request.signal);
  if (request.signal.aborted) return { fault: 'aborted', detail: 'the caller went away', neverLeft: true };
  if (!live)
    return unreachable(
      `instance ${instance.id} is ${instance.state}${instance.reason ? `: ${instance.reason}` : ''}`,
    );
  const exchange = new Exchange(instance, live, request, parts);
  return live.face.era === 'modern' ? exchange.modern(message) : exchange.legacy(message);
}

class Exchange {
  readonly #instance: Instance;
  readonly #live: Live;
  readonly #request: UpstreamRequest;
  readonly #parts: ExchangeParts;

  constructor(instance: Instance, live: Live, request: UpstreamRequest, parts: ExchangeParts) {
    this.#instance = instance;
    this.#live = live;
    this.#request = request;
    this.#parts = parts;
  }

  #header(name: string): string | undefined {
    return this.#request.headers[name];
  }

  async modern(message: Message | undefined): Promise<Exchanged> {
    if (!message) return refusal({ fault: 'wrong_http_method', allow: 'POST' });
    if (message.kind === 'response') return accepted();
    const idText = message.kind === 'request' ? message.idText : 'null';
    const fault = this.#modernFault(message);
    if (fault) return refusal(fault, idText);
    if (message.kind === 'request') return this.#ask(message, undefined);
    // Cancelling is closing the exchange; an id of one caller may be another's too.
    if (message.method !== 'notifications/cancelled') this.#live.conversation.notify(message.text);
    return accepted();
  }

  #modernFault(message: RequestMessage | NotificationMessage): Fault | undefined {
    const { supported } = this.#live.face;
    if (message.method === 'initialize') {
      const asked: unknown = JSON.parse(paramText(message.params, 'protocolVersion') ?? '""');
      return { fault: 'unsupported_version', requested: typeof asked === 'string' ? asked : '', supported };
    }
    const spoken = classify(message, {
      protocolVersion: this.#header('mcp-protocol-version'),
      mcpMethod: this.#header('mcp-method'),
      mcpName: this.#header('mcp-name'),
    });
    if (isFault(spoken)) return spoken.fault === 'unsupported_version' ? { ...spoken, supported } : spoken;
    if (spoken.era === 'modern') return undefined;
    return {
      fault: 'bad_params',
      detail: 'This server needs the protocol version in params._meta of every request (2026-07-28).',
    };
  }

  async legacy(message: Message | undefined): Promise<Exchanged> {
    if (message?.kind === 'request') {
      if (message.method === 'initialize')
        return openSession(this.#instance, this.#live, message, this.#parts.clock);
      if (message.method === 'server/discover')
        return refusal({ fault: 'unknown_method', method: message.method }, message.idText);
    }
    const idText = message?.kind === 'request' ? message.idText : 'null';
    const id = this.#header('mcp-session-id');
    if (id === undefined) return refusal({ fault: 'session_required' }, idText);
    const session = this.#instance.sessions.use(id, this.#parts.clock.monotonicMs());
    if (!session) return refusal({ fault: 'unknown_session' }, idText);
    const version = this.#header('mcp-protocol-version');
    if (version !== undefined && !isLegacyVersion(version)) {
      // Not -32022: that would say that this server is modern.
      const detail = `MCP-Protocol-Version ${JSON.stringify(version.slice(0, 32))} is not served here.`;
      return refusal({ fault: 'bad_request', detail }, idText);
    }
    if (this.#request.httpMethod === 'DELETE') return this.#endSession(session);
    if (!message) return this.#listen(session);
    if (message.kind === 'request') return this.#ask(message, session);
    if (message.kind === 'notification') this.#legacyNotification(message, session);
    return accepted();
  }

  #endSession(session: BridgeSession): UpstreamResponse {
    this.#instance.sessions.end(session.id);
    return empty(204);
  }

  #listen(session: BridgeSession): UpstreamResponse {
    if (session.streams.size >= this.#parts.bounds.streamsMax) {
      const detail = `A session may have ${this.#parts.bounds.streamsMax} open streams.`;
      return refusal({ fault: 'overloaded', detail, retryAfterMs });
    }
    const stream = new EventStream(this.#parts.bounds.streamCharsMax);
    stream.keepAlive();
    session.streams.add(stream);
    const onAbort = (): void => {
      session.streams.delete(stream);
      session.usedAtMs = this.#parts.clock.monotonicMs();
      stream.finish();
    };
    this.#request.signal.addEventListener('abort', onAbort, { once: true });
    return events(stream);
  }

  #legacyNotification(message: NotificationMessage, session: BridgeSession): void {
    switch (message.method) {
      case 'notifications/cancelled': {
        const idText = paramText(message.params, 'requestId');
        if (idText !== undefined) session.calls.get(idText)?.cancel();
        return;
      }
      // The bridge is the child's client: it has initialised it, declares no roots, and has asked nothing.
      case 'notifications/initialized':
      case 'notifications/roots/list_changed':
      case 'notifications/progress':
        return;
      default:
        this.#live.conversation.notify(message.text);
    }
  }

  #ask(message: RequestMessage, session: BridgeSession | undefined): Promise<Exchanged> {
    const { conversation } = this.#live;
    const { clock, tracer, bounds } = this.#parts;
    const { signal, timeoutMs } = this.#request;
    const parent = this.#parentTrace(message);
    const span = tracer.start(`child ${message.method}`, parent, 'client');
    const waiting: Waiting = new Waiting({
      request: this.#request,
      session: session?.id,
      streamCharsMax: bounds.streamCharsMax,
      statusOf: (code) => (session === undefined ? modernStatus(code) : 200),
      onOver: (outcome) => {
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
        if (session?.calls.get(message.idText) === call) session.calls.delete(message.idText);
        if (outcome !== 'ok') span.fail(outcome);
        span.end();
        this.#parts.count(outcome);
      },
    });
    const leave = (reason: string): void => {
      if (typeof number === 'number') conversation.cancel(number, reason);
    };
    const onAbort = (): void => {
      leave('the caller went away');
      waiting.fail('aborted', 'the caller went away');
    };
    const call = {
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
    if (typeof number === 'string') return Promise.resolve(this.#refused(number, message, waiting));
    signal.addEventListener('abort', onAbort, { once: true });
    session?.calls.set(message.idText, call);
    if (session && leavesMark.has(message.method)) session.leftMark = true;
    return waiting.head;
  }

  #refused(why: 'too_many' | 'not_taken', message: RequestMessage, waiting: Waiting): UpstreamResponse {
    waiting.fail('unreachable', why);
    const detail =
      why === 'too_many'
        ? `This server has ${this.#parts.bounds.pendingMax} requests in work, the most it is given; try again.`
        : 'This server does not read its input at the moment; try again.';
    return refusal({ fault: 'overloaded', detail, retryAfterMs }, message.idText);
  }

  /** What the caller's hop says of itself: `_meta` first, the header where that is silent. */
  #parentTrace(message: RequestMessage): { readonly traceparent: string } | undefined {
    const meta: unknown = JSON.parse(paramText(message.params, '_meta') ?? 'null');
    const inMeta =
      typeof meta === 'object' && meta !== null && 'traceparent' in meta ? meta.traceparent : undefined;
    const traceparent = typeof inMeta === 'string' ? inMeta : this.#header('traceparent');
    return traceparent !== undefined && /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(traceparent)
      ? { traceparent }
      : undefined;
  }
}

/** After these the child holds something for one session. */
const leavesMark: ReadonlySet<string> = new Set(['resources/subscribe', 'logging/setLevel']);

/** Errors that Streamable HTTP shows in its status too (MCP 2026-07-28). */
function modernStatus(code: number | undefined): number {
  if (code === faultTable.unknown_method.code) return 404;
  return code === -32020 || code === -32021 || code === -32022 ? 400 : 200;
}
