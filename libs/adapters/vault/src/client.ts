/** node-vault behind a breaker: every request with its own token and namespace, every failure as a value. */

import nodeVault from 'node-vault';
import type { CredentialFault } from '@cruvero/ports';
import { CircuitBreaker } from './breaker.mjs';
import { transport, VaultUnreachable, type TransportOptions } from './transport.ts';

export interface VaultAsk {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Without `/v1/`; made of checked segments. */
  readonly path: string;
  readonly namespace: string;
  /** Absent for what needs none: logging in, health. */
  readonly token?: string;
  readonly body?: object;
}

export interface VaultReply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface VaultClientOptions extends TransportOptions {
  readonly address: string;
}

/** Open after half of at least five calls within ten seconds failed; one call tries again after this. */
const breakerRestMs = 2_000;
const quietMsMax = 60_000;
const quietMax = 10_000;

export class VaultClient {
  readonly #client: ReturnType<typeof nodeVault>;
  readonly #breaker: CircuitBreaker<[VaultAsk], VaultReply>;
  readonly #nowMs: () => number;
  /** Until when it asks to be left alone there: quotas are of a namespace or of a path, so others are asked for meanwhile. */
  readonly #quiet = new Map<string, number>();
  #trouble: string | undefined;

  constructor(options: VaultClientOptions, nowMs: () => number) {
    this.#nowMs = nowMs;
    const send = transport(options);
    this.#client = nodeVault({
      endpoint: options.address,
      apiVersion: 'v1',
      // It would write secrets into the debug log.
      debug: () => undefined,
      'request-promise': { defaults: () => send },
    });
    // What the library takes from the environment is not meant for this connection.
    Object.assign(this.#client, { token: '', namespace: '', pathPrefix: '' });
    this.#breaker = new CircuitBreaker((ask: VaultAsk) => this.#send(ask), {
      timeout: false,
      errorThresholdPercentage: 50,
      volumeThreshold: 5,
      resetTimeout: breakerRestMs,
      rollingCountTimeout: 10_000,
      rollingCountBuckets: 10,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      errorFilter: (error) => error instanceof VaultUnreachable && !error.isWhole,
      name: 'vault',
    });
  }

  /** Why the last call had no answer; undefined where it had one. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** The answer, also where it is a refusal; a fault where Vault cannot do its work now. */
  async ask(ask: VaultAsk): Promise<VaultReply | CredentialFault> {
    const quietMs = (this.#quiet.get(placeOf(ask)) ?? 0) - this.#nowMs();
    if (quietMs > 0) return { fault: 'busy', detail: 'Vault asks for a pause', retryAfterMs: quietMs };
    try {
      const reply = await this.#breaker.fire(ask);
      this.#trouble = undefined;
      return reply.status === 429 ? this.#pause(ask, reply) : reply;
    } catch (error) {
      const detail =
        error instanceof VaultUnreachable ? error.message : 'it failed several times and is given a pause';
      this.#trouble = detail;
      return { fault: 'away', detail: `Vault: ${detail}`, retryAfterMs: breakerRestMs };
    }
  }

  close(): void {
    this.#breaker.shutdown();
  }

  #pause(ask: VaultAsk, { body }: VaultReply): CredentialFault {
    const retryAfterMs = Math.min(quietMsMax, Math.max(1, Number(body['retryAfterS'] ?? 1)) * 1_000);
    const nowMs = this.#nowMs();
    for (const [place, untilMs] of this.#quiet)
      if (untilMs <= nowMs || this.#quiet.size >= quietMax) this.#quiet.delete(place);
    this.#quiet.set(placeOf(ask), nowMs + retryAfterMs);
    return { fault: 'busy', detail: 'Vault has no room for more requests now', retryAfterMs };
  }

  /** Throws where Vault as a whole is not well, so that the breaker counts it. */
  async #send({ method, path, namespace, token, body }: VaultAsk): Promise<VaultReply> {
    const headers = {
      ...(token === undefined ? {} : { 'X-Vault-Token': token }),
      ...(namespace === '' ? {} : { 'X-Vault-Namespace': namespace }),
    };
    const options = { path: `/${path}`, method, headers, ...(body === undefined ? {} : { json: body }) };
    const answer = await this.#client.request(options).then(
      (answered: unknown): VaultReply => ({ status: 200, body: asObject(answered) }),
      (error: unknown): VaultReply => replyOf(error),
    );
    const outage = outageOf(answer);
    // So Vault answers, too, where the database behind one tenant's engine is away.
    if (outage !== undefined) throw new VaultUnreachable(outage, answer.status !== 500);
    return answer;
  }
}

/** All but the last segment: one tenant's engine. */
const placeOf = ({ namespace, path }: VaultAsk): string => `${namespace} ${path.replace(/\/[^/]*$/, '')}`;

/** A refusal comes as an error with its status; everything else is the transport's word, or a bug. */
function replyOf(error: unknown): VaultReply {
  const { response } = error as {
    readonly response?: { readonly statusCode: number; readonly body: unknown };
  };
  if (response === undefined) throw error;
  return { status: response.statusCode, body: asObject(response.body) };
}

function outageOf({ status, body }: VaultReply): string | undefined {
  if (status >= 300 && status < 400)
    return 'it is on standby and sends to another node; give the address of the active one';
  if (status === 472 || status === 473) return 'it is on standby';
  if (status < 500) return undefined;
  return firstError(body) === 'Vault is sealed' ? 'it is sealed' : `it answers HTTP ${status}`;
}

/** Vault's own words, which may hold paths, but no secret. */
export function firstError(body: Readonly<Record<string, unknown>>): string | undefined {
  const { errors } = body;
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  return typeof first === 'string' ? first.slice(0, 200) : undefined;
}

export function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
