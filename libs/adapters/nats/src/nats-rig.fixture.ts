/** What the tests against a real nats-server share: connections with quiet logs, and a raw one. */

import { connect } from '@nats-io/transport-node';

import type { Bus } from '@cruvero/ports';
import { MemoryTelemetry } from '@cruvero/testkit';

import { connectNats } from './connect.ts';
import type { NatsOptions } from './options.ts';
import { pause, realClock } from './real-clock.fixture.ts';

export interface Connected {
  readonly bus: Bus;
  readonly telemetry: MemoryTelemetry;
}

export async function openBus(url: string, more: Partial<NatsOptions> = {}): Promise<Connected> {
  const telemetry = new MemoryTelemetry();
  const { log, metrics } = telemetry;
  const fixed = { name: 'test', clock: realClock, random: Math.random, drainMsMax: 500 };
  const bus = await connectNats({ url, log, metrics, ...fixed, ...more });
  return { bus, telemetry };
}

/** Connected, within ten seconds. */
export async function connectedBus(url: string, more: Partial<NatsOptions> = {}): Promise<Connected> {
  const connected = await openBus(url, more);
  await eventually('connected', () => connected.bus.state() === 'connected');
  return connected;
}

/** Waits for a condition, at most ten seconds. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`not within ten seconds: ${what}`);
    await pause(10);
  }
}

/** Sends bytes as they are. */
export async function publishRaw(url: string, subject: string, text: string): Promise<void> {
  const session = await connect({ servers: url });
  session.publish(subject, text);
  await session.drain();
}
