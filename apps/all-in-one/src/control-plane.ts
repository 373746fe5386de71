/** The half of the embedded layout that says where calls may go: database, registry, bridge, health monitor. */

import { join } from 'node:path';
import { sseUpstream, streamableUpstream } from '@cruvero/adapter-http';
import { openServerStore, pgliteRunner } from '@cruvero/adapter-postgres';
import { childProcesses } from '@cruvero/adapter-stdio';
import { systemClock, systemRandom } from '@cruvero/chassis';
import type { Bus, ServersSource, Telemetry, Upstreams } from '@cruvero/ports';
import { startHealthMonitor } from '@cruvero/service-health-monitor';
import { startRegistry, type Registry } from '@cruvero/service-registry';
import { startStdioBridge, type StdioBridge } from '@cruvero/service-stdio-bridge';
import type { EmbeddedCredentials } from './credentials.ts';
import { besideCodeExec, startEmbeddedCodeExec } from './code-exec.ts';
import type { EmbeddedSettings } from './settings.ts';

export interface ControlPlaneParts {
  readonly telemetry: Telemetry;
  readonly serversSource: ServersSource;
  readonly credentials: EmbeddedCredentials;
  /** A connection of its own for each service, as if they were processes. */
  readonly connect: (service: string) => Promise<Bus>;
  /** What is opened here is closed by its owner, last first. */
  readonly stack: AsyncDisposableStack;
}

export interface ControlPlane {
  readonly registry: Registry;
  readonly bridge: StdioBridge;
  /** The ways to servers, children of this process among them. */
  readonly upstreams: Upstreams;
  /** What there is to say about code execution, for the person at the terminal. */
  readonly codeExecLine: string | undefined;
}

export async function startControlPlane(
  config: EmbeddedSettings,
  { telemetry, serversSource, connect, stack, credentials }: ControlPlaneParts,
): Promise<ControlPlane> {
  const { gateway, registry: registrySettings, monitor } = config;
  const shared = { clock: systemClock, random: systemRandom, telemetry };
  const database = stack.use(await pgliteRunner({ folder: join(gateway.dataDir, 'database') }));
  const store = stack.use(await openServerStore(database, { clock: systemClock }));
  const registry = stack.use(
    await startRegistry(
      { ...registrySettings, acceptInproc: true, loopback: true, authMode: gateway.auth },
      {
        ...shared,
        store,
        bus: stack.use(await connect('registry')),
        serversSource,
        secrets: credentials.registry,
      },
    ),
  );
  const children = stack.use(childProcesses({ log: telemetry.log }));
  const bridge = stack.use(
    await startStdioBridge(
      {
        bridgeId: 'local',
        tenantId: gateway.tenantId,
        subjectPrefix: gateway.subjectPrefix,
        heartbeatIntervalMs: config.heartbeatMs,
        requestTimeoutMs: gateway.callDeadlineMs,
        bodyBytesMax: gateway.bodyBytesMax,
        allowedHosts: [],
        allowedOrigins: [],
        bounds: { ownChildrenMax: config.ownChildrenMax },
      },
      {
        ...shared,
        children,
        source: serversSource,
        bus: stack.use(await connect('bridge')),
        credentials: credentials.bridge,
      },
    ),
  );
  const http = stack.use(streamableUpstream({ connectionsMax: gateway.connectionsMax }));
  const sse = stack.use(sseUpstream({ http: stack.use(streamableUpstream()), clock: systemClock }));
  const codeExec = await startEmbeddedCodeExec(config, { telemetry, connect, stack });
  const upstreams = { http, sse, inproc: besideCodeExec(bridge.upstream, codeExec) };
  const monitorBus = stack.use(await connect('health-monitor'));
  stack.use(await startHealthMonitor(monitor, { ...shared, bus: monitorBus, upstreams }));
  return { registry, bridge, upstreams, codeExecLine: codeExec.line };
}
