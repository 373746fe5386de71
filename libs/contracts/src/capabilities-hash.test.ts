/** The hash changes when what a server offers changes, and never otherwise. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isJsonObject, type Json } from '@cruvero/core';
import fc from 'fast-check';
import { capabilitiesHash } from './capabilities-hash.ts';

const forecast = {
  name: 'forecast',
  inputSchema: { type: 'object', properties: { city: { type: 'string' } } },
};
const alerts = { name: 'alerts', inputSchema: { type: 'object' } };

/** The same value with the members of every object the other way round. */
function turned(value: Json): Json {
  if (Array.isArray(value)) return value.map(turned);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, turned(inner ?? null)]),
  );
}

describe('the capabilities hash', () => {
  it('is sixty-four hex digits, known in advance for nothing at all', () => {
    assert.equal(
      capabilitiesHash([], {}),
      '59b1f2266f0378417c283f7fc7969539a08e1a7f39adb6f0d855e32a9ace5d36',
    );
  });

  it('does not depend on the order of tools or of members', () => {
    const capabilities = { tools: { listChanged: true }, prompts: {} };
    const one = capabilitiesHash([forecast, alerts], capabilities);
    const other = capabilitiesHash(
      [alerts, turned(forecast) as typeof forecast],
      turned(capabilities) as typeof capabilities,
    );
    assert.equal(one, other);
  });

  it('changes with a description, a schema, a capability, a missing tool', () => {
    const hashes = [
      capabilitiesHash([forecast, alerts], {}),
      capabilitiesHash([forecast, { ...alerts, description: 'Warnings' }], {}),
      capabilitiesHash([{ ...forecast, inputSchema: { type: 'object' } }, alerts], {}),
      capabilitiesHash([forecast, alerts], { tools: {} }),
      capabilitiesHash([forecast], {}),
    ];
    assert.equal(new Set(hashes).size, hashes.length);
  });

  it('keeps the order of lists inside a definition, which means something there', () => {
    const tool = (required: string[]) => ({ name: 'pay', inputSchema: { required } });
    assert.notEqual(capabilitiesHash([tool(['a', 'b'])], {}), capabilitiesHash([tool(['b', 'a'])], {}));
  });

  it('sees two writings of any JSON value as one', () => {
    const values = fc.dictionary(
      fc.string(),
      fc.jsonValue().map((value) => value as Json),
    );
    fc.assert(
      fc.property(values, (value) => {
        const again = turned(value);
        assert.ok(isJsonObject(again));
        assert.equal(capabilitiesHash([value], value), capabilitiesHash([again], again));
      }),
    );
  });
});
