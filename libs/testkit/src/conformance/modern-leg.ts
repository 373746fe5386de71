/** Modern requests of the conformance server over HTTP. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { toNodeHandler, type NodeIncomingMessageLike } from '@modelcontextprotocol/node';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { conformanceProtocol } from './protocol.ts';
import type { World } from './world.ts';

export interface ModernLeg {
  handle(request: IncomingMessage, response: ServerResponse, body?: unknown): Promise<void>;
  close(): Promise<void>;
}

export function modernLeg(world: World): ModernLeg {
  const handler = createMcpHandler(
    ({ requestInfo }) =>
      conformanceProtocol(world, 'modern', requestInfo?.headers.get('mcp-method') ?? undefined),
    { legacy: 'reject' },
  );
  const handle = toNodeHandler(handler);
  const stopTelling = world.onChange((change) => {
    if (change.kind === 'tools') handler.notify.toolsChanged();
    else if (change.kind === 'prompts') handler.notify.promptsChanged();
    else handler.notify.resourceUpdated(change.uri);
  });
  return {
    handle: (request, response, body) => handle(request as NodeIncomingMessageLike, response, body),
    close: async () => {
      stopTelling();
      await handler.close();
    },
  };
}
