/**
 * Takes secrets out of what is about to be logged: by the name of a field, and by their usual shape inside a
 * text.
 */

export const redacted = '***REDACTED***';

const depthMax = 6;
const entriesMax = 100;
const textCharsMax = 8_192;
const namesKeptMax = 1_000;

/** A name that holds one of these is secret, wherever in the name it stands. */
const strong =
  /passw(?:or)?d|passphrase|secret|authorization|cookie|credential|(?:api|private|access|signing|encryption)key/;
/** A name that ends so is secret: `accessToken`, not `tokenBudget`. */
const weak = /(token|bearer|jwt|pwd)s?$/;
/** A last word that says something about a secret without being one: `apiKeyId`, `tokenCount`. */
const aboutOnly = new Set([
  'id',
  'ids',
  'name',
  'names',
  'count',
  'type',
  'kind',
  'length',
  'status',
  'ttl',
  'ms',
  'at',
]);

const verdicts = new Map<string, boolean>();

/** True where a field of this name holds a secret, in any spelling: `apiKey`, `API_KEY`, `x-api-key`. */
export function isSecretName(name: string): boolean {
  const kept = verdicts.get(name);
  if (kept !== undefined) return kept;
  const verdict = judge(name);
  // names come from code, so they are few; a body with made-up names must not fill the memory
  if (verdicts.size >= namesKeptMax) verdicts.clear();
  if (name.length <= 64) verdicts.set(name, verdict);
  return verdict;
}

function judge(name: string): boolean {
  const words = name
    .slice(0, 256)
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  const joined = words.join('');
  if (!strong.test(joined) && !weak.test(joined)) return false;
  return !aboutOnly.has(words.at(-1) ?? '');
}

/** Passwords in URLs and credentials of an Authorization header are replaced; long texts are cut. */
export function redactText(text: string): string {
  const cut =
    text.length > textCharsMax ? `${text.slice(0, textCharsMax)}… (${text.length} characters)` : text;
  return cut
    .replace(/:\/\/[^\s/@"'<>]+@/g, `://${redacted}@`)
    .replace(/\b(bearer|basic)[ \t]+[\w.~+/=-]{8,}/gi, `$1 ${redacted}`);
}

/**
 * A copy that can be logged: secrets replaced, errors, dates, maps and big integers made readable, depth,
 * breadth and length bounded, circles cut.
 */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactEntries(Object.entries(fields), [fields]);
}

function redactEntries(
  entries: Iterable<readonly [string, unknown]>,
  above: readonly object[],
): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  let count = 0;
  for (const [name, value] of entries) {
    if (value === undefined || typeof value === 'function') continue;
    if ((count += 1) > entriesMax) {
      copy['…'] = 'more was left out';
      break;
    }
    // a plain assignment of this name would set the prototype
    if (name === '__proto__') continue;
    copy[name] = isSecretName(name) && isWorthHiding(name, value) ? redacted : redactValue(value, above);
  }
  return copy;
}

/** Nothing, yes or no is no secret; nor is a number of tokens. */
function isWorthHiding(name: string, value: unknown): boolean {
  if (value === null || typeof value === 'boolean') return false;
  return !(typeof value === 'number' && /tokens$/i.test(name));
}

function redactValue(value: unknown, above: readonly object[]): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (above.includes(value)) return '[circular]';
  if (above.length >= depthMax) return '[deeper]';
  try {
    return redactObject(value, [...above, value]);
  } catch {
    // a getter, a proxy or a toJSON that throws must not take the log line with it
    return '[unreadable]';
  }
}

function redactObject(value: object, above: readonly object[]): unknown {
  if (value instanceof Error) return redactError(value, above);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Map) {
    const named = (key: unknown): string => (typeof key === 'object' ? '[object]' : String(key));
    return redactEntries(
      [...value].map(([key, one]): [string, unknown] => [named(key), one]),
      above,
    );
  }
  if (Array.isArray(value) || value instanceof Set) {
    const items = [...value].slice(0, entriesMax).map((item) => redactValue(item, above) ?? null);
    const total = Array.isArray(value) ? value.length : value.size;
    return total > entriesMax ? [...items, `… (${total} items)`] : items;
  }
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    const { toJSON } = value;
    return redactValue(Reflect.apply(toJSON, value, ['']), above);
  }
  return redactEntries(Object.entries(value), above);
}

function redactError(error: Error, above: readonly object[]): Record<string, unknown> {
  const own = Object.entries(error).filter(
    ([name]) => name !== 'name' && name !== 'stack' && name !== 'cause',
  );
  return {
    type: error.name,
    message: redactText(String(error.message)),
    ...(error.stack === undefined ? {} : { stack: redactText(String(error.stack)) }),
    ...redactEntries(own, above),
    ...(error.cause === undefined ? {} : { cause: redactValue(error.cause, above) }),
  };
}
