/** The server side of the measurement as a function: one JSON-RPC message in, the text of the result out. */

import { listText } from './payloads.ts';

export type Era = 'modern' | 'legacy';

export interface Asked {
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params?: {
    readonly name?: string;
    readonly protocolVersion?: string;
    readonly arguments?: { readonly n?: number; readonly pieces?: number };
    readonly _meta?: { readonly progressToken?: string | number };
  };
}

const list = `"tools":${listText}`;
const modernList = `{"resultType":"complete",${list},"ttlMs":60000,"cacheScope":"public"}`;
const legacyList = `{${list}}`;
const discover = JSON.stringify({
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: {} },
  serverInfo: { name: 'bench', version: '1.0.0' },
  ttlMs: 60_000,
  cacheScope: 'public',
});

/** Everything but tools/call; undefined where this era has no such method. */
export function resultOf(asked: Asked, era: Era): string | undefined {
  switch (asked.method) {
    case 'tools/list':
      return era === 'modern' ? modernList : legacyList;
    case 'ping':
      return '{}';
    case 'server/discover':
      return era === 'modern' ? discover : undefined;
    case 'initialize':
      return era === 'legacy' ? initialized(asked) : undefined;
    default:
      return undefined;
  }
}

function initialized(asked: Asked): string {
  return JSON.stringify({
    protocolVersion: asked.params?.protocolVersion ?? '2025-11-25',
    capabilities: { tools: {} },
    serverInfo: { name: 'bench', version: '1.0.0' },
  });
}

export const idText = (asked: Asked): string => JSON.stringify(asked.id ?? null);

export function unknownMethod(asked: Asked): string {
  return `{"jsonrpc":"2.0","id":${idText(asked)},"error":{"code":-32601,"message":"Method not found"}}`;
}

/** What stands before and after the content of a result. */
export function callFrame(asked: Asked, era: Era): { readonly head: string; readonly tail: string } {
  const type = era === 'modern' ? '"resultType":"complete",' : '';
  return { head: `{"jsonrpc":"2.0","id":${idText(asked)},"result":{${type}`, tail: '}}' };
}

export function progressText(asked: Asked, progress: number, total: number, message: string): string {
  const token = JSON.stringify(asked.params?._meta?.progressToken ?? null);
  return `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":${progress},"total":${total},"message":"${message}"}}`;
}
