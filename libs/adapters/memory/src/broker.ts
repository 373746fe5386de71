/** The broker in memory: what a NATS server is for several connections, in one process. */

import type { Bus } from '@cruvero/ports';

import { MemoryBus } from './bus.ts';
import type { MemoryBrokerOptions } from './switchboard.ts';
import { Switchboard } from './switchboard.ts';

export interface MemoryBroker {
  /** A connection of its own, as a service in another process would hold. */
  connect(): Bus;
  /**
   * False: every connection is told, publishes fail, nothing is delivered; what is stored stays. For tests of outages.
   */
  setReachable(reachable: boolean): void;
}

/** A broker that several connections share. */
export function memoryBroker(options: MemoryBrokerOptions): MemoryBroker {
  const switchboard = new Switchboard(options);
  return {
    connect: () => new MemoryBus(switchboard),
    setReachable: (reachable) => switchboard.setReachable(reachable),
  };
}

/** One connection to a broker of its own. */
export function memoryBus(options: MemoryBrokerOptions): Bus {
  return memoryBroker(options).connect();
}
