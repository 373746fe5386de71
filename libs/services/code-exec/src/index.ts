/** The face of the code-exec service. */

export { inprocServer, startCodeExec, type CodeExec, type CodeExecPorts } from './code-exec.ts';
export type { CodeExecConfig } from './config.ts';
export { callerKey } from './mcp.ts';
export {
  codeExecListen,
  codeExecSettings,
  type CodeExecSettings,
  type SandboxSettings,
} from './read-config.ts';
export { retryAfterKey } from './result.ts';
