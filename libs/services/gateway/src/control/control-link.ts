/** The gateway's ear to the control plane: takes configuration and verdicts, asks again after every silence. */

import {
  authSchema,
  configBucket,
  configRequestSchema,
  decode,
  gatewaySubjects,
  isDecodeProblem,
  lifecycleSubjects,
  policySchema,
  readConfigBody,
  serverSettingsSchema,
  serversSchema,
  verdictSchema,
  type ConfigScope,
  type GatewayEventType,
  type ReadPart,
} from '@cruvero/contracts';
import type { HealthStatus, Json } from '@cruvero/core';
import {
  isBusFault,
  type Bus,
  type BusMessage,
  type Clock,
  type Random,
  type Subscription,
  type Telemetry,
} from '@cruvero/ports';
import type { GatewayConfig } from '../config.ts';
import { IncarnationGate, incarnationsOf } from './incarnation.ts';
import { verdictKey, versionsOf, type Payloads } from './snapshot-state.ts';

/** A message of another incarnation makes the gateway ask, but not more often than this. */
const askAgainMs = 1_000;
/** Configuration is asked for this often, so that a lost message is mended without anybody's help. */
const askEveryMs = 15_000;

export interface ControlParts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** The payloads that are applied now. */
  readonly current: () => Payloads;
  readonly onPayload: (scope: ConfigScope, payload: Payloads[ConfigScope]) => void;
  readonly onVerdict: (key: string, health: HealthStatus) => void;
}

export interface ControlLink {
  /** Says something on `mcpgw.<id>.events.<type>`; lost while the bus is away. */
  report(type: GatewayEventType, payload: Json): void;
  close(): Promise<void>;
}

const schemas = {
  servers: serversSchema,
  server_settings: serverSettingsSchema,
  policy: policySchema,
  auth: authSchema,
} as const;

export function startControlLink(config: GatewayConfig, parts: ControlParts): ControlLink {
  const { bus, clock, random, telemetry } = parts;
  const log = telemetry.log.with({ part: 'control' });
  const { gatewayId } = config;

  const gate = new IncarnationGate(parts.current());
  const { ask, askSoon } = asker(config, parts, gate);

  const report = (type: GatewayEventType, payload: Json): void => {
    const timestamp = new Date(clock.nowMs()).toISOString();
    const event = { event_type: type, timestamp, gateway_id: gatewayId, payload };
    void bus.publish(gatewaySubjects.event(gatewayId, type), event);
  };

  const take = async (message: BusMessage): Promise<void> => {
    const scope = message.subject.slice(message.subject.lastIndexOf('.') + 1);
    if (!isScope(scope)) return;
    const body = await readConfigBody(message.body, partReader(bus));
    const payload = isDecodeProblem(body) ? body : decode(schemas[scope], body);
    if (isDecodeProblem(payload)) {
      log.warn('configuration refused; the last good one stays', { scope, problem: payload.problem });
      report('config.rejected', { scope, problem: payload.problem });
      return;
    }
    if (gate.admits(payload)) return parts.onPayload(scope, payload);
    log.warn('configuration of another incarnation of the registry put off', { scope });
    askSoon();
  };

  const judge = (message: BusMessage): void => {
    const verdict = decode(verdictSchema, message.body);
    if (isDecodeProblem(verdict)) return log.warn('verdict refused', { problem: verdict.problem });
    const { server, instance_id, health } = verdict.payload;
    parts.onVerdict(verdictKey(verdict.tenant_id ?? config.tenantId, server, instance_id), health);
  };

  const subscriptions: readonly Subscription[] = [
    bus.subscribe(gatewaySubjects.configs(gatewayId), take),
    bus.subscribe(lifecycleSubjects(config.subjectPrefix).verdict, judge),
    bus.onState((state) => state === 'connected' && ask()),
  ];
  ask();
  let timer = clock.after(askEveryMs * (0.75 + random() / 2), function again() {
    ask();
    timer = clock.after(askEveryMs * (0.75 + random() / 2), again);
  });
  telemetry.metrics.gauge('mcpgw_nats_connected', '1 while the bus answers', () => [
    { value: bus.state() === 'connected' ? 1 : 0 },
  ]);

  return {
    report,
    close: async () => {
      timer.cancel();
      await Promise.all(subscriptions.map((s) => s.close()));
    },
  };
}

/** `askSoon` asks now unless that was done a moment ago; then the next regular question will do. */
function asker(
  { gatewayId, tenantId }: GatewayConfig,
  { bus, clock, random, current }: ControlParts,
  gate: IncarnationGate,
): { ask(): void; askSoon(): void } {
  let askedMs = 0;
  let asks = 0;
  const ask = (): void => {
    askedMs = clock.monotonicMs();
    asks += 1;
    const requestId = `${Math.floor(random() * 2 ** 48).toString(16)}-${asks}`;
    gate.asked(requestId);
    const request = configRequestSchema.parse({
      gateway_id: gatewayId,
      tenant_id: tenantId,
      last_known_versions: versionsOf(current()),
      last_known_incarnations: incarnationsOf(current()),
      request_id: requestId,
    });
    void bus.publish(gatewaySubjects.configRequest(gatewayId), request as Json);
  };
  return { ask, askSoon: () => void (clock.monotonicMs() - askedMs >= askAgainMs && ask()) };
}

/** Reads one part of a configuration that did not fit in a message. */
function partReader(bus: Bus): ReadPart {
  return async (key) => {
    const read = await bus.getValue(configBucket, key);
    return isBusFault(read) ? undefined : read.value;
  };
}

function isScope(text: string): text is ConfigScope {
  return Object.hasOwn(schemas, text);
}
