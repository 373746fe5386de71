/** What the way of a call needs to know of a tool, read once from its definition. */

import {
  isJsonObject,
  parseJsonObject,
  readParamHeaders,
  type ListedItem,
  type ListKind,
  type ParamHeader,
} from '@cruvero/core';

export interface ToolFacts {
  /** It said of itself that running twice does no harm. */
  readonly repeatable: boolean;
  /** Arguments that headers repeat. */
  readonly headers: readonly ParamHeader[];
}

export function toolFacts(
  lists: Readonly<Record<ListKind, readonly ListedItem[]>> | undefined,
): ReadonlyMap<string, ToolFacts> {
  const facts = new Map<string, ToolFacts>();
  for (const { own, text } of lists?.tools ?? []) {
    const headers = readParamHeaders(text);
    facts.set(own, { repeatable: isRepeatable(text), headers: 'problem' in headers ? [] : headers });
  }
  return facts;
}

function isRepeatable(toolText: string): boolean {
  const annotations = parseJsonObject(toolText)?.['annotations'];
  return (
    isJsonObject(annotations) &&
    (annotations['readOnlyHint'] === true || annotations['idempotentHint'] === true)
  );
}
