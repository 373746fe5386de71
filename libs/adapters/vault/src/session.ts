/** The broker's own standing with Vault: it logs in, renews its token ahead, and logs in again where the token is gone. */

import { SecretText } from '@cruvero/core';
import {
  isCredentialFault,
  type Clock,
  type CredentialFault,
  type Log,
  type Random,
  type Timer,
} from '@cruvero/ports';
import { asObject, firstError, type VaultClient, type VaultReply } from './client.ts';

export type VaultAuth =
  | { readonly kind: 'token'; readonly token: SecretText }
  | {
      readonly kind: 'approle';
      readonly mount: string;
      readonly roleId: string;
      readonly secretId: SecretText;
    }
  | {
      readonly kind: 'kubernetes';
      readonly mount: string;
      readonly role: string;
      /** The service account's token, read anew each time: the cluster rotates it. Rejects where it cannot be read. */
      readonly readJwt: () => Promise<string>;
    };

export interface SessionParts {
  readonly client: VaultClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Where the broker itself lives; empty: the root. */
  readonly namespace: string;
}

interface Standing {
  readonly token: SecretText;
  /** Monotonic; undefined: it has no end. */
  readonly endMs: number | undefined;
  readonly renewable: boolean;
  readonly fromMs: number;
}

/** A token that was refused so soon after it was made is not the reason for the refusal. */
const youngMs = 5_000;
/** One that Vault still knows may lack a policy that its successor has; but every login leaves a token behind in Vault. */
const agedMs = 300_000;
const renewMsMin = 1_000;

export class VaultSession {
  readonly #auth: VaultAuth;
  readonly #parts: SessionParts;
  #standing: Standing | undefined;
  #entering: Promise<Standing | CredentialFault> | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(auth: VaultAuth, parts: SessionParts) {
    this.#auth = auth;
    this.#parts = parts;
  }

  /** The token of now; those who ask at the same time share one login. */
  async token(): Promise<SecretText | CredentialFault> {
    const { clock } = this.#parts;
    const standing = this.#standing;
    if (standing && (standing.endMs === undefined || standing.endMs > clock.monotonicMs()))
      return standing.token;
    this.#entering ??= this.#enter().finally(() => (this.#entering = undefined));
    const entered = await this.#entering;
    return isCredentialFault(entered) ? entered : entered.token;
  }

  /** What is made now is Vault's child of this token, and ends with it. */
  now(): { readonly token: SecretText | undefined; readonly leftMs: number } {
    const { token, endMs = Infinity } = this.#standing ?? {};
    return { token, leftMs: Math.max(1, endMs - this.#parts.clock.monotonicMs()) };
  }

  /** Vault refused a request made with this token. True where it makes sense to try once more with the next one. */
  async refused(token: SecretText): Promise<boolean> {
    const standing = this.#standing;
    if (!standing || standing.token !== token) return true;
    const ageMs = this.#parts.clock.monotonicMs() - standing.fromMs;
    if (ageMs < youngMs || (ageMs < agedMs && (await this.#isKnown(token)))) return false;
    if (this.#standing === standing) this.#forget();
    return true;
  }

  /** Where nobody can say, it is not given up. */
  async #isKnown(token: SecretText): Promise<boolean> {
    const reply = await this.#ask('GET', 'auth/token/lookup-self', token.reveal());
    return isCredentialFault(reply) || reply.status === 200;
  }

  /** Gives a token back that was made for this session. */
  async close(): Promise<void> {
    this.#closed = true;
    const standing = this.#standing;
    this.#forget();
    if (!standing || this.#auth.kind === 'token') return;
    const token = standing.token.reveal();
    await this.#ask('POST', 'auth/token/revoke-self', token, {});
  }

  #forget(): void {
    this.#timer?.cancel();
    this.#standing = undefined;
  }

  async #enter(): Promise<Standing | CredentialFault> {
    const entered =
      this.#auth.kind === 'token' ? await this.#lookUp(this.#auth.token) : await this.#logIn(this.#auth);
    if (isCredentialFault(entered)) {
      this.#parts.log.warn('Vault does not let the broker in', { reason: entered.detail });
      return entered;
    }
    this.#stand(entered);
    return entered;
  }

  #stand(standing: Standing): void {
    this.#standing = standing;
    this.#timer?.cancel();
    if (standing.endMs === undefined || this.#closed) return;
    const { clock, random } = this.#parts;
    const lifeMs = standing.endMs - clock.monotonicMs();
    const inMs = Math.max(renewMsMin, lifeMs * (0.5 + 0.2 * random()));
    this.#timer = clock.after(inMs, () => void this.#renew(standing));
  }

  /** A token that cannot be renewed is followed by a new login; one that was given has no successor. */
  async #renew(standing: Standing): Promise<void> {
    const token = standing.token.reveal();
    if (standing.renewable) {
      const reply = await this.#ask('POST', 'auth/token/renew-self', token, {});
      const renewed = isCredentialFault(reply) || reply.status !== 200 ? undefined : this.#standingOf(reply);
      if (this.#standing !== standing) return;
      // At its longest life a renewal gives less and less: then a new login is better.
      if (renewed && this.#isLonger(renewed, standing))
        return this.#stand({ ...renewed, token: standing.token, fromMs: standing.fromMs });
    }
    if (this.#auth.kind === 'token') {
      this.#parts.log.warn('the token for Vault cannot be renewed any further');
      return;
    }
    const entered = await this.#logIn(this.#auth);
    if (!isCredentialFault(entered)) this.#stand(entered);
    else if (this.#standing === standing) this.#stand(standing);
  }

  #isLonger({ endMs = Infinity }: Standing, { endMs: before = Infinity }: Standing): boolean {
    return endMs - before > renewMsMin;
  }

  async #lookUp(token: SecretText): Promise<Standing | CredentialFault> {
    const fromMs = this.#parts.clock.monotonicMs();
    const reply = await this.#ask('GET', 'auth/token/lookup-self', token.reveal());
    if (isCredentialFault(reply)) return reply;
    if (reply.status !== 200) return notLetIn(reply, 'its token is not valid (any more)');
    const { ttl, renewable } = asObject(reply.body['data']);
    const ttlMs = Number(ttl) * 1_000;
    return { token, fromMs, renewable: renewable === true, endMs: ttlMs > 0 ? fromMs + ttlMs : undefined };
  }

  async #logIn(auth: Exclude<VaultAuth, { kind: 'token' }>): Promise<Standing | CredentialFault> {
    const body = await bodyOf(auth);
    if (isCredentialFault(body)) return body;
    const reply = await this.#ask('POST', `auth/${auth.mount}/login`, undefined, body);
    if (isCredentialFault(reply)) return reply;
    const standing = reply.status === 200 ? this.#standingOf(reply) : undefined;
    return standing ?? notLetIn(reply, `its ${auth.kind} login is refused`);
  }

  #standingOf({ body }: VaultReply): Standing | undefined {
    const fromMs = this.#parts.clock.monotonicMs();
    const { client_token: token, lease_duration: seconds, renewable } = asObject(body['auth']);
    if (typeof token !== 'string' || token === '') return undefined;
    const ttlMs = Number(seconds) * 1_000;
    return {
      token: new SecretText(token),
      fromMs,
      renewable: renewable === true,
      endMs: ttlMs > 0 ? fromMs + ttlMs : undefined,
    };
  }

  #ask(
    method: 'GET' | 'POST',
    path: string,
    token: string | undefined,
    body?: object,
  ): Promise<VaultReply | CredentialFault> {
    const { client, namespace } = this.#parts;
    return client.ask({
      method,
      path,
      namespace,
      ...(token === undefined ? {} : { token }),
      ...(body === undefined ? {} : { body }),
    });
  }
}

async function bodyOf(auth: Exclude<VaultAuth, { kind: 'token' }>): Promise<object | CredentialFault> {
  if (auth.kind === 'approle') return { role_id: auth.roleId, secret_id: auth.secretId.reveal() };
  try {
    return { role: auth.role, jwt: (await auth.readJwt()).trim() };
  } catch {
    return {
      fault: 'away',
      detail: "Vault: the service account's token cannot be read",
      retryAfterMs: 1_000,
    };
  }
}

function notLetIn({ status, body }: VaultReply, why: string): CredentialFault {
  const said = firstError(body) ?? `HTTP ${status}`;
  return { fault: 'away', detail: `Vault does not let the broker in: ${why} (${said})`, retryAfterMs: 5_000 };
}
