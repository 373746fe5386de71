/** The sections of docs/config.md: every part that reads settings has a row here. */

import { settings as embedded } from '@cruvero/all-in-one/settings';
import { describeConfig, type Described, describeTelemetryConfig, type Reader } from '@cruvero/chassis';
import { settings as codeExec } from '@cruvero/code-exec/settings';
import { settings as credentialBroker } from '@cruvero/credential-broker/settings';
import { settings as gateway } from '@cruvero/gateway/settings';
import { settings as healthMonitor } from '@cruvero/health-monitor/settings';
import { settings as registry } from '@cruvero/registry/settings';
import { settings as stdioBridge } from '@cruvero/stdio-bridge/settings';

export interface Section {
  readonly title: string;
  /** One or two sentences: who reads these settings. */
  readonly intro: string;
  readonly describe: () => readonly Described[];
}

const telemetryNames = new Set(describeTelemetryConfig().map(({ name }) => name));

/** A program's settings without those of logs and traces, which have a section of their own. */
const own = (settings: (read: Reader) => unknown) => () =>
  describeConfig(settings).filter(({ name }) => !telemetryNames.has(name));

const gatewayNames = new Set(own(gateway)().map(({ name }) => name));
const codeExecNames = new Set(own(codeExec)().map(({ name }) => name));
/** Code execution in the same process has its settings where it has them as one of its own. */
const isElsewhere = (name: string): boolean =>
  gatewayNames.has(name) || (name.startsWith('MCP_CODE_EXEC_') && codeExecNames.has(name));
const embeddedOnly = () => own(embedded)().filter(({ name }) => !isElsewhere(name));

/** In the order of the page. To add a part, name its settings here. */
export const sections: readonly Section[] = [
  { title: 'Logs and traces', intro: 'Read by every service.', describe: describeTelemetryConfig },
  {
    title: 'Gateway',
    intro: 'Read by the gateway, alone or in the embedded layout (`npm start`).',
    describe: own(gateway),
  },
  {
    title: 'Embedded layout',
    intro: 'Read by `npm start` besides the settings of the gateway.',
    describe: embeddedOnly,
  },
  { title: 'Registry', intro: 'Read by the registry as a process of its own.', describe: own(registry) },
  {
    title: 'Health monitor',
    intro: 'Read by the health monitor as a process of its own.',
    describe: own(healthMonitor),
  },
  {
    title: 'stdio-bridge',
    intro: 'Read by the stdio-bridge as a process of its own.',
    describe: own(stdioBridge),
  },
  {
    title: 'Credential broker',
    intro:
      'Read by the credential broker as a process of its own; where secrets are, also by `npm start`. See [credentials.md](credentials.md).',
    describe: own(credentialBroker),
  },
  {
    title: 'Code execution',
    intro:
      'Read by code execution as a process of its own; those of what a call may use also by `npm start` with `CRUVERO_CODE_EXEC_ENABLED`.',
    describe: own(codeExec),
  },
];
