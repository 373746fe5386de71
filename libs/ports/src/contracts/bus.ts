/** The contract of every Bus: what is sent arrives as a copy, what is stored is not lost, and nothing is ever kinder than NATS. */

import { describe } from 'node:test';

import { consumeContract, consumeFailureContract } from './bus-consume.ts';
import { plainContract, subscriberContract } from './bus-plain.ts';
import { requestContract } from './bus-request.ts';
import type { OpenBusRig } from './bus-rig.ts';
import { streamContract } from './bus-stream.ts';
import { valuesContract } from './bus-values.ts';

export type { BusRig, OpenBusRig } from './bus-rig.ts';

/** Runs the whole suite; `open` gives each test a rig of its own. */
export function busContract(name: string, open: OpenBusRig): void {
  describe(`${name} keeps the Bus contract`, () => {
    plainContract(open);
    subscriberContract(open);
    streamContract(open);
    consumeContract(open);
    consumeFailureContract(open);
    requestContract(open);
    valuesContract(open);
  });
}
