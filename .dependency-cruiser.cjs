/** Circles between files, and imports that lead nowhere. Directions between projects are in tools/check/boundaries.mjs. */

module.exports = {
  forbidden: [
    {
      name: 'no-circle',
      comment:
        'Two files that need each other are one file, or miss a third that both may know. Types count too.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-test-in-code',
      comment: 'What runs in production imports no test and no fixture.',
      severity: 'error',
      from: { pathNot: '\\.(test|fixture)\\.ts$' },
      to: { path: '\\.(test|fixture)\\.ts$' },
    },
    {
      name: 'no-dead-end',
      comment: 'An import of something that is not there.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-dead-file',
      comment: 'A file that nothing imports and that imports nothing has no use.',
      severity: 'error',
      from: { orphan: true, pathNot: ['\\.test\\.ts$', '/(index|main|run)\\.ts$', '^tools/'] },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '/node_modules/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      conditionNames: ['import', 'node', 'default', 'types'],
      exportsFields: ['exports'],
      extensions: ['.ts', '.mjs', '.js', '.cjs', '.json'],
    },
  },
};
