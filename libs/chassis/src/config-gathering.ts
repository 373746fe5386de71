/** One pass over the environment: what was asked for, what was found, what was wrong. */

import { isDeepStrictEqual } from 'node:util';
import { isRefusal, type Refusal } from './config-values.ts';
import type { Described, Env, Needed, Optional, Problem, Reading } from './config-types.ts';
import { isSecretName } from './redact.ts';

const valueShownCharsMax = 60;

/** One kind of value: how it is read, shown and described. */
export interface Kind<T, Rule> {
  readonly type: (rule: Rule) => string;
  readonly parse: (text: string, rule: Rule) => T | Refusal;
  readonly show: (value: T) => string;
  /** Given where there is a problem; never seen, as `readConfig` gives the problems instead. */
  readonly standIn: T;
  readonly secret?: boolean;
}

/** What one pass has found so far. */
export class Gathered {
  readonly problems: Problem[] = [];
  readonly described: Described[] = [];
  readonly #env: Env;

  constructor(env: Env) {
    this.#env = env;
  }

  readonly refuse = (name: string, wrong: string): void => {
    const problem = `${name} ${wrong}.`;
    // a setting that several parts read has its problem once
    if (!this.problems.some((one) => one.problem === problem)) this.problems.push({ name, problem });
  };

  readonly reading = <T, Rule>(kind: Kind<T, Rule>): Reading<T, Rule> => {
    const take = (name: string, told: Rule & (Needed<T> | Optional)): T | undefined =>
      this.read(name, kind, told);
    function read(name: string, told: Rule & Needed<T>): T;
    function read(name: string, told: Rule & Optional): T | undefined;
    function read(name: string, told: Rule & (Needed<T> | Optional)): T | undefined {
      return take(name, told);
    }
    return read;
  };

  /** Undefined only for what is optional and not set. */
  read<T, Rule>(name: string, kind: Kind<T, Rule>, told: Rule & Optional): T | undefined;
  read<T, Rule>(name: string, kind: Kind<T, Rule>, told: Rule & (Needed<T> | Optional)): T | undefined;
  read<T, Rule>(name: string, kind: Kind<T, Rule>, told: Rule & (Needed<T> | Optional)): T | undefined {
    const { orElse, optional } = { orElse: undefined, optional: undefined, ...told };
    this.#describe(name, kind, told, orElse);
    const text = this.#env[name]?.trim() ?? '';
    if (text === '') {
      if (orElse === undefined && optional === undefined) {
        this.refuse(name, `is not set: ${told.help.replace(/\.$/, '')} (${kind.type(told)})`);
        return kind.standIn;
      }
      return orElse;
    }
    const value = kind.parse(text, told);
    if (!isRefusal(value)) return value;
    this.refuse(name, `${value.wrong}${this.#shown(name, text, kind)}`);
    return kind.standIn;
  }

  #describe<T, Rule>(
    name: string,
    kind: Kind<T, Rule>,
    told: Rule & (Needed<T> | Optional),
    orElse: T | undefined,
  ): void {
    const description: Described = {
      name,
      type: kind.type(told),
      orElse: orElse === undefined ? undefined : kind.show(orElse),
      required: orElse === undefined && !('optional' in told),
      secret: kind.secret === true,
      help: told.help,
    };
    const before = this.described.find((one) => one.name === name);
    if (!before) this.described.push(description);
    else if (!isDeepStrictEqual(before, description)) throw new Error(`${name} is read in two ways`);
  }

  /**
   * The value itself only where it can be no secret: neither by its kind, nor its name, nor as part of a URL.
   */
  #shown<T, Rule>(name: string, text: string, kind: Kind<T, Rule>): string {
    if (kind.secret === true || isSecretName(name) || text.includes('@')) return '';
    const cut = text.length > valueShownCharsMax ? `${text.slice(0, valueShownCharsMax)}…` : text;
    return `; it is ${JSON.stringify(cut)}`;
  }
}
