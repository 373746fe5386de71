/** Streams and durable consumers as they shall be on the server: made where they are missing, changed where they differ. */

import type { ConsumerConfig, JetStreamManager, StreamConfig, StreamInfo } from '@nats-io/jetstream';
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';

import type { BusFault, ConsumeOptions, StreamDefinition } from '@cruvero/ports';
import { duplicateWindowMs, isStreamName, isSubjectPattern } from '@cruvero/ports';

import { busError, isConsumerMissing, isStreamMissing } from './faults.ts';

/** Undefined where the definition may be asked of a server. */
export function refuseStream(definition: StreamDefinition): BusFault | undefined {
  const { name, subjects, ageMaxMs, bytesMax } = definition;
  if (!isStreamName(name)) return busError(`${JSON.stringify(name)} is no stream name`);
  if (subjects.length === 0) return busError(`stream ${name} needs at least one subject`);
  const bad = subjects.find((subject) => !isSubjectPattern(subject));
  if (bad !== undefined) return busError(`${JSON.stringify(bad)} is no subject`);
  return ageMaxMs >= 100 && bytesMax >= 1
    ? undefined
    : busError(`stream ${name} needs an age and a size above 0`);
}

export function refuseConsume(options: ConsumeOptions): BusFault | undefined {
  if (!isStreamName(options.stream)) return busError(`${JSON.stringify(options.stream)} is no stream name`);
  if (!isStreamName(options.durable))
    return busError(`${JSON.stringify(options.durable)} is no durable name`);
  if (!isSubjectPattern(options.subject)) return busError(`${JSON.stringify(options.subject)} is no subject`);
  if (!(options.ackWaitMs >= 1)) return busError('ackWaitMs must be at least 1');
  return options.deliveriesMax >= 1 ? undefined : busError('deliveriesMax must be at least 1');
}

/** On file: what was acknowledged outlives the server that took it. */
function streamConfig(definition: StreamDefinition, replicas: number) {
  return {
    name: definition.name,
    subjects: [...definition.subjects],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    max_age: nanos(definition.ageMaxMs),
    max_bytes: definition.bytesMax,
    duplicate_window: nanos(Math.min(duplicateWindowMs, definition.ageMaxMs)),
    num_replicas: replicas,
  } satisfies Partial<StreamConfig>;
}

export async function ensureStream(
  manager: JetStreamManager,
  definition: StreamDefinition,
  replicas: number,
): Promise<void> {
  const wanted = streamConfig(definition, replicas);
  const present = await findStream(manager, wanted.name);
  if (!present) {
    try {
      await manager.streams.add(wanted);
      return;
    } catch (error) {
      // Another service made it in this very moment, a little differently: then it is changed below.
      if (!(await findStream(manager, wanted.name))) throw error;
    }
  } else if (!differs(present.config, wanted)) {
    return;
  }
  await manager.streams.update(wanted.name, wanted);
}

async function findStream(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (isStreamMissing(error)) return undefined;
    throw error;
  }
}

function differs(present: object, wanted: object): boolean {
  const have: Readonly<Record<string, unknown>> = { ...present };
  return Object.entries(wanted).some(([key, value]) => JSON.stringify(have[key]) !== JSON.stringify(value));
}

/**
 * One message in hand at a time: a message that has to come again is not overtaken by a later one, so a deregistration
 * is never undone by the announcement before it.
 */
function consumerConfig(options: ConsumeOptions) {
  return {
    durable_name: options.durable,
    filter_subject: options.subject,
    deliver_policy: DeliverPolicy.All,
    ack_policy: AckPolicy.Explicit,
    replay_policy: ReplayPolicy.Instant,
    ack_wait: nanos(options.ackWaitMs),
    max_deliver: Number.isFinite(options.deliveriesMax) ? Math.floor(options.deliveriesMax) : -1,
    max_ack_pending: 1,
  } satisfies Partial<ConsumerConfig>;
}

/** Rejects (`isStreamMissing`) where there is no stream. */
export async function ensureConsumer(manager: JetStreamManager, options: ConsumeOptions): Promise<void> {
  const wanted = consumerConfig(options);
  try {
    const present = await manager.consumers.info(options.stream, options.durable);
    if (!differs(present.config, wanted)) return;
    await manager.consumers.update(options.stream, options.durable, {
      ack_wait: wanted.ack_wait,
      max_deliver: wanted.max_deliver,
      max_ack_pending: wanted.max_ack_pending,
      filter_subject: wanted.filter_subject,
    });
  } catch (error) {
    if (!isConsumerMissing(error)) throw error;
    await manager.consumers.add(options.stream, wanted);
  }
}
