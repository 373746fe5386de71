/** What a gateway asks, and what of the configuration it is missing. */

import { configScopes } from '@cruvero/contracts';
import type { ConfigScope } from '@cruvero/contracts';
import type { TenantId } from '@cruvero/core';

/** A state of the store that gateways can be told apart by. */
export interface Standing {
  readonly revision: number;
  readonly incarnation: string;
}

export interface Question {
  readonly tenantId: TenantId;
  /** Version of each scope that the gateway has. */
  readonly known: Readonly<Record<string, number>>;
  /** Which life of the store each version is of; undefined from a gateway that does not tell. */
  readonly incarnations: Readonly<Record<string, string>> | undefined;
  /** Repeated in the answer. */
  readonly requestId: string | undefined;
}

/** Gateways write `config.servers`; the bare scope is taken too. */
const said = <Value>(
  by: Readonly<Record<string, Value>> | undefined,
  scope: ConfigScope,
): Value | undefined => by?.[`config.${scope}`] ?? by?.[scope];

/** The same version of another life is another configuration. */
export function missingScopes(
  question: Question,
  { revision, incarnation }: Standing,
): readonly ConfigScope[] {
  const { known, incarnations } = question;
  return configScopes.filter(
    (scope) =>
      said(known, scope) !== revision ||
      (incarnations !== undefined && said(incarnations, scope) !== incarnation),
  );
}

/** True where the gateway has seen more of this very life than the store remembers: it was set back to a backup. */
export function knowsMore(question: Question, { revision, incarnation }: Standing): boolean {
  return configScopes.some(
    (scope) =>
      said(question.incarnations, scope) === incarnation && (said(question.known, scope) ?? 0) > revision,
  );
}

/** Equal where nothing is left to tell. */
export const markOf = ({ incarnation, revision }: Standing): string => `${incarnation}/${revision}`;
