/** The NATS bus keeps the Bus contract against a real nats-server with JetStream. */

import { after, before } from 'node:test';

import { busContract } from '@cruvero/ports/contracts/bus';
import type { Server } from '@cruvero/stack';
import { startNats } from '@cruvero/stack';

import { connectedBus, publishRaw } from './nats-rig.fixture.ts';
import { pause } from './real-clock.fixture.ts';

let server: Server;
before(async () => {
  server = await startNats();
});
after(() => server.stop());

let rigs = 0;

busContract('NATS bus', async () => {
  const { bus } = await connectedBus(server.url);
  rigs += 1;
  return {
    bus,
    prefix: `t${rigs}`,
    second: async () => (await connectedBus(server.url)).bus,
    passTime: pause,
    publishRaw: (subject, text) => publishRaw(server.url, subject, text),
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
});
