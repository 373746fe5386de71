/** Opens legacy sessions: by `initialize`, or by the memory of what another replica has opened. */

import {
  faultTable,
  isFault,
  isJsonObject,
  isLegacyVersion,
  legacyLatest,
  notificationText,
  parseJsonObject,
  readInitializeResult,
  requestText,
  type Fault,
  type Reply,
} from '@cruvero/core';
import type { SessionTerms } from './ask.ts';
import { post } from './exchange.ts';
import { outageDetail, unavailable, upstreamBroken } from './faults.ts';
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';
import { sessionHeaders, type Session } from './session.ts';

export async function openSession(
  peer: Peer,
  terms: SessionTerms,
  bounds: LinkBounds,
  ports: LinkPorts,
): Promise<Session | Fault> {
  const { signal } = new AbortController();
  const params = {
    protocolVersion: legacyLatest,
    capabilities: terms.capabilities,
    clientInfo: terms.clientInfo ?? ports.clientInfo,
  };
  const initialize = {
    body: requestText('"initialize"', 'initialize', JSON.stringify(params)),
    headers: {},
    idText: '"initialize"',
    signal,
    wholeMs: bounds.timeoutMs,
  };
  const answered = await post(peer, initialize, bounds, ports);
  if (isFault(answered)) return answered;
  const face = answered.reply?.kind === 'result' ? readInitializeResult(answered.reply.text) : undefined;
  if (!face) return overloaded(peer, answered.reply) ?? refused(peer, answered.status, answered.reply?.text);
  if (!isLegacyVersion(face.version)) {
    const version = JSON.stringify(face.version);
    return upstreamBroken(peer, `it speaks protocol version ${version}, which is not known here`);
  }
  const session = { id: answered.sessionId, face };
  const initialized = {
    body: notificationText('notifications/initialized', '{}'),
    headers: sessionHeaders(session),
    idText: undefined,
    signal,
  };
  const said = await post(peer, initialized, bounds, ports);
  if (isFault(said)) return said;
  if (terms.logLevel !== undefined && face.capabilities['logging'] !== undefined) {
    // without the level the session still serves
    await post(peer, setLevel(session, terms.logLevel, bounds), bounds, ports);
  }
  return session;
}

function setLevel(session: Session, level: string, bounds: LinkBounds) {
  return {
    body: requestText('"level"', 'logging/setLevel', JSON.stringify({ level })),
    headers: sessionHeaders(session),
    idText: '"level"',
    signal: new AbortController().signal,
    wholeMs: bounds.timeoutMs,
  };
}

const noRoom = faultTable.overloaded.code;

/** A bridge of this platform that has no room for the session just now: that is no fault of the server. */
function overloaded({ server }: Peer, reply: Reply | undefined): Fault | undefined {
  if (reply?.kind !== 'error' || reply.code !== noRoom) return undefined;
  const error = parseJsonObject(reply.text);
  const data = error?.['data'];
  const retryAfterMs = isJsonObject(data) ? data['retryAfterMs'] : undefined;
  const said = String(error?.['message'] ?? '').slice(0, 300);
  return {
    fault: 'overloaded',
    detail: `Server ${JSON.stringify(server)} has no room for your session now: ${said}`,
    retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : retryAfterMsElse,
  };
}

const retryAfterMsElse = 5_000;

/** An outage behind a proxy says nothing about the server. */
function refused(peer: Peer, status: number, body: string | undefined): Fault {
  const outage = body === undefined ? outageDetail(status) : undefined;
  if (outage !== undefined) return unavailable(peer, outage, true);
  const said = body === undefined ? '' : `: ${body.slice(0, 200)}`;
  return upstreamBroken(peer, `it refused initialize with HTTP ${status}${said}`);
}

/** An id becomes a header again. */
const idPattern = /^[\x21-\x7e]{1,4096}$/;

/** Sessions that replicas share; each of them is remembered with its face. */
export class SharedSessions {
  readonly #peer: Peer;
  readonly #ports: LinkPorts;
  /** Ids that the server does not know any more; bounded, the oldest go. */
  readonly #gone = new Set<string>();

  constructor(peer: Peer, ports: LinkPorts) {
    this.#peer = peer;
    this.#ports = ports;
  }

  serves(terms: SessionTerms): boolean {
    return (
      terms.shared === true && this.#ports.memory !== undefined && this.#peer.instance.transport === 'http'
    );
  }

  async recall(key: string): Promise<Session | undefined> {
    const text = await this.#ports.memory?.recall(this.#name(key));
    const session = text === undefined ? undefined : readSession(text);
    return session?.id === undefined || this.#gone.has(session.id) ? undefined : session;
  }

  remember(key: string, { id, face }: Session): void {
    if (id !== undefined) this.#ports.memory?.remember(this.#name(key), JSON.stringify({ id, face }));
  }

  /** Never used again, though it may still stand in the memory. */
  lost({ id }: Session): void {
    if (id === undefined) return;
    this.#gone.add(id);
    for (const oldest of this.#gone) if (this.#gone.size > goneMax) this.#gone.delete(oldest);
  }

  forget(key: string): void {
    this.#ports.memory?.forget(this.#name(key));
  }

  #name(key: string): string {
    const { instanceId, endpoint } = this.#peer.instance;
    // Another address may be another server, which is to learn nothing of this one's sessions.
    return `${this.#peer.server}/${instanceId}/${endpoint}/${key}`;
  }
}

const goneMax = 1_000;

function readSession(text: string): Session | undefined {
  const read = parseJsonObject(text);
  const id = read?.['id'];
  const face = read?.['face'];
  if (typeof id !== 'string' || !idPattern.test(id) || !isJsonObject(face)) return undefined;
  const { version, capabilities, serverInfo, instructions } = face;
  if (typeof version !== 'string' || !isLegacyVersion(version)) return undefined;
  if (!isJsonObject(capabilities) || !isJsonObject(serverInfo)) return undefined;
  const said = typeof instructions === 'string' ? instructions : undefined;
  return { id, face: { era: 'legacy', version, capabilities, serverInfo, instructions: said } };
}
