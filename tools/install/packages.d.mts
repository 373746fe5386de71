/** Types of packages.mjs. */

export interface PackagesOptions {
  /** The checkout. */
  readonly root: string;
  readonly env: Record<string, string | undefined>;
  readonly say: (line: string) => void;
}

/** Runs `npm ci` when node_modules does not stand where package-lock.json says. @throws with a sentence when npm fails. */
export function ensurePackages(options: PackagesOptions): Promise<void>;

/** The environment for an npm that is started inside an npm script: without what concerns the outer command alone. */
export function npmEnv(env: Record<string, string | undefined>): Record<string, string | undefined>;
