/** The seccomp filter of a run as the bytes that bubblewrap takes: a small program in the kernel's classic BPF. */

import { auditArch, judgedCall, lastKnownCall, refusedCalls, type Arch } from './syscalls.ts';

/** Of struct seccomp_data; arguments are 64 bits, of which the low half is judged. */
const offsets = { nr: 0, arch: 4, args: 16 } as const;
const loadWord = 0x20;
const jumpEqual = 0x15;
const jumpAbove = 0x25;
const jumpAnyBit = 0x45;
const giveBack = 0x06;

const allow = 0x7fff0000;
const killProcess = 0x80000000;
const errno = (code: number): number => 0x00050000 | code;
const eperm = errno(1);
const enosys = errno(38);
const eafnosupport = errno(97);

/** Every CLONE_NEW* that clone takes; CLONE_NEWTIME shares its bit with the signal and is for clone3 only. */
const newNamespaces = 0x7e020000;
/** AF_UNIX, AF_INET, AF_INET6. Others reach kernel parts without namespaces: AF_VSOCK goes to the hypervisor. */
const families = [1, 2, 10];
/** PER_LINUX, and the question for what it is. */
const personalities = [0, 0xffffffff];
/** TIOCSTI and TIOCLINUX put characters into a terminal; TIOCSETD loads line disciplines. */
const terminalRequests = [0x5412, 0x541c, 0x5423];

export interface Instruction {
  readonly code: number;
  readonly jumpTrue: number;
  readonly jumpFalse: number;
  readonly k: number;
}

const load = (offset: number): Instruction => ({ code: loadWord, jumpTrue: 0, jumpFalse: 0, k: offset });
const end = (k: number): Instruction => ({ code: giveBack, jumpTrue: 0, jumpFalse: 0, k });
/** Runs the next instruction where the test holds, skips `length` instructions where it does not. */
const when = (code: number, k: number, length = 1): Instruction => ({
  code,
  jumpTrue: 0,
  jumpFalse: length,
  k,
});
const unless = (code: number, k: number, length = 1): Instruction => ({
  code,
  jumpTrue: length,
  jumpFalse: 0,
  k,
});
const argument = (index: number): Instruction => load(offsets.args + index * 8);

/** The filter as instructions, so that tests can run it without a kernel. */
export function filterProgram(arch: Arch, memoryCounted: boolean): readonly Instruction[] {
  const refusing = [...refusedCalls(arch, memoryCounted).values()].flatMap((number) => [
    when(jumpEqual, number),
    end(eperm),
  ]);
  return [
    load(offsets.arch),
    // 32-bit calls of the same processor have other numbers.
    unless(jumpEqual, auditArch[arch]),
    end(killProcess),
    load(offsets.nr),
    // The x32 numbers are above it, too.
    when(jumpAbove, lastKnownCall),
    end(enosys),
    ...refusing,
    // Its flags are in memory, out of a filter's sight; C libraries fall back to clone.
    when(jumpEqual, judgedCall(arch, 'clone3')),
    end(enosys),
    ...judging(judgedCall(arch, 'clone'), [argument(0), when(jumpAnyBit, newNamespaces), end(eperm)]),
    ...judging(judgedCall(arch, 'socket'), onlyThese(0, families, eafnosupport)),
    ...judging(judgedCall(arch, 'socketpair'), onlyThese(0, families, eafnosupport)),
    ...judging(judgedCall(arch, 'personality'), onlyThese(0, personalities, eperm)),
    ...judging(judgedCall(arch, 'ioctl'), [
      argument(1),
      ...terminalRequests.flatMap((request) => [when(jumpEqual, request), end(eperm)]),
    ]),
    end(allow),
  ];
}

/** For one call only; the others go past with their number still loaded. */
function judging(number: number, judge: readonly Instruction[]): readonly Instruction[] {
  return [when(jumpEqual, number, judge.length + 1), ...judge, end(allow)];
}

function onlyThese(index: number, values: readonly number[], otherwise: number): readonly Instruction[] {
  return [
    argument(index),
    ...values.flatMap((value) => [when(jumpEqual, value), end(allow)]),
    end(otherwise),
  ];
}

/** struct sock_filter, one after the other, in the byte order of both architectures. */
export function filterBytes(program: readonly Instruction[]): Uint8Array {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, { code, jumpTrue, jumpFalse, k }] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(jumpTrue, index * 8 + 2);
    bytes.writeUInt8(jumpFalse, index * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, index * 8 + 4);
  }
  return bytes;
}
