/** The token under which a caller wants to hear how far its request is, as the caller spelled it. */

import {
  changeMembers,
  isJsonProblem,
  isObjectAt,
  paramText,
  stringAt,
  textOf,
  wholeObject,
  type Params,
} from '@cruvero/core';

/** As JSON text: a number may have more digits than one here can hold. Undefined where the request has none. */
export function progressTokenText(params: Params): string | undefined {
  const meta = paramText(params, '_meta');
  const members = meta === undefined ? undefined : wholeObject(meta);
  const span = members === undefined || isJsonProblem(members) ? undefined : members.get('progressToken');
  return meta !== undefined && span ? textOf(meta, span) : undefined;
}

/**
 * What is said of a call that goes on, for the request that brought its answers: progress bears the token of that request, and
 * is not told to one that has none. All else is told as it is.
 */
export function retold(text: string, params: Params): string | undefined {
  const members = wholeObject(text);
  if (isJsonProblem(members) || stringAt(text, members.get('method')) !== 'notifications/progress')
    return text;
  const token = progressTokenText(params);
  const own = members.get('params');
  if (token === undefined || !own || !isObjectAt(text, own)) return undefined;
  return changeMembers(text, { params: changeMembers(textOf(text, own), { progressToken: token }) });
}
