/** Code execution in the embedded layout: where it is asked for and the boundary can be had, without a port of its own. */

import { bubblewrapSandbox } from '@cruvero/adapter-sandbox';
import { systemClock } from '@cruvero/chassis';
import type { Bus, Telemetry, Upstream } from '@cruvero/ports';
import { inprocServer, startCodeExec } from '@cruvero/service-code-exec';
import type { EmbeddedSettings } from './settings.ts';

export interface CodeExecParts {
  readonly telemetry: Telemetry;
  readonly connect: (service: string) => Promise<Bus>;
  /** What is opened here is closed by its owner, last first. */
  readonly stack: AsyncDisposableStack;
}

export interface EmbeddedCodeExec {
  readonly upstream: Upstream | undefined;
  /** For the person at the terminal; undefined where there is nothing to say. */
  readonly line: string | undefined;
}

export async function startEmbeddedCodeExec(
  config: EmbeddedSettings,
  { telemetry, connect, stack }: CodeExecParts,
): Promise<EmbeddedCodeExec> {
  if (!config.codeExecEnabled) return { upstream: undefined, line: undefined };
  const sandbox = stack.use(bubblewrapSandbox({ ...config.codeExec.sandbox, log: telemetry.log }));
  const { version, tenantId } = config.gateway;
  const started = await startCodeExec(
    {
      ...config.codeExec.codeExec,
      version,
      tenantId,
      instanceName: 'local',
      heartbeatIntervalMs: config.heartbeatMs,
    },
    { sandbox, clock: systemClock, telemetry, bus: stack.use(await connect('code-exec')) },
  );
  if ('refused' in started)
    return { upstream: undefined, line: `server code-exec is off: ${started.refused}` };
  const { upstream, boundary } = stack.use(started);
  const { remarks, by, cgroup } = boundary;
  const line = [`code-exec runs code under ${by}, cgroup ${cgroup}.`, ...remarks].join(' ');
  return { upstream, line };
}

/** `inproc://code-exec/…` leads there, every other to `others`. */
export function besideCodeExec(others: Upstream, { upstream }: EmbeddedCodeExec): Upstream {
  if (!upstream) return others;
  return {
    exchange: (request) =>
      (request.endpoint.startsWith(`inproc://${inprocServer}/`) ? upstream : others).exchange(request),
    [Symbol.asyncDispose]: async () => undefined,
  };
}
