/** Runnable with node: the conformance server over stdio. `--eras=both|legacy|modern`; default both. */

import type { McpServer } from '@modelcontextprotocol/server';
import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { conformanceProtocol } from './protocol.ts';
import { World } from './world.ts';

const eras =
  process.argv.find((argument) => argument.startsWith('--eras='))?.slice('--eras='.length) ?? 'both';
const world = new World();

/** A modern connection hears of changes through the streams that it listens on. */
function modern(): McpServer {
  const mcp = conformanceProtocol(world, 'modern');
  mcp.server.onclose = world.onChange((change) => {
    const sent =
      change.kind === 'tools'
        ? mcp.server.sendToolListChanged()
        : change.kind === 'prompts'
          ? mcp.server.sendPromptListChanged()
          : mcp.server.sendResourceUpdated({ uri: change.uri });
    void sent.catch(() => undefined);
  });
  return mcp;
}

async function serve(): Promise<() => Promise<void>> {
  if (eras === 'legacy') {
    const mcp = conformanceProtocol(world, 'legacy');
    await mcp.connect(new StdioServerTransport());
    return () => mcp.close();
  }
  const handle = serveStdio(
    ({ era }) => (era === 'modern' ? modern() : conformanceProtocol(world, 'legacy')),
    {
      legacy: eras === 'modern' ? 'reject' : 'serve',
    },
  );
  return () => handle.close();
}

const close = await serve();
process.stdin.on('end', () => {
  world.close();
  void close();
});
