/** Modern requests of the conformance server over HTTP. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { toNodeHandler, type NodeIncomingMessageLike } from '@modelcontextprotocol/node';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { readBody } from '../fixtures/http-host.ts';
import { conformanceProtocol } from './protocol.ts';
import { serveTaskStream, taskSubscription } from './task-stream.ts';
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
    handle: async (request, response, parsed) => {
      const isListen = request.headers['mcp-method'] === 'subscriptions/listen';
      const body = isListen && parsed === undefined ? json(await readBody(request)) : parsed;
      const subscription = isListen ? taskSubscription(body) : undefined;
      if (subscription) return serveTaskStream(world.tasks, subscription, response);
      return handle(request as NodeIncomingMessageLike, response, body);
    },
    close: async () => {
      stopTelling();
      await handler.close();
    },
  };
}

/** What is no JSON is null, which is no message either. */
function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
