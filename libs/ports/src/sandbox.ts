/** Code of strangers, run inside a boundary: what the machine offers for it, and one run with a certain end. */

/** Where a limit comes from; `none` where this machine cannot set it. */
export type LimitSource = 'cgroup' | 'namespace' | 'sampled' | 'none';

/** What keeps a run in, as it was found by trying it out on this machine. */
export interface Boundary {
  /** Name and version of what makes it, such as `bubblewrap 0.8.0`. */
  readonly by: string;
  readonly namespaces: readonly string[];
  /** True: each run has a user id that nobody else on the machine has. */
  readonly ownUid: boolean;
  readonly noNewPrivileges: boolean;
  /** What is left of the capabilities, `none` or the mask. */
  readonly capabilities: string;
  /** Architecture and number of refused system calls. */
  readonly seccomp: string;
  /** False: a run cannot make namespaces of its own. */
  readonly nestedNamespaces: boolean;
  /** Devices of the network that a run sees. */
  readonly network: readonly string[];
  /** What runs reach through a proxy, as `host:port`; empty: nothing outside. */
  readonly allowedHosts: readonly string[];
  readonly cgroup: 'v1' | 'v2' | 'none';
  readonly limits: {
    readonly memory: LimitSource;
    readonly processes: LimitSource;
    readonly cpu: LimitSource;
  };
  /** What is weaker here than it could be, each a sentence. */
  readonly remarks: readonly string[];
}

/** The boundary cannot be had here: what is missing and how to get it, as sentences. */
export interface SandboxRefusal {
  readonly refused: string;
}

export type SandboxProgram = 'python' | 'bash';
export type OutputName = 'stdout' | 'stderr';

export interface SandboxFile {
  /** Relative, `/` between names, no `.` and `..`; see `readSandboxPath`. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface SandboxBounds {
  /** Wall clock, from the first instruction of the program to the end of all that it started. */
  readonly timeoutMs: number;
  readonly memoryBytesMax: number;
  /** Processes and threads at one time. */
  readonly processesMax: number;
  /** Processors' worth of time, such as 0.5. */
  readonly cpuMax: number;
  /** Handed on of each of the two streams. */
  readonly outputBytesMax: number;
  /** The work folder, all files together; the temporary folder has as much. */
  readonly workBytesMax: number;
  readonly fileBytesMax: number;
  /** Files given back, and their bytes all together. */
  readonly filesMax: number;
  readonly filesBytesMax: number;
}

export interface SandboxJob {
  readonly program: SandboxProgram;
  readonly code: string;
  /** What the program finds as its arguments. */
  readonly args: readonly string[];
  readonly stdin: Uint8Array;
  /** Put into the work folder before the program starts. */
  readonly files: readonly SandboxFile[];
  /** `changed`: files that the program made or changed; `all`: also those that it left as they came. */
  readonly giveBack: 'changed' | 'all';
  readonly bounds: SandboxBounds;
  /** Pieces as they come, cut anywhere, at most `outputBytesMax` of each stream. */
  onOutput(stream: OutputName, bytes: Uint8Array): void;
  /** Abort kills everything at once. */
  readonly signal: AbortSignal;
}

export interface StreamCount {
  readonly bytes: number;
  /** Of these, not handed on. */
  readonly droppedBytes: number;
}

export type LeftOutReason =
  'not_a_file' | 'linked_twice' | 'too_large' | 'too_many' | 'bad_name' | 'unreadable';

export interface LeftOut {
  readonly path: string;
  readonly reason: LeftOutReason;
}

/** How it came to an end; everything that it had started is gone. */
export interface SandboxOutcome {
  /** `output`: it wrote so much more than is handed on that it was ended for that. */
  readonly ended: 'exited' | 'timeout' | 'aborted' | 'memory' | 'output';
  /** Null where a signal ended it. As for shells, codes from 129 to 192 stand for signals. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly durationMs: number;
  /** Of all its processes together with their files in memory; undefined where the machine does not say. */
  readonly peakMemoryBytes: number | undefined;
  readonly stdout: StreamCount;
  readonly stderr: StreamCount;
  readonly files: readonly SandboxFile[];
  readonly leftOut: readonly LeftOut[];
}

export interface SandboxFault {
  readonly fault: 'bad_job' | 'sandbox_broken';
  readonly detail: string;
}

export interface Sandbox {
  /** Tries the boundary out. Cleans up what an earlier process left behind, too. */
  measure(): Promise<Boundary | SandboxRefusal>;
  /** Never rejects. Runs side by side; how many at a time is the caller's affair. */
  run(job: SandboxJob): Promise<SandboxOutcome | SandboxFault>;
  /** Ends what still runs and leaves nothing behind. */
  [Symbol.asyncDispose](): Promise<void>;
}

export function isSandboxRefusal(value: Boundary | SandboxRefusal): value is SandboxRefusal {
  return 'refused' in value;
}

export function isSandboxFault(value: SandboxOutcome | SandboxFault): value is SandboxFault {
  return 'fault' in value;
}

const pathCharsMax = 255;
const pathDepthMax = 8;

/** The path as it may be used, or what is wrong with it. It stays inside the work folder whatever it says. */
export function readSandboxPath(text: string): { readonly path: string } | { readonly problem: string } {
  if (text === '' || text.length > pathCharsMax)
    return { problem: `must have 1 to ${pathCharsMax} characters` };
  if (/\p{Cc}|\p{Cs}|\\/u.test(text)) return { problem: 'must have no control characters and no backslash' };
  if (text.startsWith('/')) return { problem: 'must be relative to the work folder' };
  const names = text.split('/');
  if (names.length > pathDepthMax) return { problem: `must have at most ${pathDepthMax} names` };
  if (names.some((name) => name === '' || name === '.' || name === '..'))
    return { problem: 'must have no empty names, no . and no ..' };
  if (names.some((name) => Buffer.byteLength(name) > 200))
    return { problem: 'must have names of at most 200 bytes' };
  return { path: text };
}
