/** One spelling for equal JSON: sorted keys, no space, numbers in one form, so that equal values give equal text. */

import type { Json } from '../model/json.ts';
import type { Params } from '../era/message.ts';
import { isJsonProblem, textOf, wholeValue } from './json-spans.ts';

const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The value as text: members sorted by code unit, undefined members left out. Nesting is as deep as the value's own. */
export function canonicalJson(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(',')}]`;
  const object = value as { readonly [key: string]: Json | undefined };
  const parts: string[] = [];
  for (const key of Object.keys(object).sort(byCodeUnit)) {
    const member = object[key];
    if (member !== undefined) parts.push(`${JSON.stringify(key)}:${canonicalJson(member)}`);
  }
  return `{${parts.join(',')}}`;
}

/**
 * The same for JSON text, exact for numbers of any length: `1.0` and `10e-1` are one number, two integers beyond 2^53 stay
 * two. Text that is no JSON, or nested deeper than messages may be, comes back as it is.
 */
export function canonicalText(text: string): string {
  const whole = wholeValue(text);
  return isJsonProblem(whole) ? text : new CanonicalReader(text, whole.start).value();
}

/** Walks text that is known to be JSON, once. */
class CanonicalReader {
  readonly #text: string;
  #at: number;

  constructor(text: string, start: number) {
    this.#text = text;
    this.#at = start;
  }

  value(): string {
    const first = this.#text.charAt(this.#at);
    if (first === '{') return this.#object();
    if (first === '[') return this.#array();
    if (first === '"') return this.#string();
    return this.#scalar();
  }

  #object(): string {
    const members: { readonly name: string; readonly text: string }[] = [];
    for (let mark = this.#mark(); mark !== '}'; mark = this.#mark()) {
      const name = this.#string();
      this.#mark();
      members.push({ name, text: this.value() });
    }
    // The sort is stable: a name that stands twice keeps its order, so texts that differ in it stay different.
    members.sort((a, b) => byCodeUnit(a.name, b.name));
    return `{${members.map(({ name, text }) => `${name}:${text}`).join(',')}}`;
  }

  #array(): string {
    const items: string[] = [];
    for (let mark = this.#mark(); mark !== ']'; mark = this.#mark()) items.push(this.value());
    return `[${items.join(',')}]`;
  }

  /** Passes one mark and the space around it. An empty object's brace is followed by the mark that ends it. */
  #mark(): string {
    this.#skipSpace();
    const mark = this.#text.charAt(this.#at);
    this.#at += 1;
    this.#skipSpace();
    const next = this.#text.charAt(this.#at);
    if ((mark !== '{' || next !== '}') && (mark !== '[' || next !== ']')) return mark;
    this.#at += 1;
    return next;
  }

  #skipSpace(): void {
    while (' \n\r\t'.includes(this.#text.charAt(this.#at) || 'x')) this.#at += 1;
  }

  #string(): string {
    const start = this.#at;
    let i = start + 1;
    for (let c = this.#text.charCodeAt(i); c !== 34; c = this.#text.charCodeAt(i)) i += c === 92 ? 2 : 1;
    this.#at = i + 1;
    const raw = this.#text.slice(start, this.#at);
    return JSON.stringify(JSON.parse(raw));
  }

  #scalar(): string {
    const start = this.#at;
    while (/[-+.\w]/.test(this.#text.charAt(this.#at))) this.#at += 1;
    const raw = this.#text.slice(start, this.#at);
    return raw === 'true' || raw === 'false' || raw === 'null' ? raw : canonicalNumber(raw);
  }
}

/** Digits without zeros at either end, times a power of ten. */
function canonicalNumber(raw: string): string {
  const sign = raw.startsWith('-') ? '-' : '';
  const [mantissa = '', power = '0'] = raw.slice(sign.length).toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const digits = whole + fraction;
  let from = 0;
  let to = digits.length;
  while (from < to && digits[from] === '0') from += 1;
  while (to > from && digits[to - 1] === '0') to -= 1;
  if (from === to) return '0';
  // An exponent that no double can hold is compared as spelled.
  if (power.length > 15) return raw;
  const exponent = Number(power) - fraction.length + (digits.length - to);
  return `${sign}${digits.slice(from, to)}${exponent === 0 ? '' : `e${exponent}`}`;
}

/** Members that change from one round of a dialogue to the next; everything else makes the call what it is. */
const passing: ReadonlySet<string> = new Set(['_meta', 'inputResponses', 'requestState']);

/**
 * What makes two requests the same call: method and params without `_meta` and the dialogue's own members. Equal for
 * members in another order and numbers spelled otherwise. For a digest; no part of it is cut.
 */
export function callDigestText(method: string, params: Params): string {
  const parts: string[] = [];
  const members = [...params.members].sort(([a], [b]) => byCodeUnit(a, b));
  for (const [name, span] of members) {
    if (passing.has(name)) continue;
    parts.push(`${JSON.stringify(name)}:${canonicalText(textOf(params.text, span))}`);
  }
  return `{"method":${JSON.stringify(method)},"params":{${parts.join(',')}}}`;
}
