/** A monitor over a memory bus, simulated time and fake servers, and the voices that it listens to. */

import { createHash } from 'node:crypto';
import { memoryBroker } from '@cruvero/adapter-memory';
import { createReader } from '@cruvero/chassis';
import {
  chunkKeys,
  configBucket,
  gatewaySubjects,
  lifecycleSubjects,
  splitChunks,
  streams,
  type VerdictEvent,
} from '@cruvero/contracts';
import type { GatewayId, Json, JsonObject } from '@cruvero/core';
import { MemoryTelemetry, settle, SimClock } from '@cruvero/testkit';
import { healthMonitorConfig } from './config.ts';
import { FakeUpstream } from './fake-upstream.fixture.ts';
import { startHealthMonitor } from './monitor.ts';

const subjects = lifecycleSubjects('cruvero');

export type Scene = Awaited<ReturnType<typeof setScene>>;

/** Always the same row of numbers. */
function pseudoRandom(): () => number {
  let state = 1;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

export async function setScene(env: Record<string, string> = {}) {
  const clock = new SimClock();
  const random = pseudoRandom();
  const broker = memoryBroker({ clock, random });
  const [bus, world] = [broker.connect(), broker.connect()];
  const telemetry = new MemoryTelemetry();
  const upstream = new FakeUpstream();
  const verdicts: VerdictEvent[] = [];
  const requests: Json[] = [];
  let listing: JsonObject | undefined;
  world.subscribe(subjects.verdict, ({ body }) => void verdicts.push(body as unknown as VerdictEvent));
  world.subscribe(gatewaySubjects.configRequest('*'), async ({ body }) => {
    requests.push(body);
    if (listing) await world.publish('mcpgw.health-monitor.config.servers', believing(listing, verdicts));
  });
  await world.ensureStream(streams('cruvero').mcp);
  const config = healthMonitorConfig(createReader(env));
  const start = () =>
    startHealthMonitor(config, { bus, upstreams: { http: upstream }, clock, random, telemetry });

  let eventCount = 0;
  const say = async (subject: string, type: string, payload: JsonObject): Promise<void> => {
    eventCount += 1;
    const event = {
      event_type: type,
      event_id: `e${eventCount}`,
      timestamp: '2026-01-01T00:00:00Z',
      tenant_id: 'default',
      payload,
    };
    await world.publish(subject, event);
    await settle();
  };
  return {
    clock,
    broker,
    bus,
    world,
    telemetry,
    upstream,
    verdicts,
    requests,
    start,
    /** The bus goes away for a moment, after which everything is asked anew. */
    bounce: async () => {
      broker.setReachable(false);
      broker.setReachable(true);
      await settle();
    },
    /** What the registry answers from now on. */
    list: (servers: JsonObject[]) => void (listing = { version: 1, servers }),
    /** The same for a listing that is too large for one message. */
    listInParts: async (servers: JsonObject[]) => {
      const text = JSON.stringify(believing({ version: 1, servers }, []));
      const parts = splitChunks(text);
      const keys = chunkKeys('health-monitor' as GatewayId, 'servers', 1, parts.length);
      for (const [i, part] of parts.entries()) await world.putValue(configBucket, keys[i] ?? '', part);
      listing = { version: 1, chunked: { keys, sha256: createHash('sha256').update(text).digest('hex') } };
    },
    announce: (server: string, more: JsonObject = {}) =>
      say(subjects.announce, 'mcp.announce', {
        server,
        instance_id: `${server}-1`,
        transport: 'stdio',
        ...more,
      }),
    heartbeat: (server: string, seq = 1, status = 'ok') =>
      say(subjects.heartbeat, 'mcp.heartbeat', { server, instance_id: `${server}-1`, seq, status }),
    deregister: (server: string) => say(subjects.deregister, 'mcp.deregister', { server }),
    publishRaw: async (body: Json) => {
      await world.publish(subjects.heartbeat, body);
      await settle();
    },
    /** `old>new/health` of every verdict so far. */
    said: () =>
      verdicts.map(({ payload }) => `${payload.old_status}>${payload.new_status}/${payload.health}`),
  };
}

/** The registry believes the last verdict, where a test does not make it believe something else. */
function believing(listing: JsonObject, verdicts: readonly VerdictEvent[]): JsonObject {
  const last = new Map<unknown, string>(verdicts.map(({ payload }) => [payload.instance_id, payload.health]));
  const believed = (instance: JsonObject) => ({
    health: last.get(instance['instance_id']) ?? 'unknown',
    ...instance,
  });
  const { servers, ...rest } = listing as { servers?: { instances: JsonObject[] }[] };
  return {
    ...rest,
    ...(servers && { servers: servers.map((s) => ({ ...s, instances: s.instances.map(believed) })) }),
  };
}

/** A server with one instance, as the registry lists it. */
export function listed(name: string, endpoint: string, more: JsonObject = {}): JsonObject {
  const instance = { instance_id: `${name}-1`, transport: 'http', endpoint, weight: 1, tags: [], ...more };
  return { tenant_id: 'default', name, instances: [instance], tools: [] };
}
