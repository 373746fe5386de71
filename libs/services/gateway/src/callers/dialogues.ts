/** Calls of modern callers that wait for answers: begun in one exchange, gone on with in another, on whichever replica it arrives. */

import { randomBytes } from 'node:crypto';
import {
  inputRequiredText,
  isFault,
  type Fault,
  type GatewayId,
  type JsonObject,
  type Reply,
} from '@cruvero/core';
import type { Clock, Log, Timer } from '@cruvero/ports';
import type { Deadline } from '../deadline.ts';
import { ownerKey } from '../sessions/sessions.ts';
import { failedInside, type Caller } from './caller.ts';
import { ParkedCall, type Step } from './parked-call.ts';
import type { RequestStates, StatedRequest } from './request-states.ts';

export interface DialogueBounds {
  /** How long a caller may take to come back with answers. */
  readonly questionMs: number;
  /** Calls that wait for their callers' answers, all callers together. */
  readonly parkedMax: number;
  readonly parkedPerPrincipalMax: number;
}

/** Goes on with a call that waits at another replica. */
export interface ResumeElsewhere {
  (
    replica: string,
    resumed: Resumed,
    notify: (text: string) => void,
    signal: AbortSignal,
  ): Promise<Step | Fault>;
}

export interface Resumed {
  readonly parkId: string;
  /** Tenant and principal: checked again where the call waits. */
  readonly owner: string;
  readonly responses: ReadonlyMap<string, string>;
}

export interface DialogueParts {
  readonly clock: Clock;
  readonly gatewayId: GatewayId;
  readonly states: RequestStates;
  readonly elsewhere: ResumeElsewhere;
  readonly log: Pick<Log, 'error'>;
}

/** A call as its first exchange began it. */
export interface Begun {
  readonly request: StatedRequest;
  readonly capabilities: JsonObject;
  readonly abort: AbortController;
  readonly deadline: Deadline;
  readonly run: (caller: Caller) => Promise<Reply | Fault>;
}

interface Held {
  readonly call: ParkedCall;
  readonly owner: string;
  readonly abort: AbortController;
  expiry: Timer | undefined;
}

const gone: Fault = {
  fault: 'bad_params',
  detail:
    'params.requestState is refused: the call that it belongs to is not waiting any more (it took too long, or its gateway was restarted). Make the request anew.',
};

export class Dialogues {
  readonly #held = new Map<string, Held>();
  readonly #bounds: DialogueBounds;
  readonly #parts: DialogueParts;

  constructor(bounds: DialogueBounds, parts: DialogueParts) {
    this.#bounds = bounds;
    this.#parts = parts;
  }

  /** Calls that wait for their callers. */
  get size(): number {
    return this.#held.size;
  }

  /** Runs the call up to its outcome, or up to what its server asks. */
  async begin(begun: Begun, notify: (text: string) => void): Promise<Reply | Fault> {
    const call = new ParkedCall(begun.capabilities, begun.deadline, this.#parts.clock);
    // Nobody else waits for the run: what it throws would end the whole process.
    void begun.run(call).then(
      (outcome) => call.settle(outcome),
      (thrown: unknown) => call.settle(this.#broken(thrown)),
    );
    const step = await call.step(notify);
    if (step.at === 'done') return step.outcome;
    const parkId = randomBytes(12).toString('base64url');
    const held: Held = {
      call,
      owner: ownerKey(begun.request.principal),
      abort: begun.abort,
      expiry: undefined,
    };
    const refused = this.#park(parkId, held);
    if (refused) return this.#giveUp(held, refused);
    return this.#asked(begun.request, this.#parts.gatewayId, parkId, step);
  }

  /** Goes on with a call that waits here or at another replica. */
  async resume(
    request: StatedRequest,
    at: { readonly replica: string; readonly parkId: string },
    responses: ReadonlyMap<string, string>,
    notify: (text: string) => void,
    signal: AbortSignal,
  ): Promise<Reply | Fault> {
    const resumed = { parkId: at.parkId, owner: ownerKey(request.principal), responses };
    const step =
      at.replica === this.#parts.gatewayId
        ? await this.resumeHere(resumed, notify, signal)
        : await this.#parts.elsewhere(at.replica, resumed, notify, signal);
    if (isFault(step)) return step;
    return step.at === 'done' ? step.outcome : this.#asked(request, at.replica, at.parkId, step);
  }

  /** A caller that goes away while its call runs again cancels it. One that is being resumed is held no more. */
  async resumeHere(
    resumed: Resumed,
    notify: (text: string) => void,
    signal: AbortSignal,
  ): Promise<Step | Fault> {
    const held = this.#held.get(resumed.parkId);
    // It may have ended by itself meanwhile: the first step is then its outcome, kept for its caller.
    if (!held || held.owner !== resumed.owner) return gone;
    this.#held.delete(resumed.parkId);
    held.expiry?.cancel();
    const onAbort = (): void => held.abort.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    held.call.answer(resumed.responses);
    const step = await held.call.step(notify);
    signal.removeEventListener('abort', onAbort);
    if (step.at === 'done') return step;
    const refused = this.#park(resumed.parkId, held);
    return refused ? this.#giveUp(held, refused) : step;
  }

  /** Ends every call that waits. */
  close(): void {
    for (const held of this.#held.values()) this.#giveUp(held, gone);
    this.#held.clear();
  }

  #broken(error: unknown): Fault {
    this.#parts.log.error('a call that may be parked failed inside', { error });
    return failedInside;
  }

  #asked(
    request: StatedRequest,
    replica: string,
    parkId: string,
    step: Extract<Step, { at: 'asking' }>,
  ): Reply {
    const state = this.#parts.states.parked(request, replica, parkId, this.#bounds.questionMs);
    return { kind: 'result', text: inputRequiredText(step.questions, state) };
  }

  #park(parkId: string, held: Held): Fault | undefined {
    let own = 0;
    for (const other of this.#held.values()) if (other.owner === held.owner) own += 1;
    if (this.#held.size >= this.#bounds.parkedMax || own >= this.#bounds.parkedPerPrincipalMax) {
      const detail = 'Too many calls wait for answers of their callers; answer or let go of some first.';
      return { fault: 'overloaded', detail, retryAfterMs: 5_000 };
    }
    held.expiry = this.#parts.clock.after(this.#bounds.questionMs, () => {
      this.#held.delete(parkId);
      this.#giveUp(held, gone);
    });
    this.#held.set(parkId, held);
    return undefined;
  }

  #giveUp(held: Held, fault: Fault): Fault {
    held.expiry?.cancel();
    held.abort.abort();
    held.call.abandon();
    return fault;
  }
}
