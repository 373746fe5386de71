/** Real clients of both eras on their official SDKs, behind one face, and the table that runs a story over them. */

import { listShapes, type JsonObject, type ListKind } from '@cruvero/core';
import { connectLegacy } from './legacy-client.fixture.ts';
import { connectModern } from './modern-client.fixture.ts';
import type { Change, SdkClient } from './sdk-client.fixture.ts';
import { until } from './until.fixture.ts';

export type ClientKind =
  /** `@modelcontextprotocol/sdk`, the v1 client. */
  | 'legacy'
  /** `@modelcontextprotocol/client`, which finds out what the server speaks. */
  | 'auto'
  /** The same, 2026-07-28 or nothing. */
  | 'modern';
export const clientKinds: readonly ClientKind[] = ['legacy', 'auto', 'modern'];

export interface Door {
  /** Of the gateway, or of a fixture server, without a path. */
  readonly url: string;
  /** Absent where none is asked for. */
  readonly agentKey?: string;
}

export interface StoryClient extends AsyncDisposable {
  readonly kind: ClientKind;
  ask(method: string, params?: JsonObject): Promise<JsonObject>;
  call(name: string, args?: JsonObject): Promise<JsonObject>;
  /** Every item, through all pages. */
  list(kind: ListKind): Promise<readonly JsonObject[]>;
  /** Names of the tools. */
  tools(): Promise<readonly string[]>;
  face(): ReturnType<SdkClient['face']>;
  /** Changes that it was told of, with the time (monotonic, in ms) at which each came. */
  readonly changes: readonly { readonly change: Change; readonly atMs: number }[];
  /** Waits until it was told of another change than the first `seen`. */
  told(change: Change, seen: number, withinMs?: number): Promise<void>;
  /** How many changes of this kind it was told of. */
  count(change: Change): number;
}

const pagesMax = 100;

/** `path` defaults to the aggregate. */
export async function connect(kind: ClientKind, door: Door, path = '/mcp'): Promise<StoryClient> {
  const url = new URL(door.url + path);
  const sdk = await (kind === 'legacy'
    ? connectLegacy(url, door.agentKey)
    : connectModern(url, door.agentKey, kind));
  return storyClient(kind, sdk);
}

export async function storyClient(kind: ClientKind, sdk: SdkClient): Promise<StoryClient> {
  const changes: { readonly change: Change; readonly atMs: number }[] = [];
  await sdk.listen((change) => void changes.push({ change, atMs: performance.now() }));
  const count = (change: Change): number => changes.filter((each) => each.change === change).length;
  const list = async (kind: ListKind): Promise<readonly JsonObject[]> => {
    const items: JsonObject[] = [];
    let cursor: unknown;
    for (let page = 0; page < pagesMax; page += 1) {
      const result = await sdk.ask(listShapes[kind].method, typeof cursor === 'string' ? { cursor } : {});
      items.push(...(result[kind] as unknown as readonly JsonObject[]));
      cursor = result['nextCursor'];
      if (cursor === undefined) return items;
    }
    throw new Error(`${kind} do not end after ${pagesMax} pages`);
  };
  return {
    kind,
    ask: (method, params = {}) => sdk.ask(method, params),
    call: (name, args = {}) => sdk.call(name, args),
    list,
    tools: async () => (await list('tools')).map((tool) => String(tool['name'])),
    face: () => sdk.face(),
    changes,
    count,
    told: async (change, seen, withinMs) => {
      await until(`the ${kind} client is told that ${change} changed`, () => count(change) > seen, withinMs);
    },
    [Symbol.asyncDispose]: () => sdk.close(),
  };
}
