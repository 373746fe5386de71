/** Events of a legacy session's streams, kept for a client that comes back with Last-Event-ID. */

import type { EventStore, JSONRPCMessage } from '@modelcontextprotocol/server';

/** The oldest go when there are more. */
const eventsMax = 1000;

interface StoredEvent {
  readonly streamId: string;
  /** Undefined for an event that only gives an id. */
  readonly message: JSONRPCMessage | undefined;
}

export function memoryEventStore(): EventStore {
  const events = new Map<string, StoredEvent>();
  let last = 0;
  return {
    storeEvent: async (streamId, message) => {
      const id = `event-${(last += 1)}`;
      events.set(id, { streamId, message: 'jsonrpc' in message ? message : undefined });
      const [oldest] = events.keys();
      if (events.size > eventsMax && oldest !== undefined) events.delete(oldest);
      return id;
    },
    getStreamIdForEventId: async (id) => events.get(id)?.streamId,
    replayEventsAfter: async (lastId, { send }) => {
      const from = events.get(lastId);
      if (!from) throw new Error('This event is not known here');
      const ids = [...events.keys()];
      for (const id of ids.slice(ids.indexOf(lastId) + 1)) {
        const event = events.get(id);
        if (event?.message && event.streamId === from.streamId) await send(id, event.message);
      }
      return from.streamId;
    },
  };
}
