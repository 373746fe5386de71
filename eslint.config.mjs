/** Lint: what the compiler cannot see. Code cannot switch a rule off; an exception is a line here, with its reason. */

import { defineConfig, globalIgnores } from 'eslint/config';
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';
import { boundaryConfigs, testFiles } from './tools/check/boundaries.mjs';

/** Code that may touch the real clock, chance, environment and console; everywhere else these are arguments. */
const edges = ['apps/**', 'libs/adapters/**', 'libs/chassis/**', 'libs/testkit/**', 'tools/**', ...testFiles];

const given = 'Time, chance and environment are arguments: see libs/ports/src/clock.ts.';
const globalsOfTheEdge = ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'performance'];
const propertiesOfTheEdge = [
  ['Date', 'now'],
  ['Math', 'random'],
  ['process', 'env'],
  ['process', 'argv'],
];
const noExit = {
  object: 'process',
  property: 'exit',
  message: 'Set process.exitCode and return, so that what is open gets closed.',
};

const noIndex = {
  regex: '^\\.{1,2}/(.*/)?index\\.ts$',
  message: 'Inside a lib import the file, never its index.',
};
const noSuites = { group: ['@cruvero/ports/contracts/*'], message: 'Contract suites are for tests.' };
const noRealTime = { regex: '^(node:)?(timers(/promises)?|process|perf_hooks)$', message: given };
const noNode = { regex: '^node:', message: 'core is pure: no Node.' };
const noImportsOf = (...patterns) => ({ 'no-restricted-imports': ['error', { patterns }] });

/** What node:test gives back when it registers a test is a promise that nobody needs to wait for. */
const registersTests = { from: 'package', package: 'node:test', name: ['describe', 'it', 'suite', 'test'] };

export default defineConfig(
  globalIgnores(['**/node_modules/', '.nx/', '.cruvero/', 'coverage/']),
  { name: 'no switching off', linterOptions: { noInlineConfig: true } },
  {
    name: 'types',
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls: [registersTests] }],
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    name: 'size and shape',
    files: ['**/*.{ts,mjs}'],
    rules: {
      eqeqeq: 'error',
      'max-lines': ['error', 500],
      'max-lines-per-function': ['error', 70],
      'no-restricted-properties': ['error', noExit],
      ...noImportsOf(noIndex, noSuites),
    },
  },
  {
    name: 'below the edge: no clock, chance, environment or console of its own',
    files: ['**/*.ts'],
    ignores: edges,
    rules: {
      'no-console': 'error',
      'no-restricted-globals': ['error', ...globalsOfTheEdge.map((name) => ({ name, message: given }))],
      'no-restricted-properties': [
        'error',
        noExit,
        ...propertiesOfTheEdge.map(([object, property]) => ({ object, property, message: given })),
      ],
      'no-restricted-syntax': [
        'error',
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: given },
      ],
      ...noImportsOf(noIndex, noSuites, noRealTime),
    },
  },
  {
    name: 'core is pure',
    files: ['libs/core/**/*.ts'],
    ignores: testFiles,
    rules: noImportsOf(noIndex, noSuites, noRealTime, noNode),
  },
  {
    // lifecycle: a second Ctrl-C, a crash with unknown state, and something that still holds the process after its end.
    // stdio-*, fixtures: programs that a test makes die at once. test/run, stack: a (second) signal; the reaper ends what they leave.
    // install: a Node that is too old to go on, before anything is open.
    name: 'may leave the process at once',
    files: [
      'libs/chassis/src/lifecycle.ts',
      'libs/testkit/src/fixtures/stdio-*.ts',
      '**/*.fixture.ts',
      'tools/stack/src/main.ts',
      'tools/test/run.ts',
      'tools/install/install.mjs',
    ],
    rules: { 'no-restricted-properties': 'off' },
  },
  {
    name: 'testkit is for tests, so it may know what they know',
    files: ['libs/testkit/**/*.ts'],
    rules: noImportsOf(noIndex),
  },
  {
    name: 'tests: a describe is as long as its stories',
    files: testFiles,
    rules: { 'max-lines-per-function': 'off', ...noImportsOf(noIndex) },
  },
  ...(await boundaryConfigs()),
  prettier,
);
