/** `requestState` as this gateway hands it out: sealed, for one caller, one request and a while. */

import { createHash } from 'node:crypto';
import { callDigestText, type Fault, type Params, type Principal } from '@cruvero/core';
import type { Clock } from '@cruvero/ports';
import { doorKey, type Door } from '../door.ts';
import type { Seal } from '../seal.ts';
import { ownerKey } from '../sessions/sessions.ts';

/** What a caller brings back. */
export type OpenedState =
  /** A call that waits at a replica. */
  | { readonly at: 'parked'; readonly replica: string; readonly parkId: string }
  /** A server's own state, and the instance that made it. */
  | { readonly at: 'upstream'; readonly instanceId: string; readonly state: string };

/** A caller may think about a question for so long. */
export const stateAgeMsMax = 3_600_000;

export interface StatedRequest {
  readonly principal: Principal;
  /** Names mean something at their door only. */
  readonly door: Door;
  readonly method: string;
  readonly params: Params;
}

type Sealed = readonly [
  owner: string,
  digest: string,
  endsAtMs: number,
  at: 'p' | 'u',
  where: string,
  what: string,
];

export class RequestStates {
  readonly #seal: Seal;
  readonly #clock: Clock;

  constructor(seal: Seal, clock: Clock) {
    this.#seal = seal;
    this.#clock = clock;
  }

  parked(request: StatedRequest, replica: string, parkId: string, ageMs: number): string {
    return this.#sealed(request, ageMs, 'p', replica, parkId);
  }

  upstream(request: StatedRequest, instanceId: string, state: string): string {
    return this.#sealed(request, stateAgeMsMax, 'u', instanceId, state);
  }

  /** A fault for anything that was not made here for this caller and this very request, or is too old. */
  open(request: StatedRequest, state: string): OpenedState | Fault {
    const text = this.#seal.open('request-state', state);
    if (text === undefined) return refused('it was not made by this gateway, or was changed');
    const [owner, digest, endsAtMs, at, where, what] = JSON.parse(text) as Sealed;
    if (owner !== ownerKey(request.principal) || digest !== digestOf(request))
      return refused('it belongs to another request');
    if (endsAtMs < this.#clock.nowMs()) return refused('it is too old; make the request anew');
    return at === 'p'
      ? { at: 'parked', replica: where, parkId: what }
      : { at: 'upstream', instanceId: where, state: what };
  }

  #sealed(request: StatedRequest, ageMs: number, at: 'p' | 'u', where: string, what: string): string {
    const endsAtMs = this.#clock.nowMs() + ageMs;
    const sealed: Sealed = [ownerKey(request.principal), digestOf(request), endsAtMs, at, where, what];
    return this.#seal.seal('request-state', JSON.stringify(sealed));
  }
}

function refused(detail: string): Fault {
  return { fault: 'bad_params', detail: `params.requestState is refused: ${detail}.` };
}

/** Equal for equal requests, whatever the order of their members. */
function digestOf({ door, method, params }: StatedRequest): string {
  const hash = createHash('sha256').update(`${doorKey(door)}\n`);
  return hash.update(callDigestText(method, params)).digest('base64url');
}
