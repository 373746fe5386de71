/** Child processes for stdio servers. */

export { childProcesses, inheritedNames, type ChildProcessesOptions } from './children.ts';
