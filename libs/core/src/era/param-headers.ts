/** Tool arguments that are repeated in `Mcp-Param-*` headers (MCP 2026-07-28, "Custom headers from tool parameters"; SEP-2243). */

import { isJsonObject, parseJsonObject, type JsonObject } from '../model/json.ts';
import { decodeHeaderValue, encodeHeaderValue } from '../wire/header-value.ts';
import {
  isJsonProblem,
  isObjectAt,
  mayMention,
  objectMembers,
  stringAt,
  textOf,
  type JsonProblem,
  type Members,
} from '../wire/json-spans.ts';
import type { Params } from './message.ts';

/** One argument that a header repeats. */
export interface ParamHeader {
  /** Lower case, `mcp-param-…`. */
  readonly header: string;
  /** Member names from `params.arguments` down to the argument. */
  readonly path: readonly string[];
  readonly type: 'string' | 'integer' | 'boolean';
}

const annotation = 'x-mcp-header';
const headerPrefix = 'mcp-param-';
/** Schemas nested deeper are refused where they carry an annotation at all. */
const schemaDepthMax = 64;
/** Most arguments of one tool that headers may repeat: servers take some 16 KiB of headers in all. */
const paramHeadersMax = 64;
/** RFC 9110 §5.6.2. */
const httpToken = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Keywords that hold a schema or an array of schemas (JSON Schema 2020-12 and the drafts before it). */
const schemaKeywords: readonly string[] = [
  'items',
  'prefixItems',
  'additionalItems',
  'contains',
  'additionalProperties',
  'unevaluatedProperties',
  'unevaluatedItems',
  'propertyNames',
  'contentSchema',
  'oneOf',
  'anyOf',
  'allOf',
  'not',
  'if',
  'then',
  'else',
];
/** Keywords that hold schemas by name. */
const schemaMaps: readonly string[] = [
  'patternProperties',
  'dependentSchemas',
  'dependencies',
  '$defs',
  'definitions',
];

class Offence extends Error {}

/**
 * The arguments of one tool definition that headers repeat; a problem where an annotation breaks a rule or stands where a
 * client cannot reach it through `properties` alone: such a tool must not be offered.
 */
export function readParamHeaders(toolText: string): readonly ParamHeader[] | { readonly problem: string } {
  if (!mayMention(toolText, annotation)) return [];
  const schema = parseJsonObject(toolText)?.['inputSchema'];
  if (!isJsonObject(schema)) return [];
  const found: ParamHeader[] = [];
  try {
    visit(schema, [], true, 0, found);
  } catch (thrown) {
    if (thrown instanceof Offence) return { problem: thrown.message };
    throw thrown;
  }
  return found;
}

function visit(
  schema: unknown,
  path: readonly string[],
  reachable: boolean,
  depth: number,
  found: ParamHeader[],
): void {
  if (!isJsonObject(schema)) return;
  if (depth > schemaDepthMax)
    throw new Offence(`a schema with ${annotation} is nested deeper than ${schemaDepthMax}`);
  if (Object.hasOwn(schema, annotation)) found.push(readAnnotation(schema, path, reachable, found));
  const properties = schema['properties'];
  if (isJsonObject(properties)) {
    for (const [name, property] of Object.entries(properties))
      visit(property, [...path, name], reachable, depth + 1, found);
  }
  const elsewhere = (branch: unknown): void => visit(branch, path, false, depth + 1, found);
  for (const keyword of schemaKeywords) {
    const branch = schema[keyword];
    if (Array.isArray(branch)) branch.forEach(elsewhere);
    else elsewhere(branch);
  }
  for (const keyword of schemaMaps) {
    const branches = schema[keyword];
    if (isJsonObject(branches)) Object.values(branches).forEach(elsewhere);
  }
}

function readAnnotation(
  schema: JsonObject,
  path: readonly string[],
  reachable: boolean,
  found: readonly ParamHeader[],
): ParamHeader {
  const at = path.length === 0 ? 'the root' : JSON.stringify(path.join('.').slice(0, 128));
  if (!reachable || path.length === 0)
    throw new Offence(`${annotation} at ${at} cannot be reached through "properties" alone`);
  const name = schema[annotation];
  if (typeof name !== 'string' || !httpToken.test(name))
    throw new Offence(`${annotation} at ${at} is not an HTTP token`);
  const type = schema['type'];
  if (type !== 'string' && type !== 'integer' && type !== 'boolean')
    throw new Offence(`${annotation} at ${at} needs a schema of type string, integer or boolean`);
  const header = headerPrefix + name.toLowerCase();
  if (found.length >= paramHeadersMax)
    throw new Offence(`${annotation} stands at more than ${paramHeadersMax} arguments`);
  if (found.some((other) => other.header === header))
    throw new Offence(`${annotation} ${JSON.stringify(name.slice(0, 64))} stands twice`);
  return { header, path, type };
}

/** The headers for the params of one tools/call; nothing for arguments that are null, absent or no single value. */
export function emitParamHeaders(params: Params, specs: readonly ParamHeader[]): Record<string, string> {
  const headers: Record<string, string> = {};
  const args = new Arguments(params);
  for (const spec of specs) {
    const value = args.at(spec.path);
    if (typeof value === 'string') headers[spec.header] = encodeHeaderValue(value);
  }
  return headers;
}

/** The arguments of a call; each of their objects is read once. */
class Arguments {
  readonly #params: Params;
  readonly #read = new Map<number, Members | JsonProblem>();

  constructor(params: Params) {
    this.#params = params;
  }

  /** The argument as a header says it; undefined where a header says nothing; a problem where names stand twice. */
  at(path: readonly string[]): string | undefined | JsonProblem {
    const { text, members } = this.#params;
    let span = members.get('arguments');
    for (const name of path) {
      if (span === undefined || !isObjectAt(text, span)) return undefined;
      const inner = this.#read.get(span.start) ?? objectMembers(text, span.start);
      this.#read.set(span.start, inner);
      if (isJsonProblem(inner)) return inner;
      span = inner.get(name);
    }
    return span && (stringAt(text, span) ?? scalarText(textOf(text, span)));
  }
}

const wholeDigits = /^-?[0-9]+$/;

function scalarText(raw: string): string | undefined {
  if (raw === 'true' || raw === 'false') return raw;
  const value = /^[-0-9]/.test(raw) ? Number(raw) : Number.NaN;
  if (Number.isSafeInteger(value)) return String(value === 0 ? 0 : value);
  if (wholeDigits.test(raw)) return raw;
  // A fraction breaks the argument's own type; its server says so. It is still said as it stands in the body.
  return Number.isFinite(value) && !Number.isInteger(value) ? String(value) : undefined;
}

/**
 * One sentence about the first header that is missing, cannot be decoded, or says other than the body; undefined where
 * all agree. Integers are compared as numbers (`42.0` is 42).
 */
export function paramHeaderMismatch(
  params: Params,
  specs: readonly ParamHeader[],
  received: Readonly<Record<string, string | undefined>>,
): string | undefined {
  if (specs.length === 0) return undefined;
  const lower = new Map<string, string>();
  for (const [name, value] of Object.entries(received)) {
    if (value === undefined) continue;
    const key = name.toLowerCase();
    const other = lower.get(key);
    lower.set(key, other === undefined ? value : `${other}, ${value}`);
  }
  const args = new Arguments(params);
  for (const spec of specs) {
    const mismatch = oneMismatch(args.at(spec.path), spec, lower.get(spec.header));
    if (mismatch !== undefined) return mismatch;
  }
  return undefined;
}

function oneMismatch(
  value: string | undefined | JsonProblem,
  spec: ParamHeader,
  header: string | undefined,
): string | undefined {
  const argument = `params.arguments.${spec.path.join('.').slice(0, 128)}`;
  if (typeof value === 'object') return `The arguments are ambiguous: ${value.problem}.`;
  if (header === undefined)
    return value === undefined ? undefined : `The header ${spec.header} is missing; repeat ${argument}.`;
  const said = decodeHeaderValue(header);
  if (said === undefined)
    return `The header ${spec.header} holds characters that need the =?base64?…?= form, or base64 that is not valid.`;
  if (value === undefined)
    return `The header ${spec.header} is given, but ${argument} has no value to repeat.`;
  return said === value || (spec.type === 'integer' && sameInteger(said, value))
    ? undefined
    : `The header ${spec.header} is ${JSON.stringify(said.slice(0, 128))}, ${argument} says ${JSON.stringify(value.slice(0, 128))}.`;
}

function sameInteger(said: string, value: string): boolean {
  return (
    /^-?[0-9]+(?:\.0+)?$/.test(said) && Number.isSafeInteger(Number(value)) && Number(said) === Number(value)
  );
}
