/** Which life of the registry's store the gateway listens to: after a wipe or a restore, versions start anew. */

import type { Payloads } from './snapshot-state.ts';

export interface SpokenBy {
  /** Absent: a registry that does not tell its lives apart; versions alone count. */
  readonly incarnation?: string | undefined;
  readonly in_answer_to?: string | undefined;
}

/**
 * Messages of another life may be late ones of a former registry, or the first ones of a new one; their order says nothing.
 * So another life is taken in the answer to the open question only, and each question lets in one other life at most.
 */
export class IncarnationGate {
  #current: string | undefined;
  #openQuestion: string | undefined;

  constructor(payloads: Payloads) {
    const known = new Set(Object.values(incarnationsOf(payloads)));
    // Parts of two lives: the gateway ended in the middle of a change, so whoever speaks first is right.
    this.#current = known.size === 1 ? [...known][0] : undefined;
  }

  asked(requestId: string): void {
    this.#openQuestion = requestId;
  }

  /** False for a message that must not be taken; if it is not a late one, the answer to a new question will say the same. */
  admits(spoken: SpokenBy): boolean {
    const { incarnation, in_answer_to: question } = spoken;
    if (incarnation === undefined || incarnation === this.#current) return true;
    if (this.#current !== undefined) {
      if (question === undefined || question !== this.#openQuestion) return false;
      this.#openQuestion = undefined;
    }
    this.#current = incarnation;
    return true;
  }
}

/** `config.<scope>` to the life that its payload is of. */
export function incarnationsOf(payloads: Payloads): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [scope, payload] of Object.entries(payloads)) {
    const incarnation = (payload as SpokenBy | undefined)?.incarnation;
    if (incarnation !== undefined) found[`config.${scope}`] = incarnation;
  }
  return found;
}
