/** A request to a Vault and what it answers, in the shapes of its HTTP API. */

import { randomUUID } from 'node:crypto';
import type { Namespace, Token, VaultState } from './state.ts';

export interface VaultRequest {
  readonly method: string;
  /** Behind `/v1/`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly namespace: Namespace;
  readonly token: Token | undefined;
  readonly body: Readonly<Record<string, unknown>>;
  readonly state: VaultState;
}

export interface VaultReply {
  readonly status: number;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

export const done: VaultReply = { status: 204 };
export const errors = (status: number, ...messages: readonly string[]): VaultReply => ({
  status,
  body: { errors: messages },
});
export const notThere = errors(404);
export const refused = errors(403, 'permission denied');
export const noRoute = (path: string): VaultReply =>
  errors(404, `no handler for route "${path}". route entry not found.`);

/** What every answer with something in it looks like. */
export const secret = (more: object): VaultReply => ({
  status: 200,
  body: {
    request_id: randomUUID(),
    lease_id: '',
    renewable: false,
    lease_duration: 0,
    data: null,
    wrap_info: null,
    warnings: null,
    auth: null,
    ...more,
  },
});

export const authReply = (token: Token, nowMs: number): VaultReply =>
  secret({
    auth: {
      client_token: token.id,
      accessor: token.accessor,
      policies: token.policies,
      token_policies: token.policies,
      metadata: null,
      lease_duration: Math.max(0, Math.round((token.endMs - nowMs) / 1_000)),
      renewable: token.renewable,
      entity_id: '',
      token_type: 'service',
      orphan: true,
    },
  });

export const text = (value: unknown): string => (typeof value === 'string' ? value : '');
