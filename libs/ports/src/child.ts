/** A stdio MCP server as a child process: lines in, lines out, and a certain end. */

export interface ChildCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Added to a small inherited set (PATH, HOME, …); the parent's own environment does not leak into a child. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface ChildExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** Present where it never ran: not found, not executable. */
  readonly spawnError?: string;
}

export interface ChildUsage {
  readonly rssBytes: number;
  readonly cpuMs: number;
}

export interface Child {
  readonly pid: number | undefined;
  /** One line of stdin. False: the pipe is full or gone, the line was not taken. */
  writeLine(line: string): boolean;
  /** Ends stdin, then SIGTERM to the whole process group, then SIGKILL after `graceMs`. Resolves when all are gone. */
  stop(graceMs: number): Promise<ChildExit>;
  /** Undefined where the platform does not say. */
  usage(): ChildUsage | undefined;
}

export interface ChildEvents {
  /** A line of stdout without its end. Lines over `lineBytesMax` end the child. */
  onLine(line: string): void;
  /** A piece of stderr, bounded. */
  onStderr(text: string): void;
  /** Once. */
  onExit(exit: ChildExit): void;
}

export interface Children {
  /** Never throws; a command that cannot run exits at once with `spawnError`. */
  spawn(command: ChildCommand, events: ChildEvents, lineBytesMax: number): Child;
  /** Kills what is left. */
  [Symbol.asyncDispose](): Promise<void>;
}
