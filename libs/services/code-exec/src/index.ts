/** The face of the code-exec service. */

export * from './code-exec.ts';
