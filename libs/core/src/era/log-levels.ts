/** The levels of what a server logs to its clients. */

/** From talkative to terse, RFC 5424 as MCP names them (MCP 2025-11-25, "Log Levels"). */
export const logLevels: readonly string[] = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
];
