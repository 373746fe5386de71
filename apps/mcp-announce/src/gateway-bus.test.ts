/** Announcing to the gateway: what the answers mean. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Secret } from '@cruvero/chassis';
import type { Upstream, UpstreamFault, UpstreamRequest, UpstreamResponse } from '@cruvero/ports';
import { gatewayBus } from './gateway-bus.ts';

function busOver(answer: UpstreamResponse | UpstreamFault) {
  const asked: UpstreamRequest[] = [];
  const http: Upstream = {
    exchange: async (request) => {
      asked.push(request);
      return answer;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { asked, bus: gatewayBus({ url: 'http://gw:1', key: new Secret('crv_key'), http }) };
}
const json = (status: number, body: object): UpstreamResponse => ({
  status,
  headers: {},
  body: { kind: 'text', text: JSON.stringify(body) },
});

describe('the gateway as a bus', () => {
  it('stores an event by one POST with the key', async () => {
    const { asked, bus } = busOver(json(202, { action: 'none' }));
    assert.equal(await bus.publishStored('cruvero.mcp.announce', { a: 1 }, 'id'), undefined);
    assert.equal(asked[0]?.endpoint, 'http://gw:1/api/v1/lifecycle');
    assert.equal(asked[0]?.headers['authorization'], 'Bearer crv_key');
    assert.equal(asked[0]?.body, '{"a":1}');
  });

  it('says again that it is connected when the registry has forgotten the instance', async () => {
    const { bus } = busOver(json(202, { action: 're_register' }));
    const states: string[] = [];
    bus.onState((state) => states.push(state));
    await bus.publish('cruvero.mcp.heartbeat', {});
    assert.deepEqual(states, ['connected']);
  });

  const faults: readonly [string, UpstreamResponse | UpstreamFault, string, RegExp][] = [
    [
      'nobody listens',
      { fault: 'unreachable', detail: 'refuses connections', neverLeft: true },
      'bus_disconnected',
      /gw:1/,
    ],
    [
      'the key is wrong',
      json(401, { error: { message: 'This API key is not known.' } }),
      'bus_error',
      /not known/,
    ],
    ['the event is too large', json(413, {}), 'message_too_large', /413/],
    ['the answer is none of ours', json(200, {}), 'bus_error', /HTTP 200/],
  ];
  for (const [name, answer, fault, detail] of faults) {
    it(`gives a fault where ${name}`, async () => {
      const stored = await busOver(answer).bus.publishStored('s', {}, 'id');
      assert.equal(stored?.fault, fault);
      assert.match(stored?.detail ?? '', detail);
      assert.doesNotMatch(stored?.detail ?? '', /crv_key/);
    });
  }
});
