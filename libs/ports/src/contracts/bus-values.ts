/** Bus contract, values by key: last write wins, a delete deletes, sizes are bounded. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { valueBytesMax } from '../bus-rules.ts';
import type { OpenBusRig } from './bus-rig.ts';
import { within } from './bus-rig.ts';

export function valuesContract(open: OpenBusRig): void {
  describe('values', () => {
    it('can be put, read from another connection, replaced and deleted', async () => {
      await using rig = await open();
      await using other = await rig.second();
      const bucket = `${rig.prefix}_bucket`;
      const read = async () => {
        const answer = await within(rig, 'get', other.getValue(bucket, 'gw-1.servers'));
        assert.ok('value' in answer, JSON.stringify(answer));
        return answer.value;
      };
      assert.equal(await read(), undefined, 'a bucket that does not exist holds nothing');
      for (const value of ['one', 'zażółć 🐙', '']) {
        assert.equal(await within(rig, 'put', rig.bus.putValue(bucket, 'gw-1.servers', value)), undefined);
        assert.equal(await read(), value);
      }
      assert.equal(await within(rig, 'delete', rig.bus.deleteValue(bucket, 'gw-1.servers')), undefined);
      assert.equal(await read(), undefined);
      assert.equal(await within(rig, 'delete', rig.bus.deleteValue(bucket, 'never')), undefined);
      assert.equal(await within(rig, 'delete', rig.bus.deleteValue(`${bucket}_none`, 'never')), undefined);
    });

    it('take half a mebibyte and no more', async () => {
      await using rig = await open();
      const bucket = `${rig.prefix}_bucket`;
      const most = 'x'.repeat(valueBytesMax);
      assert.equal(await within(rig, 'put', rig.bus.putValue(bucket, 'most', most)), undefined);
      assert.deepEqual(await within(rig, 'get', rig.bus.getValue(bucket, 'most')), { value: most });
      const fault = await within(rig, 'put', rig.bus.putValue(bucket, 'most', `${most}x`));
      assert.equal(fault?.fault, 'message_too_large');
    });

    it('refuse keys and buckets that are none, as faults', async () => {
      await using rig = await open();
      for (const [bucket, key] of [
        ['b', 'a b'],
        ['b', '.a'],
        ['b', '*'],
        ['a.b', 'k'],
        ['', 'k'],
      ] as const) {
        assert.equal((await rig.bus.putValue(bucket, key, 'v'))?.fault, 'bus_error', `${bucket}/${key}`);
        assert.ok('fault' in (await rig.bus.getValue(bucket, key)), `${bucket}/${key}`);
        assert.equal((await rig.bus.deleteValue(bucket, key))?.fault, 'bus_error', `${bucket}/${key}`);
      }
    });
  });
}
