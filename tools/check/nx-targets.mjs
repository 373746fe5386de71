/** Gives every project its Nx targets, so that no package.json repeats them: `nx affected -t test`, `nx run-many -t check`. */

import { dirname } from 'node:path';

const sources = [
  'default',
  '^default',
  '{workspaceRoot}/tsconfig*.json',
  '{workspaceRoot}/package-lock.json',
];

function targets(root) {
  return {
    test: {
      command: "node --test 'src/**/*.test.ts'",
      options: { cwd: root },
      inputs: [...sources, '{workspaceRoot}/migrations/**/*'],
      cache: true,
    },
    check: {
      command: `eslint ${root}`,
      inputs: [...sources, '{workspaceRoot}/eslint.config.mjs', '{workspaceRoot}/tools/check/boundaries.mjs'],
      cache: true,
    },
  };
}

export const createNodesV2 = [
  '{apps,libs,tools}/**/package.json',
  (files) =>
    files.map((file) => [file, { projects: { [dirname(file)]: { targets: targets(dirname(file)) } } }]),
];
