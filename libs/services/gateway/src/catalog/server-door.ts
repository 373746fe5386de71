/** A server's own answer to tools/list at its own door: less what the caller may not use, and what no client may offer. */

import {
  changeMembers,
  filtersTools,
  isFault,
  isJsonProblem,
  readListPage,
  readParamHeaders,
  splice,
  wholeObject,
  type Era,
} from '@cruvero/core';
import type { Routed } from '../pipeline.ts';
import { refuseTool } from '../route.ts';

/** The result text to the letter where nothing has to be taken out, but for who may keep it: what a list holds depends on who asks. */
export function offeredHere(call: Routed, era: Era, resultText: string): string {
  const text = withoutRefused(call, era, resultText);
  // What is wrong inside a result is for its reader.
  if (call.spoken.era === 'legacy' || isJsonProblem(wholeObject(text))) return text;
  return changeMembers(text, { cacheScope: '"private"' });
}

function withoutRefused(call: Routed, era: Era, resultText: string): string {
  const page = readListPage('tools', resultText);
  const hides = call.profile.enforcementMode === 'enforce' && filtersTools(call.profile);
  // What cannot be read here may be read by somebody else, so nothing unread goes to who may not see all.
  if (!page) return hides ? '{"tools":[]}' : resultText;
  const kept = page.items.filter(
    ({ own, text }) =>
      !isFault(refuseTool(call, call.server, own)) && !(era === 'modern' && isOffending(text)),
  );
  if (!hides && kept.length === page.items.length) return resultText;
  const members = wholeObject(resultText);
  const tools = isJsonProblem(members) ? undefined : members.get('tools');
  return tools
    ? splice(resultText, [{ span: tools, text: `[${kept.map(({ text }) => text).join(',')}]` }])
    : resultText;
}

function isOffending(toolText: string): boolean {
  return 'problem' in readParamHeaders(toolText);
}
