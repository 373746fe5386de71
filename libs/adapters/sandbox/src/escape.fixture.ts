/** How the escape corpus is told: each case tries to get out, and afterwards the world and the next call are looked at. */

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { AddressInfo } from 'node:net';
import { isSandboxRefusal, type Sandbox } from '@cruvero/ports';
import { ran, tell, type JobDraft, type Told } from '@cruvero/ports/contracts/sandbox';
import { bubblewrapSandbox, type BubblewrapOptions } from './bubblewrap.ts';

export interface EscapeCase extends Omit<JobDraft, 'code' | 'args'> {
  readonly name: string;
  /** Says `tried …` for what was refused, and `out …` for what got out. */
  readonly code: string;
  /** Proof that it was tried at all. */
  readonly tried?: RegExp;
  readonly check?: (told: Told) => void;
  /** Only where this holds. */
  readonly only?: boolean;
}

/** What must stay untouched: a secret in the environment and on disk, servers, and a process. */
class World {
  readonly canary = `canary-${randomUUID()}`;
  readonly folder = mkdtempSync(join(tmpdir(), 'cruvero-escape-'));
  readonly file = join(this.folder, 'secret');
  readonly socketPath = join(this.folder, 'socket');
  readonly abstractName = `\0cruvero-${randomUUID()}`;
  readonly #servers: Server[] = [];
  #bystander: ChildProcess | undefined;
  port = 0;
  touched = 0;

  async open(): Promise<void> {
    process.env['ESCAPE_CANARY'] = this.canary;
    writeFileSync(this.file, this.canary);
    this.#bystander = spawn('sleep', ['600'], { stdio: 'ignore' });
    for (const where of [
      { host: '127.0.0.1', port: 0 },
      { path: this.socketPath },
      { path: this.abstractName },
    ]) {
      const server = createServer((socket) => {
        this.touched += 1;
        socket.end(this.canary);
      });
      this.#servers.push(server.listen(where));
      await once(server, 'listening');
      if ('port' in where) this.port = (server.address() as AddressInfo).port;
    }
  }

  get bystander(): number {
    return this.#bystander?.pid ?? 0;
  }

  /** What a case is told of the world, as arguments. */
  get args(): readonly string[] {
    const { port, folder, file, socketPath, abstractName, bystander } = this;
    return [
      String(port),
      folder,
      file,
      socketPath,
      abstractName.slice(1),
      String(bystander),
      String(process.pid),
    ];
  }

  check({ outcome, stdout, stderr }: Told): void {
    const files =
      'files' in outcome ? outcome.files.map(({ bytes }) => Buffer.from(bytes).toString('latin1')) : [];
    assert.ok(![stdout, stderr, ...files].some((text) => text.includes(this.canary)), 'the canary got out');
    assert.equal(this.touched, 0, 'a server of the machine was reached');
    assert.equal(readFileSync(this.file, 'utf8'), this.canary);
    assert.ok(this.#bystander?.exitCode === null && this.#bystander.signalCode === null, 'a process was hit');
  }

  close(): void {
    delete process.env['ESCAPE_CANARY'];
    this.#bystander?.kill('SIGKILL');
    for (const server of this.#servers) server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Processes that bear the token of a case in their arguments: each case gets it as its last one. */
function alive(token: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^[0-9]+$/.test(pid) || pid === String(process.pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(token);
    } catch {
      return false;
    }
  });
}

/** Processes in pid namespaces below ours whose user is one that only this process hands out. */
function strangers(): readonly string[] {
  const first = 1_800_000_000 + (process.pid % 100_000) * 1_000;
  return readdirSync('/proc').filter((pid) => {
    try {
      const uid = Number(/^Uid:\s+([0-9]+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
      return uid >= first && uid < first + 1_000;
    } catch {
      return false;
    }
  });
}

/** In front of Python code: `attempt` says what came of it, `call` makes a system call by its number. */
const prelude = `
import os, sys, ctypes, errno, socket
port, folder, secret, socket_path, abstract, bystander, server_pid = sys.argv[1:8]
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return result if result >= 0 else -ctypes.get_errno()
def attempt(what, work):
    try:
        got = work()
    except (OSError, ValueError, MemoryError, KeyError) as error:
        print('tried', what, type(error).__name__, getattr(error, 'errno', ''), flush=True)
    else:
        print('out', what, repr(got)[:200], flush=True)
def refused(what, number, *args, codes=(1,)):
    got = call(number, *args)
    print('tried' if -got in codes else 'out', what, got, flush=True)
`;

export function escapes(topic: string, options: BubblewrapOptions, cases: readonly EscapeCase[]): void {
  describe(`no way out: ${topic}`, { timeout: 120_000 }, () => {
    const world = new World();
    let sandbox: Sandbox;
    before(async () => {
      await world.open();
      sandbox = bubblewrapSandbox(options);
      const measured = await sandbox.measure();
      assert.ok(!isSandboxRefusal(measured), JSON.stringify(measured));
    });
    after(async () => {
      await sandbox[Symbol.asyncDispose]();
      world.close();
    });
    for (const { name, code, tried, check, only, ...draft } of cases) {
      it(name, { skip: only === false }, async () => {
        const token = `case-${randomUUID()}`;
        const whole = draft.program === 'bash' ? code : prelude + code;
        const told = await tell(sandbox, {
          program: 'python',
          ...draft,
          code: whole,
          args: [...world.args, token],
        });
        const said = `${told.stdout}\n${told.stderr}`;
        assert.doesNotMatch(told.stdout, /^out /m, said.slice(0, 2_000));
        if (tried) assert.match(told.stdout, tried, said.slice(0, 2_000));
        world.check(told);
        check?.(told);
        assert.deepEqual(alive(token), [], 'a process is left');
        assert.deepEqual(strangers(), [], 'a process is left');
        const next = await tell(sandbox, { code: 'echo next' });
        assert.deepEqual([ran(next).exitCode, next.stdout], [0, 'next\n'], 'the next call is not answered');
      });
    }
  });
}

export { ran };
