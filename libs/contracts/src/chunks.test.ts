/** Cutting: any text survives, parts stay in bounds, and the reader's side joins them. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { GatewayId } from '@cruvero/core';
import fc from 'fast-check';
import { chunkKeys, splitChunks, utf8Bytes } from './chunks.ts';
import { readConfigBody } from './config-body.ts';

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('chunks', () => {
  it('any JSON survives, every part is within the bound and whole characters', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.json({ stringUnit: 'grapheme' }),
        fc.integer({ min: 4, max: 40 }),
        async (text, bytesMax) => {
          const whole = JSON.stringify(JSON.parse(text));
          const parts = splitChunks(whole, bytesMax);
          for (const part of parts) {
            assert.ok(Buffer.byteLength(part) <= bytesMax);
            assert.ok(part.isWellFormed());
          }
          assert.equal(utf8Bytes(whole), Buffer.byteLength(whole));
          const keys = chunkKeys('gw-1' as GatewayId, 'servers', 1, parts.length);
          const bucket = new Map(keys.map((key, at) => [key, parts[at]]));
          const message = { version: 1, chunked: { keys: [...keys], sha256: digest(whole) } };
          assert.deepEqual(await readConfigBody(message, async (key) => bucket.get(key)), JSON.parse(whole));
        },
      ),
    );
  });

  it('a short text is one part', () => {
    assert.deepEqual(splitChunks('{}'), ['{}']);
    assert.deepEqual(splitChunks(''), ['']);
  });

  it('keys are valid for the bucket and come round after eight versions', () => {
    const gateway = 'gw-1' as GatewayId;
    const keys = chunkKeys(gateway, 'server_settings', 3, 2);
    assert.deepEqual(keys, ['gw-1.server_settings.3.0', 'gw-1.server_settings.3.1']);
    for (const key of keys) assert.match(key, /^[A-Za-z0-9_=.-]+$/);
    assert.deepEqual(chunkKeys(gateway, 'server_settings', 11, 2), keys);
  });
});
