/** Many small requests in little time: plain HTTP over connections that stay open, without any SDK. */

import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { Layout } from './layout.fixture.ts';
import { modernLatest } from '@cruvero/core';

export interface QuickAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export class QuickClient implements Disposable {
  readonly #agent: Agent;
  readonly #layout: Layout;

  constructor(layout: Layout, connections: number) {
    this.#layout = layout;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  send(
    method: 'POST' | 'DELETE',
    path: string,
    headers: Readonly<Record<string, string>>,
    message?: object,
  ): Promise<QuickAnswer> {
    const body = message === undefined ? undefined : JSON.stringify({ jsonrpc: '2.0', ...message });
    const { promise, resolve, reject } = Promise.withResolvers<QuickAnswer>();
    const sent = httpRequest(
      this.#layout.url + path,
      {
        method,
        agent: this.#agent,
        headers: {
          authorization: `Bearer ${this.#layout.agentKey}`,
          accept: 'application/json, text/event-stream',
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...headers,
        },
      },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.once('error', reject);
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(pieces).toString(),
          }),
        );
      },
    );
    sent.once('error', reject);
    sent.end(body);
    return promise;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

/** Headers and message of a modern call. */
export function modernCall(name: string, args: object = {}) {
  return {
    headers: { 'mcp-protocol-version': modernLatest, 'mcp-method': 'tools/call', 'mcp-name': name },
    message: {
      id: 1,
      method: 'tools/call',
      params: {
        name,
        arguments: args,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': modernLatest,
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    },
  };
}

/** Runs all of the work, so many at a time. */
export async function inLanes<Item>(
  items: readonly Item[],
  lanes: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const lane = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
