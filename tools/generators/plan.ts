/** What a generator would write, before anything is written; and the spellings of a name. */

export interface Plan {
  /** Text by path from the root. */
  readonly files: ReadonlyMap<string, string>;
  /** What is left to do by hand, in order. */
  readonly next: readonly string[];
}

export interface Name {
  /** `rate-card` */
  readonly kebab: string;
  /** `rateCard` */
  readonly camel: string;
  /** `RateCard` */
  readonly pascal: string;
  /** `rate_card`, for metrics */
  readonly snake: string;
}

const nameLengthMax = 40;

/** The spellings of a name, or a sentence that says what is wrong with it. */
export function parseName(text: string): Name | string {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(text) || text.length > nameLengthMax) {
    return `"${text}" is no name: small letters and digits, words joined by one "-", at most ${nameLengthMax} characters`;
  }
  const pascal = text.replace(/(?:^|-)([a-z0-9])/g, (_, first: string) => first.toUpperCase());
  const camel = pascal.charAt(0).toLowerCase() + pascal.slice(1);
  return { kebab: text, camel, pascal, snake: text.replaceAll('-', '_') };
}

/** The package.json of a new lib. */
export function packageText(name: string, tag: string, dependencies: readonly string[]): string {
  const json = {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    exports: { '.': './src/index.ts' },
    dependencies: Object.fromEntries(dependencies.map((dependency) => [dependency, '*'])),
    nx: { tags: [tag] },
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}
