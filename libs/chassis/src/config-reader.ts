/**
 * Reads a service's settings from the environment: all problems at once, and a description of itself for the
 * docs.
 */

import { didYouMean } from './did-you-mean.ts';
import {
  isRefusal,
  parseBoolean,
  parseBytes,
  parseDurationMs,
  parseHostPort,
  parseInteger,
  parseList,
  parseNumber,
  parseOneOf,
  parsePort,
  parseUrl,
  type Range,
  type Refusal,
  showBytes,
  showDurationMs,
  showHostPort,
  type UrlRule,
} from './config-values.ts';
import { Gathered, type Kind } from './config-gathering.ts';
import type { Described, Env, ListRule, Needed, Optional, Problem, Reader } from './config-types.ts';
import { Secret } from './secret.ts';

const ranged =
  (word: string, show: (value: number) => string) =>
  (range: Range): string => {
    if (range.min !== undefined && range.max !== undefined)
      return `${word}, ${show(range.min)} to ${show(range.max)}`;
    if (range.min !== undefined) return `${word}, at least ${show(range.min)}`;
    return range.max === undefined ? word : `${word}, at most ${show(range.max)}`;
  };

const nobody = (): string => '[secret]';

/** One reader for one pass over the environment. */
export function createReader(env: Env): Reader {
  const gathered = new Gathered(env);
  const { reading } = gathered;
  return {
    text: reading({ type: () => 'text', parse: (text) => text, show: String, standIn: '' }),
    optionalText: (name, told) => gathered.read(name, textKind, { ...told, optional: true }),
    secret: reading({ ...secretKind, parse: (text) => new Secret(text) }),
    secretUrl: reading<Secret, UrlRule>({ ...secretKind, type: urlType, parse: parseSecretUrl }),
    integer: reading(numeric('integer', String, parseInteger)),
    number: reading(numeric('number', String, parseNumber)),
    boolean: reading({ type: () => 'true or false', parse: parseBoolean, show: String, standIn: false }),
    durationMs: reading(numeric('duration', showDurationMs, parseDurationMs)),
    bytes: reading(numeric('size', showBytes, parseBytes)),
    port: reading(numeric('port', String, parsePort)),
    hostPort: reading({
      type: () => 'host:port',
      parse: parseHostPort,
      show: showHostPort,
      standIn: { host: '', port: 0 },
    }),
    url: reading({ type: urlType, parse: parseUrl, show: String, standIn: '' }),
    list: reading<readonly string[], ListRule>({
      type: () => 'list, comma-separated',
      parse: (text, rule) => parseList(text, rule.refuseItem),
      show: (items) => items.join(','),
      standIn: [],
    }),
    oneOf: oneOfReading(gathered),
    refuse: gathered.refuse,
    problems: gathered.problems,
    described: gathered.described,
    misspelt: () =>
      didYouMean(
        env,
        gathered.described.map((one) => one.name),
      ),
  };
}

const textKind: Kind<string, unknown> = {
  type: () => 'text',
  parse: (text) => text,
  show: String,
  standIn: '',
};

const secretKind = { type: () => 'secret text', show: nobody, standIn: new Secret(''), secret: true };

const urlType = (rule: UrlRule): string =>
  `URL, ${rule.protocols.map((protocol) => `${protocol}://`).join(' or ')}`;

function parseSecretUrl(text: string, rule: UrlRule): Secret | Refusal {
  const url = parseUrl(text, rule);
  return isRefusal(url) ? url : new Secret(url);
}

function numeric(
  word: string,
  show: (value: number) => string,
  parse: (text: string, range: Range) => number | Refusal,
): Kind<number, Range> {
  return { type: ranged(word, show), parse, show, standIn: 0 };
}

function oneOfReading(gathered: Gathered): Reader['oneOf'] {
  function oneOf<const T extends string>(name: string, words: readonly T[], told: Needed<NoInfer<T>>): T;
  function oneOf<const T extends string>(name: string, words: readonly T[], told: Optional): T | undefined;
  function oneOf<const T extends string>(
    name: string,
    words: readonly T[],
    told: Needed<T> | Optional,
  ): T | undefined {
    const [standIn] = words;
    if (standIn === undefined) throw new Error(`${name} has no word to choose from`);
    const kind: Kind<T, unknown> = {
      type: () => `one of ${words.join(', ')}`,
      parse: (text) => parseOneOf(text, words),
      show: String,
      standIn,
    };
    return gathered.read(name, kind, told);
  }
  return oneOf;
}

/** The config that `build` makes, or every problem that it met. */
export function readConfig<T extends object>(env: Env, build: (read: Reader) => T): T | readonly Problem[] {
  const read = createReader(env);
  const config = build(read);
  return read.problems.length > 0 ? read.problems : config;
}

/** True where `readConfig` found problems; a config is never an array. */
export function isProblems<T extends object>(config: T | readonly Problem[]): config is readonly Problem[] {
  return Array.isArray(config);
}

/**
 * What `build` would read, without an environment: `build` must read the same names whatever their values
 * are.
 */
export function describeConfig(build: (read: Reader) => unknown): readonly Described[] {
  const read = createReader({});
  build(read);
  return read.described;
}

/** Thrown by `orRefuse`; `runMain` prints the problems one a line and ends with 64. */
export class ConfigRefused extends Error {
  override readonly name = 'ConfigRefused';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map((one) => one.problem).join(' '));
    this.problems = problems;
  }
}

/** For mains: the config, or a throw that `runMain` understands. */
export function orRefuse<T extends object>(config: T | readonly Problem[]): T {
  if (isProblems(config)) throw new ConfigRefused(config);
  return config;
}
