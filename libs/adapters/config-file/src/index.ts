/** Configured servers from cruvero.json and the environment. */

export type { Environment } from './expand.ts';
export { joinSources } from './join-sources.ts';
export { serversFromEnv } from './servers-env.ts';
export { serversFile, type ServersFileParts } from './servers-file.ts';
export { stateFile } from './state-file.ts';
