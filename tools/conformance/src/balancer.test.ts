/** The balancer before two plain servers. */

import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { startBalancer } from './balancer.ts';

interface Replica extends AsyncDisposable {
  readonly origin: string;
  close(): Promise<void>;
}

/** Answers with its name, and with the Host that it was called by. */
async function replica(name: string): Promise<Replica> {
  const server: Server = createServer((request, response) => {
    request.resume().once('end', () => response.end(`${name} ${String(request.headers.host)}`));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') return assert.fail('a TCP server has a port');
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return { origin: `http://127.0.0.1:${address.port}`, close, [Symbol.asyncDispose]: close };
}

const post = async (origin: string): Promise<string> => {
  const response = await fetch(origin, { method: 'POST', body: 'x' });
  return `${response.status} ${(await response.text()).split(' ')[0] ?? ''}`;
};

describe('the balancer', () => {
  it('takes turns and keeps the Host of its caller', async () => {
    await using a = await replica('a');
    await using b = await replica('b');
    await using balancer = await startBalancer([a.origin, b.origin]);
    const answers = [await post(balancer.origin), await post(balancer.origin), await post(balancer.origin)];
    assert.deepEqual(answers, ['200 a', '200 b', '200 a']);
    assert.deepEqual(balancer.counts, [2, 1]);
    const text = await (await fetch(balancer.origin)).text();
    assert.equal(text, `b ${new URL(balancer.origin).host}`);
  });

  it('kills a replica between two requests, and goes to the other one from then on', async () => {
    await using a = await replica('a');
    await using b = await replica('b');
    await using balancer = await startBalancer([a.origin, b.origin]);
    balancer.between(2, () => a.close());
    const before = await Promise.all([post(balancer.origin), post(balancer.origin)]);
    assert.deepEqual(before.toSorted(), ['200 a', '200 b']);
    const after = await Promise.all(Array.from({ length: 6 }, () => post(balancer.origin)));
    assert.deepEqual(new Set(after), new Set(['200 b']));
  });

  it('answers 502 where nobody is left', async () => {
    const a = await replica('a');
    await using balancer = await startBalancer([a.origin]);
    await a.close();
    assert.equal(await post(balancer.origin), '502 ');
  });
});
