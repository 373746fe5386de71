/** Announces servers as an operator would by hand: on NATS, and done only when the stream has acknowledged it. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { defaultSubjectPrefix, lifecycleSubjects } from '@cruvero/contracts';
import type { Layout } from './layout.fixture.ts';
import { runProgram } from './program.fixture.ts';

export interface Announcement {
  readonly server: string;
  readonly endpoint: string;
}

/** Programs at once. */
const atOnce = 3;

/** Resolves when every announcement is stored; rejects with the first that was refused. */
export async function announceStored(
  layout: Pick<Layout, 'natsUrl' | 'folder'>,
  announcements: readonly Announcement[],
): Promise<void> {
  const left = [...announcements];
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) await announce(layout, next);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** How many events the registry was handed and has not acknowledged. */
export async function eventsInHand({ natsUrl, folder }: Pick<Layout, 'natsUrl' | 'folder'>): Promise<number> {
  const ran = await runProgram({
    file: 'apps/event-bus/src/main.ts',
    args: ['consumers', '--format', 'json'],
    env: { CRUVERO_NATS_URL: natsUrl, NODE_COMPILE_CACHE: join(folder, 'compiled') },
  });
  assert.equal(ran.code, 0, ran.stderr);
  const all = JSON.parse(ran.stdout) as readonly { readonly name: string; readonly unacknowledged: number }[];
  return all.find(({ name }) => name === 'registry')?.unacknowledged ?? 0;
}

async function announce(
  { natsUrl, folder }: Pick<Layout, 'natsUrl' | 'folder'>,
  { server, endpoint }: Announcement,
): Promise<void> {
  const id = randomUUID();
  const event = {
    event_type: 'mcp.announce',
    event_id: id,
    timestamp: new Date().toISOString(),
    payload: { server, instance_id: `${server}-1`, transport: 'http', endpoint, tools: [{ name: 'echo' }] },
  };
  const ran = await runProgram({
    file: 'apps/event-bus/src/main.ts',
    args: ['publish', lifecycleSubjects(defaultSubjectPrefix).announce, '--stored', '--id', id, '-'],
    // Twenty short runs of one program: what was compiled once is kept.
    env: { CRUVERO_NATS_URL: natsUrl, NODE_COMPILE_CACHE: join(folder, 'compiled') },
    input: JSON.stringify(event),
  });
  assert.equal(ran.code, 0, `${server} was not stored: ${ran.stderr}`);
  assert.match(ran.stdout, /stored in/);
}
