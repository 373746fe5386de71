/** A second gateway beside the one of the layout apart: everything is shared but the process. */

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { freePort } from '@cruvero/stack';
import type { Layout } from './layout.fixture.ts';
import { startProgram, type Program } from './program.fixture.ts';

const readyMsMax = 60_000;

/** What both replicas need besides the layout's own settings, so that each opens what the other sealed. */
export const sharedSeal = (): { readonly CRUVERO_MCPGW_SEAL_KEY: string } => ({
  CRUVERO_MCPGW_SEAL_KEY: randomBytes(32).toString('base64'),
});

export interface Replica extends AsyncDisposable {
  /** Without a path. */
  readonly url: string;
  readonly program: Program;
}

/** `env`: what the layout was started with, the seal among it. */
export async function startReplica(layout: Layout, env: Readonly<Record<string, string>>): Promise<Replica> {
  const { stack } = layout;
  if (!stack) throw new Error('only the layout apart has gateways of their own');
  const program = startProgram({
    file: 'apps/gateway/src/main.ts',
    env: {
      CRUVERO_DATA_DIR: join(layout.folder, 'gateway-2'),
      CRUVERO_DRAGONFLY_ADDR: `127.0.0.1:${stack.redis.port}`,
      CRUVERO_EVENTS_SUBJECT_PREFIX: 'cruvero',
      CRUVERO_MCPGW_GATEWAY_ID: 'gw-2',
      CRUVERO_MCPGW_LISTEN_ADDR: `127.0.0.1:${await freePort()}`,
      CRUVERO_NATS_URL: stack.nats.url,
      ...env,
    },
  });
  try {
    const [, url = ''] = await program.says(/^ready (\S+)$/m, readyMsMax);
    return { url, program, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
}
