/** The part of the bus that a sidecar needs, over the gateway's own address: for the embedded layout, which has no NATS. */

import type { Secret } from '@cruvero/chassis';
import { isJsonObject, parseJsonObject, type Json } from '@cruvero/core';
import type { Bus, BusFault, BusState, Upstream } from '@cruvero/ports';
import { isUpstreamFault } from '@cruvero/ports';

export type AnnounceBus = Pick<Bus, 'onState' | 'subscribe' | 'publish' | 'publishStored' | 'ensureStream'>;

export interface GatewayBusOptions {
  /** Of the gateway, without a path. */
  readonly url: string;
  /** An API key with the scope admin. */
  readonly key: Secret;
  readonly http: Upstream;
}

const timeoutMs = 10_000;
const answerBytesMax = 64 << 10;

export function gatewayBus({ url, key, http }: GatewayBusOptions): AnnounceBus {
  const listeners = new Set<(state: BusState) => void>();
  const send = async (body: Json): Promise<BusFault | undefined> => {
    const response = await http.exchange({
      httpMethod: 'POST',
      endpoint: new URL('/api/v1/lifecycle', url).href,
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        authorization: `Bearer ${key.reveal()}`,
      },
      body: JSON.stringify(body),
      signal: new AbortController().signal,
      timeoutMs,
      bytesMax: answerBytesMax,
    });
    if (isUpstreamFault(response)) return { fault: 'bus_disconnected', detail: `${url} ${response.detail}` };
    const answer = response.body.kind === 'text' ? parseJsonObject(response.body.text) : undefined;
    if (response.status !== 202) return refused(response.status, answer);
    // Whoever was forgotten has to introduce itself again, as after a reconnect.
    if (answer?.['action'] === 're_register') for (const tell of listeners) tell('connected');
    return undefined;
  };
  const nothing = { close: async () => undefined };
  return {
    onState: (listener) => {
      listeners.add(listener);
      return { close: async () => void listeners.delete(listener) };
    },
    // Verdicts are not heard this way; the answer to a heartbeat says what matters of them.
    subscribe: () => nothing,
    ensureStream: async () => undefined,
    publish: (_subject, body) => send(body),
    publishStored: (_subject, body) => send(body),
  };
}

function refused(status: number, answer: ReturnType<typeof parseJsonObject>): BusFault {
  const error = answer?.['error'];
  const said =
    isJsonObject(error) && typeof error['message'] === 'string' ? error['message'] : `HTTP ${status}`;
  return {
    fault: status === 413 ? 'message_too_large' : 'bus_error',
    detail: `the gateway refused the event: ${said}`,
  };
}
