/**
 * The connections to one origin: calls and long streams apart, so that streams cannot use up what calls need.
 */

import { Pool, type buildConnector } from 'undici';

export interface OriginLimits {
  /** Connections for POST and DELETE. */
  readonly connectionsMax: number;
  /** Connections for GET, each of which is one long stream. */
  readonly streamsMax: number;
  /** Calls that may wait for a connection. */
  readonly waitingMax: number;
  readonly headBytesMax: number;
  readonly connector: buildConnector.connector;
}

/** A pool that says when it is full. */
export class Lane {
  readonly pool: Pool;
  /** Given back by every exchange when the transport has let go of it. */
  readonly release = (): void => void (this.#taken -= 1);
  #taken = 0;
  readonly #takenMax: number;

  constructor(origin: string, connections: number, waitingMax: number, limits: OriginLimits) {
    this.#takenMax = connections + waitingMax;
    this.pool = new Pool(origin, {
      connections,
      pipelining: 1,
      connect: limits.connector,
      allowH2: false,
      maxHeaderSize: limits.headBytesMax,
      // Each exchange has its own deadline and abort signal.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** False: everything is taken and too many wait already. */
  take(): boolean {
    if (this.#taken >= this.#takenMax) return false;
    this.#taken += 1;
    return true;
  }

  get idle(): boolean {
    return this.#taken === 0;
  }
}

export class Origin {
  readonly calls: Lane;
  readonly streams: Lane;

  constructor(origin: string, limits: OriginLimits) {
    this.calls = new Lane(origin, limits.connectionsMax, limits.waitingMax, limits);
    this.streams = new Lane(origin, limits.streamsMax, 0, limits);
  }

  get idle(): boolean {
    return this.calls.idle && this.streams.idle;
  }

  async destroy(): Promise<void> {
    await Promise.all([this.calls.pool.destroy(), this.streams.pool.destroy()]);
  }
}
