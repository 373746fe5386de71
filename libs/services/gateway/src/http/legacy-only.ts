/** Doors that stand outside of MCP 2026-07-28: its messages are refused there in words, not half understood. */

import {
  classify,
  isModernVersion,
  metaKeys,
  paramText,
  parseJsonObject,
  type Fault,
  type NotificationMessage,
  type RequestMessage,
  type Spoken,
} from '@cruvero/core';

/** Legacy whatever it is, or a fault. `headerVersion` is MCP-Protocol-Version as it came; `where` begins the sentence. */
export function classifyLegacy(
  message: RequestMessage | NotificationMessage,
  headerVersion: string | undefined,
  where: string,
): Extract<Spoken, { era: 'legacy' }> | Fault {
  const meta = parseJsonObject(paramText(message.params, '_meta') ?? '');
  const named = meta?.[metaKeys.protocolVersion];
  if (named !== undefined || (headerVersion !== undefined && isModernVersion(headerVersion))) {
    const said = typeof named === 'string' ? named.slice(0, 32) : (headerVersion ?? 'an unreadable version');
    return {
      fault: 'bad_request',
      detail: `${where} carries no messages of MCP ${said}; POST them to /mcp.`,
    };
  }
  const headers = { protocolVersion: headerVersion, mcpMethod: undefined, mcpName: undefined };
  const spoken = classify(message, headers);
  if (isModern(spoken)) throw new Error('what names no modern version is legacy');
  return spoken;
}

function isModern(spoken: Spoken | Fault): spoken is Extract<Spoken, { era: 'modern' }> {
  return 'era' in spoken && spoken.era === 'modern';
}
