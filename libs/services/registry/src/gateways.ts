/** Listens to gateways: who is there, what it asks for, and what it has applied. */

import {
  configRequestSchema,
  configScopes,
  decode,
  gatewaySubjects,
  isDecodeProblem,
} from '@cruvero/contracts';
import { defaultTenant, isJsonObject, readGatewayId, readTenantId } from '@cruvero/core';
import type { GatewayId, Json, TenantId } from '@cruvero/core';
import type { Bus, BusMessage, Clock, GatewayRecord, Log, ServerStore, Subscription } from '@cruvero/ports';
import { StoreUnavailable } from '@cruvero/ports';
import type { Question } from './questions.ts';

export interface GatewayParts {
  readonly bus: Pick<Bus, 'subscribe'>;
  readonly store: Pick<ServerStore, 'gateways' | 'putGateway'>;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Log;
  readonly asked: (gatewayId: GatewayId, question: Question) => void;
}

const gatewaysMax = 1_000;
const versionKeys: ReadonlySet<string> = new Set(configScopes.map((scope) => `config.${scope}`));

/** `mcpgw.<gateway id>.…`: the subject is what a bus account can be bound to, so it counts, not the body. */
const gatewayOf = (message: BusMessage): GatewayId | undefined =>
  readGatewayId(message.subject.split('.')[1]);

/** `{scope, version}`, or `{versions: {…}}`; names with or without `config.`. */
function appliedIn(payload: Json | undefined): Readonly<Record<string, number>> {
  if (!isJsonObject(payload)) return {};
  const said = isJsonObject(payload['versions'])
    ? payload['versions']
    : { [String(payload['scope'])]: payload['version'] };
  const applied: Record<string, number> = {};
  for (const [scope, version] of Object.entries(said)) {
    const key = scope.startsWith('config.') ? scope : `config.${scope}`;
    if (versionKeys.has(key) && typeof version === 'number' && Number.isSafeInteger(version))
      applied[key] = version;
  }
  return applied;
}

export class GatewayEar {
  readonly #parts: GatewayParts;
  readonly #subscriptions: readonly Subscription[];

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#subscriptions = [
      parts.bus.subscribe(gatewaySubjects.configRequest('*'), (message) => this.#request(message)),
      parts.bus.subscribe(gatewaySubjects.events('*'), (message) => this.#event(message)),
    ];
  }

  async #request(message: BusMessage): Promise<void> {
    const gatewayId = gatewayOf(message);
    const request = decode(configRequestSchema, message.body);
    if (!gatewayId || isDecodeProblem(request) || request.gateway_id !== gatewayId) {
      const problem = isDecodeProblem(request) ? request.problem : 'gateway_id is not the one of the subject';
      this.#parts.log.warn('configuration request refused', { subject: message.subject, problem });
      return;
    }
    const tenantId = request.tenant_id === undefined ? defaultTenant : readTenantId(request.tenant_id);
    if (!tenantId) {
      this.#parts.log.warn('configuration request refused', {
        gateway: gatewayId,
        problem: 'the tenant id is not valid',
      });
      return;
    }
    const known = Object.fromEntries(
      Object.entries(request.last_known_versions).filter(([key]) => versionKeys.has(key)),
    );
    if (await this.#record(gatewayId, tenantId, known))
      this.#parts.asked(gatewayId, {
        tenantId,
        known: request.last_known_versions,
        incarnations: request.last_known_incarnations,
        requestId: request.request_id,
      });
  }

  async #event(message: BusMessage): Promise<void> {
    const gatewayId = gatewayOf(message);
    if (!gatewayId || !message.subject.endsWith('.events.config.applied') || !isJsonObject(message.body))
      return;
    await this.#record(gatewayId, undefined, appliedIn(message.body['payload']));
  }

  /** False where it is one too many. A store that is away costs the record, not the answer. */
  async #record(
    gatewayId: GatewayId,
    tenantId: TenantId | undefined,
    applied: Readonly<Record<string, number>>,
  ): Promise<boolean> {
    const { store, clock, log } = this.#parts;
    try {
      const all = await store.gateways();
      const before = all.find((each) => each.gatewayId === gatewayId);
      if (!before && tenantId === undefined) return false;
      if (!before && all.length >= gatewaysMax) {
        log.warn('gateway refused', {
          gateway: gatewayId,
          problem: `${gatewaysMax} gateways are known already`,
        });
        return false;
      }
      if (before && tenantId !== undefined && before.tenantId !== tenantId) {
        log.warn('gateway changes its tenant', { gateway: gatewayId, from: before.tenantId, to: tenantId });
      }
      const record: GatewayRecord = {
        gatewayId,
        tenantId: tenantId ?? before?.tenantId ?? defaultTenant,
        lastSeenMs: clock.nowMs(),
        appliedVersions: { ...before?.appliedVersions, ...applied },
      };
      await store.putGateway(record);
    } catch (error) {
      if (!(error instanceof StoreUnavailable))
        log.error('gateway not recorded', { gateway: gatewayId, error });
    }
    return true;
  }

  async close(): Promise<void> {
    await Promise.all(this.#subscriptions.map((each) => each.close()));
  }
}
