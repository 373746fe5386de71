/** An entry of the configuration that is a command to run. */

import type { ConfiguredServer } from '@cruvero/ports';

export type CommandServer = Extract<ConfiguredServer, { kind: 'command' }>;
