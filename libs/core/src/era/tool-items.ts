/** Tool definitions and structured results between the eras: what one era's shape forbids, the other's is turned into. */

import type { ListKind } from '../catalog/listing.ts';
import { isJsonObject, parseJsonObject, type Json, type JsonObject } from '../model/json.ts';
import {
  arrayElements,
  isArrayAt,
  isJsonProblem,
  isObjectAt,
  mayMention,
  textOf,
  wholeObject,
} from '../wire/json-spans.ts';
import { changeMembers, splice, type Edit } from '../wire/splice.ts';

/**
 * One item of a modern server's list as legacy callers must see it: an output schema whose root is no object is wrapped,
 * for `structuredContent` is an object there.
 */
export function legacyItem(kind: ListKind, itemText: string): string {
  if (kind !== 'tools' || !mayMention(itemText, 'outputSchema')) return itemText;
  const members = wholeObject(itemText);
  const span = isJsonProblem(members) ? undefined : members.get('outputSchema');
  if (!span || !isObjectAt(itemText, span)) return itemText;
  const schema = parseJsonObject(textOf(itemText, span));
  if (!schema || schema['type'] === 'object') return itemText;
  return splice(itemText, [{ span, text: JSON.stringify(wrappedSchema(schema)) }]);
}

/** One item of a legacy server's list as modern callers must see it: `execution` is gone from tools. */
export function modernItem(kind: ListKind, itemText: string): string {
  if (kind !== 'tools' || !mayMention(itemText, 'execution')) return itemText;
  const members = wholeObject(itemText);
  if (isJsonProblem(members) || !members.has('execution')) return itemText;
  return changeMembers(itemText.trimStart(), { execution: undefined });
}

/** The list result with every item mapped; what stays the same stays to the letter. */
export function mapItems(kind: ListKind, resultText: string, map: (item: string) => string): string {
  const members = wholeObject(resultText);
  const list = isJsonProblem(members) ? undefined : members.get(kind);
  if (!list || !isArrayAt(resultText, list)) return resultText;
  const elements = arrayElements(resultText, list.start);
  if (isJsonProblem(elements)) return resultText;
  const edits: Edit[] = [];
  for (const span of elements) {
    const item = textOf(resultText, span);
    const text = map(item);
    if (text !== item) edits.push({ span, text });
  }
  return splice(resultText, edits);
}

/** `structuredContent` that is no object, as `{"result": …}`. */
export function wrapStructured(resultText: string): string {
  if (!mayMention(resultText, 'structuredContent')) return resultText;
  const members = wholeObject(resultText);
  const span = isJsonProblem(members) ? undefined : members.get('structuredContent');
  if (!span || isObjectAt(resultText, span)) return resultText;
  return splice(resultText, [{ span, text: `{"result":${textOf(resultText, span)}}` }]);
}

/**
 * A schema for what `wrapStructured` makes of this schema's values. Where they are never objects, that is
 * `{result: value}` always. Where they may be (no `type`, or several), objects stand as they are and others are wrapped.
 * What was valid stays valid; in the second case a wrapped value may also pass as an object of its own.
 */
function wrappedSchema(schema: JsonObject): JsonObject {
  const dialect = typeof schema['$schema'] === 'string' ? { $schema: schema['$schema'] } : {};
  const { $schema: _dialect, ...rest } = schema;
  if (!mayBeObject(schema)) {
    const result = moved(rest, '#/properties/result');
    return { ...dialect, type: 'object', properties: { result }, required: ['result'] };
  }
  const wrapped = { properties: { result: { $ref: '#/anyOf/0' } }, required: ['result'] };
  return { ...dialect, type: 'object', anyOf: [moved(rest, '#/anyOf/0'), wrapped] };
}

function mayBeObject(schema: JsonObject): boolean {
  const type = schema['type'];
  if (typeof type === 'string') return false;
  return !Array.isArray(type) || type.includes('object');
}

/** Keywords whose values are data, not schemas. */
const dataKeywords: ReadonlySet<string> = new Set(['const', 'enum', 'default', 'examples']);
/** Keywords whose members are named by the author, each a schema. */
const nameMaps: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  '$defs',
  'definitions',
  'dependentSchemas',
  'dependencies',
]);

/** The schema with pointers into its own document leading to its new place. */
function moved(schema: JsonObject, to: string): JsonObject {
  return startsDocument(schema) ? schema : movedObject(schema, to);
}

/** A schema with an `$id` of its own is a document of its own: pointers inside stay what they are. */
function startsDocument(schema: JsonObject): boolean {
  const id = schema['$id'];
  return id !== undefined && !(typeof id === 'string' && id.startsWith('#'));
}

function movedObject(schema: JsonObject, to: string): JsonObject {
  return mapMembers(schema, (name, value) => {
    if ((name === '$ref' || name === '$dynamicRef') && typeof value === 'string')
      return movedPointer(value, to);
    if (dataKeywords.has(name)) return value;
    return nameMaps.has(name) && isJsonObject(value)
      ? mapMembers(value, (_name, one) => movedValue(one, to))
      : movedValue(value, to);
  });
}

function mapMembers(
  object: JsonObject,
  map: (name: string, value: Json | undefined) => Json | undefined,
): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, map(name, value)]));
}

function movedValue(value: Json | undefined, to: string): Json | undefined {
  if (Array.isArray(value)) return value.map((item: Json) => movedValue(item, to) ?? null);
  return isJsonObject(value) ? moved(value, to) : value;
}

function movedPointer(pointer: string, to: string): string {
  if (pointer === '#') return to;
  return pointer.startsWith('#/') ? `${to}${pointer.slice(1)}` : pointer;
}
