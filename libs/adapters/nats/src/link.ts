/**
 * One connection to NATS for ever: dials again and again, with growing and jittered pauses, from the first moment on.
 * Each connection is a new session; what lives longer (subscriptions, consumers) is attached to every session anew, so
 * that there is one way to begin and none to half-resume.
 */

import type { NatsConnection } from '@nats-io/transport-node';
import { connect } from '@nats-io/transport-node';

import type { BusState, Subscription, Timer } from '@cruvero/ports';

import type { NatsAddress } from './address.ts';
import type { NatsOptions } from './options.ts';
import { addressOf, clientOptions, drainMsOf, errorWords } from './options.ts';

const firstPauseMs = 100;
const pauseMsMax = 3_000;
/** A session that lasted this long was a good one: the next dial does not have to wait long. */
const goodSessionMs = 5_000;

export class NatsLink {
  readonly #options: NatsOptions;
  readonly #address: NatsAddress;
  readonly #attach = new Set<(session: NatsConnection) => void>();
  readonly #stateListeners = new Set<(state: BusState) => void>();
  #session: NatsConnection | undefined;
  #failures = 0;
  #closed = false;
  /** Ends a pause early. */
  #wake: (() => void) | undefined;
  readonly #ended: Promise<void>;

  constructor(options: NatsOptions) {
    this.#options = options;
    this.#address = addressOf(options);
    this.#ended = this.#run();
  }

  /** Undefined while not connected. */
  get session(): NatsConnection | undefined {
    return this.#session;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get state(): BusState {
    return this.#session ? 'connected' : 'disconnected';
  }

  onState(listener: (state: BusState) => void): Subscription {
    this.#stateListeners.add(listener);
    return { close: async () => void this.#stateListeners.delete(listener) };
  }

  /** Runs `attach` for the present session and for each that follows, before `connected` is told. */
  onSession(attach: (session: NatsConnection) => void): () => void {
    this.#attach.add(attach);
    if (this.#session) attach(this.#session);
    return () => void this.#attach.delete(attach);
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const session = await this.#dial();
      if (!session) {
        await this.#pause();
        continue;
      }
      const beganMs = this.#options.clock.monotonicMs();
      await this.#serve(session);
      if (this.#options.clock.monotonicMs() - beganMs >= goodSessionMs) this.#failures = 0;
      else this.#failures += 1;
      await this.#pause();
    }
  }

  async #dial(): Promise<NatsConnection | undefined> {
    const { log } = this.#options;
    try {
      const session = await connect({ ...clientOptions(this.#options, this.#address), reconnect: false });
      if (!this.#closed) return session;
      await session.close();
    } catch (error) {
      this.#failures += 1;
      // Once is news, a hundred times a minute is noise.
      const say = this.#failures === 1 || this.#failures % 50 === 0 ? log.warn : log.debug;
      const fields = {
        nats: this.#address.shown,
        error: errorWords(error, this.#address),
        failures: this.#failures,
      };
      say.call(log, 'NATS cannot be reached, trying on', fields);
    }
    return undefined;
  }

  async #serve(session: NatsConnection): Promise<void> {
    const { log } = this.#options;
    this.#session = session;
    for (const attach of [...this.#attach]) attach(session);
    void this.#watch(session);
    log.info('connected to NATS', { nats: this.#address.shown, version: session.info?.version });
    this.#tell('connected');
    const error = await session.closed();
    this.#session = undefined;
    if (!this.#closed) {
      const why = error ? errorWords(error, this.#address) : 'connection closed';
      log.warn('lost the connection to NATS', { nats: this.#address.shown, error: why });
    }
    this.#tell('disconnected');
  }

  /** The server's complaints about what we may not do; they end no connection. */
  async #watch(session: NatsConnection): Promise<void> {
    for await (const status of session.status()) {
      if (status.type !== 'error') continue;
      this.#options.log.warn('NATS refused something', { error: errorWords(status.error, this.#address) });
    }
  }

  #tell(state: BusState): void {
    for (const listener of [...this.#stateListeners]) {
      try {
        listener(state);
      } catch (error) {
        this.#options.log.warn('a listener for bus states threw', { error: String(error) });
      }
    }
  }

  #pause(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const most = Math.min(pauseMsMax, firstPauseMs * 2 ** Math.min(10, this.#failures));
    const pauseMs = most * (0.5 + this.#options.random() / 2);
    return new Promise((resolve) => {
      const timer: Timer = this.#options.clock.after(pauseMs, () => resolve());
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** Sends what is on its way, lets what was received be read, then closes; bounded. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wake?.();
    const session = this.#session;
    if (session) {
      await bounded(
        this.#options.clock,
        drainMsOf(this.#options),
        session.drain().catch(() => undefined),
      );
      await session.close();
    }
    await bounded(this.#options.clock, drainMsOf(this.#options), this.#ended);
    this.#stateListeners.clear();
  }
}

/** Resolves with the work, or when its time is over. */
export async function bounded(
  clock: NatsOptions['clock'],
  msMax: number,
  work: Promise<unknown>,
): Promise<void> {
  let timer: Timer | undefined;
  const late = new Promise<void>((resolve) => {
    timer = clock.after(msMax, resolve);
  });
  await Promise.race([work.then(() => undefined), late]);
  timer?.cancel();
}
