/** Resource URIs inside results: on the aggregate they must lead back through the aggregate. */

import type { ServerName } from '../model/ids.ts';
import {
  arrayElements,
  isArrayAt,
  isJsonProblem,
  isObjectAt,
  mayMention,
  objectMembers,
  stringAt,
  wholeObject,
  type Span,
} from '../wire/json-spans.ts';
import { splice, type Edit } from '../wire/splice.ts';
import { exposedUri } from './names.ts';

/** A server's own URI to the one that is shown. */
export type UriMap = (own: string) => string;

/** Where content stands in the result of each method. */
const contentPaths: Readonly<Record<string, 'contents' | 'content' | 'messages'>> = {
  'resources/read': 'contents',
  'tools/call': 'content',
  'prompts/get': 'messages',
};

/** The result with every resource URI of known content types exposed; all else to the letter. */
export function exposeUris(method: string, server: ServerName, resultText: string): string {
  return mapUris(method, resultText, (own) => exposedUri(server, own));
}

/** The result with every resource URI of known content types mapped; all else to the letter. */
export function mapUris(method: string, resultText: string, map: UriMap): string {
  const path = Object.hasOwn(contentPaths, method) ? contentPaths[method] : undefined;
  if (path === undefined || !mayMention(resultText, 'uri')) return resultText;
  const members = wholeObject(resultText);
  const list = isJsonProblem(members) ? undefined : members.get(path);
  if (list === undefined || !isArrayAt(resultText, list)) return resultText;
  const elements = arrayElements(resultText, list.start);
  if (isJsonProblem(elements)) return resultText;
  const edits: Edit[] = [];
  for (const element of elements) collect(path, resultText, element, map, edits);
  return splice(resultText, edits);
}

/** A server's notifications/resources/updated with its `params.uri` exposed; all else to the letter. */
export function exposeNotifiedUri(server: ServerName, notificationText: string): string {
  const members = wholeObject(notificationText);
  const params = isJsonProblem(members) ? undefined : members.get('params');
  const edits: Edit[] = [];
  if (params) uriOf(notificationText, params, (own) => exposedUri(server, own), edits);
  return splice(notificationText, edits);
}

function collect(path: string, text: string, element: Span, map: UriMap, edits: Edit[]): void {
  if (path === 'contents') return uriOf(text, element, map, edits);
  const block = path === 'messages' ? member(text, element, 'content') : element;
  if (!block) return;
  const blocks = isArrayAt(text, block) ? arrayElements(text, block.start) : [block];
  if (isJsonProblem(blocks)) return;
  for (const one of blocks) ofBlock(text, one, map, edits);
}

function ofBlock(text: string, block: Span, map: UriMap, edits: Edit[]): void {
  const type = stringAt(text, member(text, block, 'type'));
  if (type === 'resource_link') uriOf(text, block, map, edits);
  const resource = type === 'resource' ? member(text, block, 'resource') : undefined;
  if (resource) uriOf(text, resource, map, edits);
}

function uriOf(text: string, object: Span, map: UriMap, edits: Edit[]): void {
  const span = member(text, object, 'uri');
  const uri = stringAt(text, span);
  if (span && uri !== undefined) edits.push({ span, text: JSON.stringify(map(uri)) });
}

function member(text: string, object: Span, name: string): Span | undefined {
  if (!isObjectAt(text, object)) return undefined;
  const members = objectMembers(text, object.start);
  return isJsonProblem(members) ? undefined : members.get(name);
}
