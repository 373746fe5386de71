/** A new adapter: a port on something outside; it starts as a cache that is away, the smallest port there is. */

import { packageText, type Name, type Plan } from './plan.ts';

export function planAdapter(name: Name): Plan {
  const { kebab } = name;
  const folder = `libs/adapters/${kebab}`;
  const files = new Map([
    [`${folder}/package.json`, packageText(`@cruvero/adapter-${kebab}`, 'type:adapter', ['@cruvero/ports'])],
    [`${folder}/src/index.ts`, indexText(name)],
    [`${folder}/src/cache.ts`, codeText(name)],
    [`${folder}/src/cache.test.ts`, testText(name)],
  ]);
  const next = [
    'npm install, which links the package and puts it into the lock file',
    `put the port that it is for in the place of Cache (see libs/ports/src) and name the file after it`,
    'hand it to the contract suite of that port in its test (see libs/ports/src/contracts), on the real thing',
    'list what it imports in its package.json (it may import ports, contracts and core), new ones in docs/dependencies.md too',
    'open it in the apps that need it',
  ];
  return { files, next };
}

function indexText({ kebab }: Name): string {
  return `/** The face of the ${kebab} adapter. */

export * from './cache.ts';
`;
}

function codeText({ kebab, pascal }: Name): string {
  return `/** The cache on ${kebab}; while ${kebab} is away, every get is a miss. */

import type { Cache } from '@cruvero/ports';

/** Opens the cache; it never makes a call fail, whatever becomes of ${kebab}. */
export function open${pascal}Cache(): Cache {
  return {
    get: async () => undefined,
    set: async () => undefined,
    delete: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}
`;
}

function testText({ kebab, pascal }: Name): string {
  return `/** Tests of the cache on ${kebab}. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { open${pascal}Cache } from './cache.ts';

describe('the cache on ${kebab}', () => {
  it('misses while ${kebab} is away, and lets every call go on', async () => {
    await using cache = open${pascal}Cache();
    await cache.set('a', '1', 1_000);
    assert.equal(await cache.get('a'), undefined);
    await cache.delete('a');
  });
});
`;
}
