/** Resource URIs inside results: on the aggregate they must lead back through the aggregate. */

import type { ServerName } from '../model/ids.ts';
import {
  arrayElements,
  isArrayAt,
  isJsonProblem,
  isObjectAt,
  objectMembers,
  stringAt,
  wholeObject,
  type Span,
} from '../wire/json-spans.ts';
import { splice, type Edit } from '../wire/splice.ts';
import { exposedUri } from './names.ts';

/** Where content stands in the result of each method. */
const contentPaths: Readonly<Record<string, 'contents' | 'content' | 'messages'>> = {
  'resources/read': 'contents',
  'tools/call': 'content',
  'prompts/get': 'messages',
};

/** The result with every resource URI of known content types exposed; all else to the letter. */
export function exposeUris(method: string, server: ServerName, resultText: string): string {
  const path = contentPaths[method];
  if (path === undefined || !resultText.includes('"uri"')) return resultText;
  const members = wholeObject(resultText);
  const list = isJsonProblem(members) ? undefined : members.get(path);
  if (list === undefined || !isArrayAt(resultText, list)) return resultText;
  const elements = arrayElements(resultText, list.start);
  if (isJsonProblem(elements)) return resultText;
  const edits: Edit[] = [];
  for (const element of elements) collect(path, resultText, element, server, edits);
  return splice(resultText, edits);
}

function collect(path: string, text: string, element: Span, server: ServerName, edits: Edit[]): void {
  if (path === 'contents') return uriOf(text, element, server, edits);
  const block = path === 'messages' ? member(text, element, 'content') : element;
  if (!block) return;
  const blocks = isArrayAt(text, block) ? arrayElements(text, block.start) : [block];
  if (isJsonProblem(blocks)) return;
  for (const one of blocks) ofBlock(text, one, server, edits);
}

function ofBlock(text: string, block: Span, server: ServerName, edits: Edit[]): void {
  const type = stringAt(text, member(text, block, 'type'));
  if (type === 'resource_link') uriOf(text, block, server, edits);
  const resource = type === 'resource' ? member(text, block, 'resource') : undefined;
  if (resource) uriOf(text, resource, server, edits);
}

function uriOf(text: string, object: Span, server: ServerName, edits: Edit[]): void {
  const span = member(text, object, 'uri');
  const uri = stringAt(text, span);
  if (span && uri !== undefined) edits.push({ span, text: JSON.stringify(exposedUri(server, uri)) });
}

function member(text: string, object: Span, name: string): Span | undefined {
  if (!isObjectAt(text, object)) return undefined;
  const members = objectMembers(text, object.start);
  return isJsonProblem(members) ? undefined : members.get(name);
}
