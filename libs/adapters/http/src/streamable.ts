/**
 * The Upstream port over Streamable HTTP: kept-alive HTTP/1.1 connections by undici, one request on each at a
 * time.
 */

import type { Upstream, UpstreamFault, UpstreamRequest, UpstreamResponse } from '@cruvero/ports';
import { guardedConnector, refuseMetadata, type RefuseAddress } from './addresses.ts';
import { Exchange } from './exchange.ts';
import { fault } from './fault-of.ts';
import { Origin, type OriginLimits } from './origin.ts';

export interface StreamableOptions {
  /** Connections to one server for calls (CRUVERO_MCP_HTTP_MAX_CONNS). Default 100. */
  readonly connectionsMax?: number;
  /** Listening streams to one server, beside the calls. Default 1,000. */
  readonly streamsMax?: number;
  /** Calls to one server that may wait for a connection. Default 4,096. */
  readonly waitingMax?: number;
  /** Servers (origins) with connections at a time. Default 1,024; idle ones make room. */
  readonly originsMax?: number;
  /** For DNS, TCP and TLS. Default 5 s. */
  readonly connectTimeoutMs?: number;
  /** Head of an answer. Default 32 KiB. */
  readonly headBytesMax?: number;
  /** Default: link-local and metadata addresses are refused, loopback and private ones are not. */
  readonly refuseAddress?: RefuseAddress;
  /** PEM of further certificate authorities. */
  readonly ca?: string;
}

interface Target {
  readonly origin: string;
  readonly path: string;
}

export function streamableUpstream(options: StreamableOptions = {}): Upstream {
  return new StreamableUpstream(options);
}

class StreamableUpstream implements Upstream {
  readonly #limits: OriginLimits;
  readonly #originsMax: number;
  readonly #origins = new Map<string, Origin>();
  /** Parsed endpoints; bounded, and cheap to build anew. */
  readonly #targets = new Map<string, Target>();
  #disposed = false;

  constructor(options: StreamableOptions) {
    this.#originsMax = options.originsMax ?? 1_024;
    this.#limits = {
      connectionsMax: options.connectionsMax ?? 100,
      streamsMax: options.streamsMax ?? 1_000,
      waitingMax: options.waitingMax ?? 4_096,
      headBytesMax: options.headBytesMax ?? 32 * 1024,
      connector: guardedConnector({
        refuseAddress: options.refuseAddress ?? refuseMetadata,
        connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
        ...(options.ca === undefined ? {} : { ca: options.ca }),
      }),
    };
  }

  exchange(request: UpstreamRequest): Promise<UpstreamResponse | UpstreamFault> {
    if (this.#disposed) return refused('this gateway has closed its connections');
    if (request.signal.aborted) return Promise.resolve(fault('aborted', 'the caller gave up', true));
    const target = this.#targets.get(request.endpoint) ?? this.#target(request.endpoint);
    if (!target)
      return refused('the endpoint is not an http:// or https:// URL without user name and password');
    const origin = this.#origins.get(target.origin) ?? this.#open(target.origin);
    if (!origin) return refused(`this gateway has connections to ${this.#originsMax} servers already`);
    const lane = staysOpen(request) ? origin.streams : origin.calls;
    if (!lane.take()) return refused('all connections to this server are busy');
    const exchange = new Exchange(request, lane.release);
    lane.pool.dispatch(
      { path: target.path, method: request.httpMethod, headers: request.headers, body: request.body ?? null },
      exchange,
    );
    return exchange.answer;
  }

  #target(endpoint: string): Target | undefined {
    if (!URL.canParse(endpoint)) return undefined;
    const url = new URL(endpoint);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
    if (url.username !== '' || url.password !== '') return undefined;
    const target = { origin: url.origin, path: url.pathname + url.search };
    if (this.#targets.size >= 4 * this.#originsMax) this.#targets.clear();
    this.#targets.set(endpoint, target);
    return target;
  }

  #open(name: string): Origin | undefined {
    if (this.#origins.size >= this.#originsMax && !this.#makeRoom()) return undefined;
    const origin = new Origin(name, this.#limits);
    this.#origins.set(name, origin);
    return origin;
  }

  /** Lets go of the oldest origin that nobody uses. */
  #makeRoom(): boolean {
    for (const [name, origin] of this.#origins) {
      if (!origin.idle) continue;
      this.#origins.delete(name);
      void origin.destroy();
      return true;
    }
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const open = [...this.#origins.values()];
    this.#origins.clear();
    await Promise.all(open.map((origin) => origin.destroy()));
  }
}

/** Streams that wait for what a server may say hold their connection for hours (GET; `subscriptions/listen` of 2026-07-28). */
function staysOpen({ httpMethod, headers }: UpstreamRequest): boolean {
  return httpMethod === 'GET' || headers['mcp-method'] === 'subscriptions/listen';
}

const refused = (detail: string): Promise<UpstreamFault> =>
  Promise.resolve(fault('unreachable', detail, true));
