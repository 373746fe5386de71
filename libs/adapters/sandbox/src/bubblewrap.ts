/** The Sandbox port on bubblewrap: namespaces, a filter, limits and a user of its own for each run. */

import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  Boundary,
  Log,
  Sandbox,
  SandboxFault,
  SandboxJob,
  SandboxOutcome,
  SandboxRefusal,
} from '@cruvero/ports';
import { Cgroups } from './cgroups.ts';
import { filterBytes, filterProgram } from './filter.ts';
import { filterName, type LaunchParts } from './launch.ts';
import { etcFiles, systemOptions, type SystemPaths } from './layout.ts';
import { measureBoundary } from './measure.ts';
import { isLeftover, killMarked, leftoverPrefix, ownPrefix } from './owner.ts';
import { OwnUids } from './own-uids.ts';
import { PipePool } from './pipes.ts';
import { openProxy, type Proxy } from './proxy.ts';
import type { NetworkOptions } from './proxy-rules.ts';
import { runJob } from './run.ts';
import { archOf } from './syscalls.ts';

export interface BubblewrapOptions {
  readonly bwrapPath?: string | undefined;
  readonly pythonPath?: string;
  readonly bashPath?: string;
  /** Folders of this machine that every run may read; `/usr` unless said. */
  readonly readOnlyPaths?: readonly string[];
  /** For a folder with this sandbox's own few files; the system's temporary folder unless said. */
  readonly tempFolder?: string;
  /** False leaves cgroups out, as on a machine that has none. */
  readonly cgroups?: boolean;
  /** Without it, and with an empty list, there is no network. */
  readonly network?: NetworkOptions;
  readonly log?: Log;
}

const bwrapPaths = ['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap'];

export function bubblewrapSandbox(options: BubblewrapOptions = {}): Sandbox {
  return new BubblewrapSandbox(options);
}

const proxiesName = 'proxies';

interface Prepared {
  readonly launch: Omit<LaunchParts, 'uid' | 'mark' | 'proxySocket'>;
  readonly pipes: PipePool;
  readonly cgroups: Cgroups;
  readonly uids: OwnUids;
  readonly mark: string;
}

class BubblewrapSandbox implements Sandbox {
  readonly #options: BubblewrapOptions;
  readonly #running = new Map<Promise<unknown>, AbortController>();
  #prepared: Promise<Prepared> | undefined;
  #folder: string | undefined;
  #runs = 0;
  #closed = false;

  constructor(options: BubblewrapOptions) {
    this.#options = options;
  }

  async measure(): Promise<Boundary | SandboxRefusal> {
    const missing = this.#missing();
    if (missing !== undefined) return { refused: missing };
    try {
      const { cgroups, uids, launch } = await this.#prepare();
      killMarked(isLeftover);
      await cgroups.sweep();
      this.#sweepFolders();
      const allowed = this.#options.network?.allowed ?? [];
      const run = (job: SandboxJob) => this.run(job);
      return await measureBoundary({ run, cgroups, uids, bwrap: launch.bwrap, allowed });
    } catch (error) {
      return {
        refused: `The sandbox cannot be set up: ${error instanceof Error ? error.message : String(error)}.`,
      };
    }
  }

  #missing(): string | undefined {
    if (process.platform !== 'linux') return `Code runs only on Linux, and this is ${process.platform}.`;
    if (!archOf(process.arch))
      return `There is no list of system calls for ${process.arch}; there is one for x64 and arm64.`;
    if (this.#bwrap === undefined)
      return 'The program bwrap is missing. Install bubblewrap (Debian, Ubuntu: apt-get install bubblewrap).';
    const { python, bash } = this.#system;
    for (const path of [python, bash])
      if (!existsSync(path)) return `The program ${path} is missing; runs need it.`;
    return undefined;
  }

  get #bwrap(): string | undefined {
    return [this.#options.bwrapPath ?? bwrapPaths].flat().find((path) => existsSync(path));
  }

  get #system(): SystemPaths {
    const {
      readOnlyPaths = ['/usr'],
      pythonPath = '/usr/bin/python3',
      bashPath = '/bin/bash',
    } = this.#options;
    return { readOnly: readOnlyPaths, python: pythonPath, bash: bashPath };
  }

  async run(job: SandboxJob): Promise<SandboxOutcome | SandboxFault> {
    if (this.#closed) return { fault: 'sandbox_broken', detail: 'the sandbox is closed' };
    const ending = new AbortController();
    const work = this.#runPrepared({
      ...job,
      onOutput: (stream, bytes) => job.onOutput(stream, bytes),
      signal: AbortSignal.any([job.signal, ending.signal]),
    });
    this.#running.set(work, ending);
    try {
      return await work;
    } finally {
      this.#running.delete(work);
    }
  }

  async #runPrepared(job: SandboxJob): Promise<SandboxOutcome | SandboxFault> {
    let prepared: Prepared;
    try {
      prepared = await this.#prepare();
    } catch (error) {
      return { fault: 'sandbox_broken', detail: error instanceof Error ? error.message : String(error) };
    }
    const { pipes, cgroups, uids, mark, launch } = prepared;
    const uid = uids.take();
    const run = `${ownPrefix(mark)}.${(this.#runs += 1)}`;
    let proxy: Proxy | undefined;
    try {
      proxy = await this.#openProxy(run, uid);
      const own = { mark: run, uid, proxySocket: proxy?.path };
      return await runJob(job, { pipes, cgroups, launch: { ...launch, ...own } });
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      return { fault: 'sandbox_broken', detail: `the network of the run: ${detail}` };
    } finally {
      await proxy?.[Symbol.asyncDispose]();
      uids.giveBack(uid);
    }
  }

  async #openProxy(run: string, uid: number | undefined): Promise<Proxy | undefined> {
    const { network, log } = this.#options;
    if (!network || network.allowed.length === 0) return undefined;
    const folder = join(this.#folder ?? '', proxiesName);
    return openProxy({ network, folder, run, uid, log });
  }

  #prepare(): Promise<Prepared> {
    return (this.#prepared ??= this.#prepareOnce());
  }

  async #prepareOnce(): Promise<Prepared> {
    const [bwrap, arch] = [this.#bwrap, archOf(process.arch)];
    if (bwrap === undefined || arch === undefined)
      throw new Error(this.#missing() ?? 'bubblewrap is missing');
    const folder = mkdtempSync(join(this.#options.tempFolder ?? tmpdir(), `${ownPrefix('files')}-`));
    this.#folder = folder;
    const hasNetwork = (this.#options.network?.allowed ?? []).length > 0;
    const uids = OwnUids.open();
    // A run's user has to come to its own socket by name; it can list neither folder, and no other socket lets it in.
    chmodSync(folder, hasNetwork && uids.available ? 0o711 : 0o700);
    if (hasNetwork) mkdirSync(join(folder, proxiesName));
    if (hasNetwork) chmodSync(join(folder, proxiesName), uids.available ? 0o711 : 0o700);
    const cgroups = await Cgroups.open(this.#options.cgroups === false ? '/nowhere' : '/proc/self');
    const memoryCounted = cgroups.has('memory');
    writeFileSync(join(folder, filterName), filterBytes(filterProgram(arch, memoryCounted)));
    for (const [name, text] of Object.entries(etcFiles)) writeFileSync(join(folder, name), text);
    const pipesFolder = join(folder, 'pipes');
    mkdirSync(pipesFolder, { mode: 0o700 });
    const system = this.#system;
    return {
      cgroups,
      pipes: new PipePool(pipesFolder),
      uids,
      mark: folder.slice(-6),
      launch: {
        ...{ bwrap, system, memoryCounted },
        systemOptions: systemOptions(system, this.#options.network?.allowed ?? []),
        stateFolder: folder,
      },
    };
  }

  #sweepFolders(): void {
    const above = this.#options.tempFolder ?? tmpdir();
    for (const name of readdirSync(above).filter((each) => each.startsWith(leftoverPrefix))) {
      if (isLeftover(name)) rmSync(join(above, name), { recursive: true, force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const ending of this.#running.values()) ending.abort();
    await Promise.allSettled(this.#running.keys());
    await this.#prepared?.catch(() => undefined);
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }
}
