/** What was written down is read again part by part: a damaged part is left out and said, the others stand. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { authSchema, policySchema, serversSchema } from '@cruvero/contracts';
import fc from 'fast-check';
import { MemoryTelemetry } from '@cruvero/testkit';
import { authPayload, memoryFile, profileRow, serverRow } from '../gateway.fixture.ts';
import { readLastKnown, writeLastKnown } from './last-known.ts';

const payloads = {
  servers: serversSchema.parse({
    version: 3,
    incarnation: 'a',
    servers: [serverRow({ name: 'files' })],
    virtual_servers: [{ tenant_id: 'default', name: 'dev', members: [{ server: 'files' }] }],
  }),
  policy: policySchema.parse({ version: 2, profiles: [profileRow()] }),
  auth: authSchema.parse(authPayload(4)),
};
const lists = { 'default/files': { tools: ['["read","{}"]'], prompts: [] } };

async function read(text: string | undefined) {
  const { log, lines } = new MemoryTelemetry();
  return { known: await readLastKnown(memoryFile(text), log), lines };
}

const written = (over: object = {}): string => JSON.stringify({ payloads, lists, ...over });

describe('the last known state', () => {
  it('is read as it was written', async () => {
    const file = memoryFile();
    await writeLastKnown(file, { payloads, lists });
    const { known, lines } = await read(file.text);
    assert.deepEqual(known, { payloads, lists });
    assert.deepEqual(lines, []);
  });

  it('is empty without a file, and nothing is said of that', async () => {
    const { known, lines } = await read(undefined);
    assert.deepEqual(known, { payloads: {}, lists: {} });
    assert.deepEqual(lines, []);
  });

  for (const text of ['', 'null', '[]', '{"payloads":', '7', '\0\0\0']) {
    it(`is empty where the file holds ${JSON.stringify(text)}, and that is said`, async () => {
      const { known, lines } = await read(text);
      assert.deepEqual(known, { payloads: {}, lists: {} });
      assert.match(lines[0]?.message ?? '', /cannot be read; waiting for the control plane/);
    });
  }

  it('has no keys where the policy that bounds them is damaged', async () => {
    const { known } = await read(written({ payloads: { ...payloads, policy: { version: 'x' } } }));
    assert.deepEqual(known.payloads, { servers: payloads.servers });
  });

  for (const scope of ['servers', 'auth'] as const) {
    it(`is whole but for ${scope} where only that is damaged`, async () => {
      const { known, lines } = await read(written({ payloads: { ...payloads, [scope]: { version: 'x' } } }));
      const { [scope]: _damaged, ...rest } = payloads;
      assert.deepEqual(known.payloads, rest);
      assert.deepEqual(known.lists, lists);
      assert.partialDeepStrictEqual(lines[0], { level: 'warn', fields: { scope } });
    });
  }

  it('is whole but for the lists that are damaged', async () => {
    const damaged = { a: 7, b: { tools: 'x', prompts: ['ok', 7, null] }, c: { tools: [] } };
    const { known } = await read(written({ lists: damaged }));
    assert.deepEqual(known.lists, { b: { prompts: ['ok'] }, c: { tools: [] } });
    assert.deepEqual((await read(written({ lists: [1] }))).known.lists, {});
    assert.deepEqual((await read(written({ payloads: 7 }))).known.payloads, {});
  });

  it('is read from any JSON at all without a throw', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.jsonValue(), async (a, b) => {
        await read(JSON.stringify({ payloads: a, lists: b }));
        await read(JSON.stringify({ payloads: { servers: a, auth: b }, lists: { x: a } }));
      }),
    );
  });
});
