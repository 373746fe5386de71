/** Requests to a modern server: each says everything about itself; `server/discover` and `subscriptions/listen` included. */

import {
  isFault,
  isJsonObject,
  legacyVersions,
  listenParams,
  metaKeys,
  modernLatest,
  modernVersions,
  paramsFrom,
  parseJsonObject,
  readDiscoverResult,
  requestText,
  upstreamHeaders,
  upstreamParams,
  type Fault,
  type JsonObject,
  type ListenFilter,
  type Reply,
  type ServerFace,
  type UpstreamDialect,
} from '@cruvero/core';
import type { Ask } from './ask.ts';
import { post, type Answered } from './exchange.ts';
import { outageDetail, unavailable, upstreamBroken } from './faults.ts';
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';
import { traceHeaders } from './trace.ts';

const discoverIdText = '"discover"';
const noParams = paramsFrom('{}');

/** A message ready to be sent. */
export interface Envelope {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

export class Modern {
  readonly #peer: Peer;
  readonly #bounds: LinkBounds;
  readonly #ports: LinkPorts;

  constructor(peer: Peer, bounds: LinkBounds, ports: LinkPorts) {
    this.#peer = peer;
    this.#bounds = bounds;
    this.#ports = ports;
  }

  /**
   * Only a DiscoverResult or an error that only modern servers know makes a server modern, and an outage is no verdict. A server
   * that refuses the version is asked again with one that it names (MCP 2026-07-28, "Protocol Version Negotiation").
   */
  async discover(): Promise<ServerFace | Fault | 'not_modern'> {
    const answered = await this.#discover(modernLatest);
    if (isFault(answered) || answered.reply?.kind !== 'error') return this.#faceOf(answered);
    const supported = supportedVersions(answered.reply);
    if (supported === undefined) return this.#faceOf(answered);
    const version = modernVersions.find((known) => supported.includes(known));
    if (version !== undefined) return this.#faceOf(await this.#discover(version), true);
    if (supported.length === 0 || supported.some((named) => legacyVersions.includes(named)))
      return 'not_modern';
    const detail = `it supports none of the protocol versions that this gateway speaks, only ${supported.join(', ').slice(0, 200)}`;
    return upstreamBroken(this.#peer, detail);
  }

  #discover(version: string): Promise<Answered | Fault> {
    const dialect = this.#dialect(version, {}, undefined);
    const params = upstreamParams(noParams, undefined, dialect, {});
    return post(
      this.#peer,
      {
        body: requestText(discoverIdText, 'server/discover', params),
        headers: upstreamHeaders('server/discover', noParams, dialect),
        idText: discoverIdText,
        signal: new AbortController().signal,
        wholeMs: this.#bounds.timeoutMs,
      },
      this.#bounds,
      this.#ports,
    );
  }

  /** `isModern`: it said so by an error before. */
  #faceOf(answered: Answered | Fault, isModern = false): ServerFace | Fault | 'not_modern' {
    if (isFault(answered)) return answered.fault === 'upstream_broken' && !isModern ? 'not_modern' : answered;
    const { reply, status } = answered;
    const face = reply?.kind === 'result' ? readDiscoverResult(reply.text, modernVersions) : undefined;
    if (face) return face;
    const outage = reply?.kind === 'result' ? undefined : outageDetail(status);
    if (outage !== undefined) return unavailable(this.#peer, outage, true);
    return isModern ? upstreamBroken(this.#peer, 'it does not answer server/discover') : 'not_modern';
  }

  ask(ask: Ask, version: string, idText: string): Promise<Answered | Fault> {
    const dialect = this.#dialect(version, ask.capabilities, ask.clientInfo);
    const params = upstreamParams(ask.params, withLevel(ask), dialect, ask.metaChanges, ask.changes);
    return post(
      this.#peer,
      {
        body: requestText(idText, ask.method, params),
        headers: {
          ...upstreamHeaders(ask.method, ask.params, dialect, ask.changes),
          ...ask.paramHeaders,
          ...traceHeaders(ask),
        },
        idText,
        signal: ask.abort.signal,
        wholeMs: ask.wholeMs,
        onNotification: ask.onNotification && (({ text }) => ask.onNotification?.(text)),
      },
      ask.timeoutMs === undefined ? this.#bounds : { ...this.#bounds, timeoutMs: ask.timeoutMs },
      this.#ports,
    );
  }

  listening(
    filter: ListenFilter,
    version: string,
    idText: string,
    capabilities: JsonObject,
    clientInfo: JsonObject | undefined,
  ): Envelope {
    const dialect = this.#dialect(version, capabilities, clientInfo);
    const own = paramsFrom(`{"notifications":${listenParams(filter)}}`);
    const params = upstreamParams(own, undefined, dialect, {});
    return {
      body: requestText(idText, 'subscriptions/listen', params),
      headers: upstreamHeaders('subscriptions/listen', own, dialect),
    };
  }

  #dialect(version: string, capabilities: JsonObject, clientInfo: JsonObject | undefined): UpstreamDialect {
    return { era: 'modern', version, clientInfo: clientInfo ?? this.#ports.clientInfo, capabilities };
  }
}

/** What a server that refused the version (-32022) speaks instead; undefined for any other error. */
function supportedVersions(error: Extract<Reply, { kind: 'error' }>): readonly string[] | undefined {
  if (error.code !== -32022) return undefined;
  const data = parseJsonObject(error.text)?.['data'];
  const supported = isJsonObject(data) ? data['supported'] : undefined;
  return Array.isArray(supported) ? supported.filter((named) => typeof named === 'string') : [];
}

/** The caller's own level goes before the one of its session. */
function withLevel({ meta, logLevel }: Ask): JsonObject | undefined {
  if (logLevel === undefined || meta?.[metaKeys.logLevel] !== undefined) return meta;
  return { ...meta, [metaKeys.logLevel]: logLevel };
}
