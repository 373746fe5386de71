/** For the kill -9 test: writes servers one after the other and says each on stdout after its commit, until killed. */

import type { ServerName, TenantId } from '@cruvero/core';
import { pgliteRunner } from './pglite-runner.ts';
import { openServerStore } from './server-store.ts';

const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: kill-writer.fixture.ts <folder>');
process.stdout.write('opening\n');
const store = await openServerStore(await pgliteRunner({ folder }), { clock: { nowMs: () => Date.now() } });
let written = (await store.everything()).servers.length;
for (;;) {
  written += 1;
  await store.transaction(async (tx) => {
    await tx.upsert({
      tenantId: 'default' as TenantId,
      name: `server-${written}` as ServerName,
      transport: 'http',
      debug: false,
      source: 'nats',
      status: 'pending',
      toolCount: 0,
      healthStatus: 'unknown',
      tools: [{ name: 'padding', description: 'x'.repeat(4_000) }],
    });
    await tx.enqueue({ subject: 's', messageId: `m${written}`, body: written });
    await tx.bumpRevision();
  });
  process.stdout.write(`ack ${written}\n`);
}
