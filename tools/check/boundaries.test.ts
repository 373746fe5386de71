/** Proves that the drawn directions hold: each forbidden import is reported by the lint that everybody runs, each allowed one is not. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';

/** The project's own configuration; rules that need types are left out, since the files under test exist only here. */
const eslint = new ESLint({
  cwd: join(import.meta.dirname, '../..'),
  overrideConfig: [{ files: ['**/*.ts'], ...tseslint.configs.disableTypeChecked }],
});

/** The rules that a file of this text at this path would break. */
async function broken(filePath: string, text: string): Promise<readonly string[]> {
  const results = await eslint.lintText(`/** A probe. */\n\n${text}\n`, { filePath });
  return results.flatMap(({ messages }) => messages.map(({ ruleId, message }) => ruleId ?? message));
}

const boundaries = '@nx/enforce-module-boundaries';
const imports = 'no-restricted-imports';

const forbidden: readonly (readonly [what: string, path: string, text: string, rule: string])[] = [
  [
    'a service a service',
    'libs/services/gateway/src/probe.ts',
    "export * from '@cruvero/service-registry';",
    boundaries,
  ],
  [
    'a service an adapter',
    'libs/services/gateway/src/probe.ts',
    "export * from '@cruvero/adapter-nats';",
    boundaries,
  ],
  [
    'an adapter an adapter',
    'libs/adapters/nats/src/probe.ts',
    "export * from '@cruvero/adapter-redis';",
    boundaries,
  ],
  [
    'an adapter the chassis',
    'libs/adapters/nats/src/probe.ts',
    "export * from '@cruvero/chassis';",
    boundaries,
  ],
  ['core a port', 'libs/core/src/probe.ts', "export * from '@cruvero/ports';", boundaries],
  ['ports the contracts', 'libs/ports/src/probe.ts', "export * from '@cruvero/contracts';", boundaries],
  ['an app an app', 'apps/gateway/src/probe.ts', "export * from '@cruvero/registry';", boundaries],
  [
    'an app a file of an app',
    'apps/gateway/src/probe.ts',
    "export * from '@cruvero/registry/src/main.ts';",
    boundaries,
  ],
  ['a lib what it does not declare', 'libs/chassis/src/probe.ts', "export * from 'express';", boundaries],
  ['a lib an app', 'libs/chassis/src/probe.ts', "export * from '@cruvero/gateway';", boundaries],
  [
    'a lib an app by its path',
    'libs/chassis/src/probe.ts',
    "export * from '../../../apps/gateway/src/main.ts';",
    boundaries,
  ],
  [
    'a lib a lib by its path',
    'libs/ports/src/probe.ts',
    "export * from '../../core/src/model/ids.ts';",
    boundaries,
  ],
  [
    'a type of another service',
    'libs/services/gateway/src/probe.ts',
    "export type * from '@cruvero/service-registry';",
    boundaries,
  ],
  [
    'a service at run time',
    'libs/services/gateway/src/probe.ts',
    "export const late = import('@cruvero/service-registry');",
    boundaries,
  ],
  ['code the testkit', 'libs/services/gateway/src/probe.ts', "export * from '@cruvero/testkit';", boundaries],
  [
    'a test a service of another',
    'libs/services/gateway/src/probe.test.ts',
    "export * from '@cruvero/service-registry';",
    boundaries,
  ],
  [
    'a test an adapter of the real world',
    'libs/services/gateway/src/probe.test.ts',
    "export * from '@cruvero/adapter-nats';",
    boundaries,
  ],
  ['core Node', 'libs/core/src/probe.ts', "export * from 'node:fs';", imports],
  [
    'code a contract suite',
    'libs/adapters/nats/src/probe.ts',
    "export * from '@cruvero/ports/contracts/bus';",
    imports,
  ],
  ['a file its own index', 'libs/ports/src/probe.ts', "export * from './index.ts';", imports],
  [
    'a service real timers',
    'libs/services/gateway/src/probe.ts',
    "export * from 'node:timers/promises';",
    imports,
  ],
];

const allowed: readonly (readonly [what: string, path: string, text: string])[] = [
  ['an app a service', 'apps/gateway/src/probe.ts', "export * from '@cruvero/service-gateway';"],
  ['a service a port', 'libs/services/gateway/src/probe.ts', "export * from '@cruvero/ports';"],
  ['a test the testkit', 'libs/core/src/probe.test.ts', "export * from '@cruvero/testkit';"],
  [
    'a test the memory adapter',
    'libs/services/gateway/src/probe.test.ts',
    "export * from '@cruvero/adapter-memory';",
  ],
  [
    'a fixture of tests the testkit',
    'libs/services/gateway/src/probe.fixture.ts',
    "export * from '@cruvero/testkit';",
  ],
  [
    'a test a contract suite',
    'libs/adapters/nats/src/probe.test.ts',
    "export * from '@cruvero/ports/contracts/bus';",
  ],
];

describe('lint refuses that imports', () => {
  for (const [what, path, text, rule] of forbidden) {
    it(what, async () => assert.deepEqual(await broken(path, text), [rule]));
  }
});

describe('lint lets import', () => {
  for (const [what, path, text] of allowed) {
    it(what, async () => assert.deepEqual(await broken(path, text), []));
  }
});

describe('below the edge, lint refuses', () => {
  const uses = {
    'the clock': ['export const now = Date.now();', 'no-restricted-properties'],
    'a date of now': ['export const now = new Date();', 'no-restricted-syntax'],
    chance: ['export const chance = Math.random();', 'no-restricted-properties'],
    timers: ['setTimeout(() => undefined, 1);', 'no-restricted-globals'],
    'the environment': ['export const home = process.env;', 'no-restricted-properties'],
    'the console': ["console.log('x');", 'no-console'],
    'leaving the process': ['process.exit(1);', 'no-restricted-properties'],
  } as const;
  for (const [what, [text, rule]] of Object.entries(uses)) {
    it(`${what} in a service`, async () => {
      assert.deepEqual(await broken('libs/services/gateway/src/probe.ts', text), [rule]);
    });
  }

  it('nothing of these but leaving the process in an adapter', async () => {
    const path = 'libs/adapters/nats/src/probe.ts';
    assert.deepEqual(await broken(path, uses['the clock'][0]), []);
    assert.deepEqual(await broken(path, uses['leaving the process'][0]), ['no-restricted-properties']);
  });

  it('that code switches a rule off', async () => {
    const text = '/* eslint-disable */\nexport const now = Date.now();';
    assert.ok(
      (await broken('libs/services/gateway/src/probe.ts', text)).includes('no-restricted-properties'),
    );
  });
});
