/** Tests of the seccomp filter, run by a small machine of its own; the escape corpus runs it in the kernel. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { filterBytes, filterProgram, type Instruction } from './filter.ts';
import { auditArch, judgedCall, refusedCalls, type Arch } from './syscalls.ts';

const allow = 0x7fff0000;
const eperm = 0x00050001;
const enosys = 0x00050026;
const eafnosupport = 0x00050061;

/** What the kernel would decide. */
function decide(
  program: readonly Instruction[],
  arch: number,
  nr: number,
  args: readonly number[] = [],
): number {
  const data = new Map([
    [0, nr],
    [4, arch],
  ]);
  for (const [index, value] of args.entries()) data.set(16 + index * 8, value);
  let loaded = 0;
  for (let at = 0; ; at += 1) {
    const { code, jumpTrue, jumpFalse, k } = program[at] ?? assert.fail(`ran past the end at ${at}`);
    if (code === 0x06) return k;
    if (code === 0x20) loaded = (data.get(k) ?? 0) >>> 0;
    else {
      const held = code === 0x15 ? loaded === k >>> 0 : code === 0x25 ? loaded > k >>> 0 : (loaded & k) !== 0;
      at += held ? jumpTrue : jumpFalse;
    }
  }
}

for (const arch of ['x64', 'arm64'] as const satisfies readonly Arch[]) {
  describe(`the filter for ${arch}`, () => {
    const program = filterProgram(arch, true);
    const own = auditArch[arch];
    const call = (nr: number, ...args: number[]): number => decide(program, own, nr, args);

    it('refuses each call of its list and lets ordinary ones pass', () => {
      for (const [name, number] of refusedCalls(arch, true)) assert.equal(call(number), eperm, name);
      // read, write, close, mmap, execve, futex, exit_group
      const ordinary = arch === 'x64' ? [0, 1, 3, 9, 59, 202, 231] : [63, 64, 57, 222, 221, 98, 94];
      for (const number of ordinary) assert.equal(call(number), allow, String(number));
    });

    it('kills what speaks another architecture, and knows no call of the future', () => {
      assert.equal(decide(program, 0x40000003, 1), 0x80000000);
      for (const number of [463, 1_000, 0x40000000, 0x40000001, 0xffffffff])
        assert.equal(call(number), enosys);
    });

    it('judges clone by its flags and sends clone3 back', () => {
      const clone = judgedCall(arch, 'clone');
      assert.equal(call(clone, 0x3d0f00), allow, 'a thread');
      assert.equal(call(clone, 0x1200011), allow, 'a fork');
      for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000])
        assert.equal(call(clone, flag | 0x11), eperm, flag.toString(16));
      assert.equal(call(judgedCall(arch, 'clone3')), enosys);
    });

    it('knows three families of sockets', () => {
      for (const name of ['socket', 'socketpair'] as const) {
        const number = judgedCall(arch, name);
        for (const family of [1, 2, 10]) assert.equal(call(number, family), allow);
        for (const family of [0, 3, 16, 17, 38, 40, 44]) assert.equal(call(number, family), eafnosupport);
      }
    });

    it('keeps terminals and personalities as they are', () => {
      const ioctl = judgedCall(arch, 'ioctl');
      assert.equal(call(ioctl, 0, 0x5401), allow);
      for (const request of [0x5412, 0x541c, 0x5423]) assert.equal(call(ioctl, 0, request), eperm);
      const personality = judgedCall(arch, 'personality');
      assert.equal(call(personality, 0xffffffff), allow);
      assert.equal(call(personality, 0x0040000), eperm);
    });

    it('refuses memory that nobody counts only where nobody counts it', () => {
      const memfd = arch === 'x64' ? 319 : 279;
      assert.equal(call(memfd), allow);
      assert.equal(decide(filterProgram(arch, false), own, memfd), eperm);
    });

    it('is short enough for the kernel, eight bytes an instruction', () => {
      assert.equal(filterBytes(program).length, program.length * 8);
      assert.ok(program.length < 4_096);
    });
  });
}
