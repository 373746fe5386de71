/** Whether a service may be given work: named checks, and the word that it is about to leave. */

import type { Clock } from '@cruvero/ports';

import { errorSentence } from './error-sentence.ts';

export interface CheckResult {
  readonly name: string;
  readonly ready: boolean;
  /** Why not; absent where ready. */
  readonly reason?: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly CheckResult[];
}

/** Undefined where all is well, otherwise why not. A throw counts as its message. */
export type Check = () => string | undefined | Promise<string | undefined>;

const checksMax = 64;
const reasonCharsMax = 300;

/** Checks run side by side, each for at most `timeoutMs`. */
export class Health {
  readonly #clock: Pick<Clock, 'after'>;
  readonly #timeoutMs: number;
  readonly #checks = new Map<string, Check>();
  #draining = false;

  constructor(clock: Pick<Clock, 'after'>, timeoutMs = 2_000) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Adds a check under a name that is not taken; disposing of what is returned takes it away. */
  add(name: string, check: Check): Disposable {
    if (this.#checks.has(name)) throw new Error(`There is a readiness check ${name} already`);
    if (this.#checks.size >= checksMax) throw new Error(`There are ${checksMax} readiness checks already`);
    this.#checks.set(name, check);
    return {
      [Symbol.dispose]: () => {
        if (this.#checks.get(name) === check) this.#checks.delete(name);
      },
    };
  }

  /** From now on never ready, so that balancers look elsewhere before the listener closes. */
  drain(): void {
    this.#draining = true;
  }

  /** Never rejects. */
  async read(): Promise<Readiness> {
    const checks = await Promise.all([...this.#checks].map(([name, check]) => this.#run(name, check)));
    if (this.#draining) checks.push({ name: 'shutdown', ready: false, reason: 'shutting down' });
    return { ready: checks.every((one) => one.ready), checks };
  }

  async #run(name: string, check: Check): Promise<CheckResult> {
    const { promise: late, resolve } = Promise.withResolvers<string>();
    const timer = this.#clock.after(this.#timeoutMs, () => resolve(`no answer within ${this.#timeoutMs} ms`));
    const reason = await Promise.race([outcome(check), late]);
    timer.cancel();
    return reason === undefined
      ? { name, ready: true }
      : { name, ready: false, reason: reason.slice(0, reasonCharsMax) };
  }
}

async function outcome(check: Check): Promise<string | undefined> {
  try {
    return await check();
  } catch (error) {
    return errorSentence(error);
  }
}
