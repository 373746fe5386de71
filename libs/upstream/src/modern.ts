/** Requests to a modern server: each says everything about itself; `server/discover` and `subscriptions/listen` included. */

import {
  isFault,
  listenParams,
  metaKeys,
  modernLatest,
  modernVersions,
  paramsFrom,
  readDiscoverResult,
  requestText,
  upstreamHeaders,
  upstreamParams,
  type Fault,
  type JsonObject,
  type ListenFilter,
  type ServerFace,
  type UpstreamDialect,
} from '@cruvero/core';
import type { Ask } from './ask.ts';
import { post, type Answered } from './exchange.ts';
import { outageDetail, unavailable } from './faults.ts';
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

  /** Only a DiscoverResult makes a server modern, and an outage is no verdict. */
  async discover(): Promise<ServerFace | Fault | 'not_modern'> {
    const dialect = this.#dialect(modernLatest, {}, undefined);
    const params = upstreamParams(noParams, undefined, dialect, {});
    const answered = await post(
      this.#peer,
      {
        body: requestText(discoverIdText, 'server/discover', params),
        headers: upstreamHeaders('server/discover', params, dialect),
        idText: discoverIdText,
        signal: new AbortController().signal,
        wholeMs: this.#bounds.timeoutMs,
      },
      this.#bounds,
      this.#ports,
    );
    if (isFault(answered)) return answered.fault === 'upstream_broken' ? 'not_modern' : answered;
    if (answered.reply?.kind === 'result')
      return readDiscoverResult(answered.reply.text, modernVersions) ?? 'not_modern';
    const outage = outageDetail(answered.status);
    return outage === undefined ? 'not_modern' : unavailable(this.#peer, outage, true);
  }

  ask(ask: Ask, version: string, idText: string): Promise<Answered | Fault> {
    const dialect = this.#dialect(version, ask.capabilities, ask.clientInfo);
    const params = upstreamParams(ask.params, withLevel(ask), dialect, ask.metaChanges, ask.changes);
    return post(
      this.#peer,
      {
        body: requestText(idText, ask.method, params),
        headers: {
          ...upstreamHeaders(ask.method, params, dialect),
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
      headers: upstreamHeaders('subscriptions/listen', params, dialect),
    };
  }

  #dialect(version: string, capabilities: JsonObject, clientInfo: JsonObject | undefined): UpstreamDialect {
    return { era: 'modern', version, clientInfo: clientInfo ?? this.#ports.clientInfo, capabilities };
  }
}

/** The caller's own level goes before the one of its session. */
function withLevel({ meta, logLevel }: Ask): JsonObject | undefined {
  if (logLevel === undefined || meta?.[metaKeys.logLevel] !== undefined) return meta;
  return { ...meta, [metaKeys.logLevel]: logLevel };
}
