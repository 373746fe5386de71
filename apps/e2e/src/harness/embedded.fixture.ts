/** The embedded layout: one process, as `npm start` runs it. */

import type { Layout, Plan } from './layout.fixture.ts';
import { startProgram } from './program.fixture.ts';
import { shownKeys } from './shown-keys.fixture.ts';

const readyMsMax = 60_000;

export async function startEmbedded({ folder, config, env, keys, codeExec }: Plan): Promise<Layout> {
  const startMs = performance.now();
  const program = startProgram({
    file: 'apps/all-in-one/src/main.ts',
    env: {
      CRUVERO_DATA_DIR: `${folder}/.cruvero`,
      CRUVERO_MCPGW_LISTEN_ADDR: '127.0.0.1:0',
      ...(codeExec ? { CRUVERO_CODE_EXEC_ENABLED: 'true' } : {}),
      ...env,
    },
  });
  const url = await program.says(/^ready (\S+)$/m, readyMsMax).then(
    (found) => found[1] ?? '',
    async (error: unknown) => {
      await program[Symbol.asyncDispose]();
      throw error;
    },
  );
  const readyMs = Math.round(performance.now() - startMs);
  const shown = shownKeys(program.stdout());
  const stop = async (): Promise<void> => {
    program.signal('SIGTERM');
    await program.ended().catch(() => undefined);
    await program[Symbol.asyncDispose]();
  };
  return {
    kind: 'embedded',
    url,
    registryUrl: url,
    statusUrls: { cruvero: url },
    natsUrl: env['CRUVERO_NATS_URL'],
    agentKey: shown.agentKey ?? keys?.agentKey ?? '',
    adminKey: shown.adminKey ?? keys?.adminKey ?? '',
    shown,
    folder,
    config,
    readyMs,
    stdout: () => program.stdout(),
    logs: async () => program.stderr(),
    pids: () => [program.pid],
    stack: undefined,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
