/** Who may know whom: the tags that each package.json carries, and what each tag may import. */

import { createProjectGraphAsync } from 'nx/src/devkit-exports.js';
import nx from '@nx/eslint-plugin';

/** The drawn directions. A service never imports a service, an adapter never an adapter, an app never an app. */
export const directions = {
  app: ['service', 'adapter', 'chassis', 'contracts', 'core', 'ports', 'upstream'],
  service: ['core', 'contracts', 'ports', 'chassis', 'upstream'],
  adapter: ['ports', 'contracts', 'core'],
  upstream: ['core', 'ports'],
  chassis: ['ports', 'core'],
  ports: ['core'],
  contracts: ['core'],
  core: ['core'],
  testkit: ['core', 'contracts', 'ports', 'chassis'],
  tool: ['core', 'contracts', 'ports', 'chassis'],
  e2e: ['core', 'contracts', 'ports', 'chassis', 'testkit', 'tool'],
};

/** What tests may import besides; two adapters are let in by name, since their tag is that of every adapter. */
const besidesInTests = ['testkit', 'tool'];
const namedInTests = ['@cruvero/adapter-memory', '@cruvero/adapter-http'];

/** Tests, what several of them stand on, and the suites that ports hand to the tests of their adapters. */
export const testFiles = ['**/*.test.ts', '**/*.fixture.ts', 'libs/ports/src/contracts/**/*.ts'];

function constraints(besides) {
  return Object.entries(directions).map(([tag, targets]) => ({
    sourceTag: `type:${tag}`,
    onlyDependOnLibsWithTags: [...new Set([...targets, ...besides])].map((target) => `type:${target}`),
  }));
}

/**
 * Apps have no `exports`, so Nx does not know their names as imports: they are caught, like anything that no package.json
 * declares, by banTransitiveDependencies.
 *
 * Tests make circles between projects (core's tests import testkit, which imports core), all of them through one of these;
 * circles between files are the business of dependency-cruiser.
 */
const options = {
  banTransitiveDependencies: true,
  ignoredCircularDependencies: ['@cruvero/testkit', '@cruvero/stack', ...namedInTests].map((name) => [
    name,
    `!${name}`,
  ]),
};

/** The rule reads Nx's graph from its cache and keeps silent where there is none, so the graph is made here, first. */
export async function boundaryConfigs() {
  await createProjectGraphAsync();
  return [
    {
      name: 'boundaries',
      files: ['{apps,libs,tools}/**/*.ts'],
      plugins: { '@nx': nx },
      rules: {
        '@nx/enforce-module-boundaries': ['error', { ...options, depConstraints: constraints([]) }],
      },
    },
    {
      name: 'boundaries of tests',
      files: testFiles,
      rules: {
        '@nx/enforce-module-boundaries': [
          'error',
          { ...options, allow: namedInTests, depConstraints: constraints(besidesInTests) },
        ],
      },
    },
  ];
}
