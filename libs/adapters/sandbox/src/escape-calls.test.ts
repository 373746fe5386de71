/** Escape corpus, system calls: what the kernel would do for a stranger is refused at its door. */

import assert from 'node:assert/strict';
import { escapes, ran } from './escape.fixture.ts';
import { archOf, judgedCall, refusedCalls } from './syscalls.ts';

const arch = archOf(process.arch) ?? 'x64';
const numbers = refusedCalls(arch, true);
/** Asks for each by its number with harmless arguments: whoever lets it pass answers with another error. */
const calls = (...names: readonly string[]): string =>
  names
    .filter((name) => numbers.has(name))
    .map((name) => `refused('${name}', ${numbers.get(name) ?? 0}, 0, 0, 0, 0, 0)`)
    .join('\n');
const triedAll = (...names: readonly string[]): RegExp =>
  new RegExp(
    names
      .filter((name) => numbers.has(name))
      .map((name) => `^tried ${name} -1$`)
      .join('[^]*'),
    'm',
  );
const group = (name: string, ...names: readonly string[]) => ({
  name,
  code: calls(...names),
  tried: triedAll(...names),
});

escapes('system calls', {}, [
  group(
    'mounts and roots',
    'mount',
    'umount2',
    'pivot_root',
    'chroot',
    'fsopen',
    'open_tree',
    'move_mount',
    'mount_setattr',
  ),
  group('namespaces', 'unshare', 'setns'),
  group('tracing', 'ptrace', 'process_vm_readv', 'process_vm_writev', 'kcmp', 'pidfd_getfd'),
  group('keys', 'keyctl', 'add_key', 'request_key'),
  group('io_uring', 'io_uring_setup', 'io_uring_enter', 'io_uring_register'),
  group('bpf, perf and userfaultfd', 'bpf', 'perf_event_open', 'userfaultfd'),
  group(
    'modules, kexec and reboot',
    'init_module',
    'finit_module',
    'delete_module',
    'kexec_load',
    'kexec_file_load',
    'reboot',
  ),
  group('clock and host name', 'settimeofday', 'clock_settime', 'adjtimex', 'sethostname', 'setdomainname'),
  group('swap, quota and accounting', 'swapon', 'swapoff', 'acct', 'quotactl'),
  group('files by handle', 'open_by_handle_at', 'name_to_handle_at', 'fanotify_init'),
  group('every other call of the list', ...numbers.keys()),
  {
    name: 'namespaces by clone, and by the programs for them',
    code: `
for flag in [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]:
    refused('clone %x' % flag, ${judgedCall(arch, 'clone')}, flag | 17, 0, 0, 0, 0)
refused('clone3', ${judgedCall(arch, 'clone3')}, 0, 0, codes=(38,))
for command in ['unshare -Ur true', 'unshare -p true', 'nsenter -t 1 -m true', 'chroot / true', 'bwrap --ro-bind / / true', 'mount -t tmpfs none /work']:
    print('out' if os.system(command + ' 2>/dev/null') == 0 else 'tried', command)
`,
    tried: /^tried clone 10000000 -1$[^]*^tried mount/m,
  },
  {
    name: 'another user, another group, more capabilities',
    code: `
for name, work in dict(
    setuid=lambda: os.setuid(0), setgid=lambda: os.setgid(0), setresuid=lambda: os.setresuid(0, 0, 0),
    setgroups=lambda: os.setgroups([0]), chown=lambda: (open('f', 'w').close(), os.chown('f', 0, 0)),
    nice=lambda: os.setpriority(os.PRIO_PROCESS, 0, -5),
).items(): attempt(name, work)
for command in ['su -c id', 'sudo -n id', 'passwd -S', 'newgrp root', 'ping -c1 127.0.0.1']:
    os.system(command + ' </dev/null >/dev/null 2>&1')
print('out' if os.getuid() != 1000 or os.geteuid() != 1000 else 'tried uid')
`,
    tried: /^tried setuid [^]*^tried uid/m,
  },
  {
    name: 'calls of another architecture',
    only: process.arch === 'x64',
    code: `
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b'\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3')
print('tried', flush=True)
run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
print('out', run())
`,
    tried: /^tried/m,
    check: (told) => assert.equal(ran(told).signal, 'SIGSYS'),
  },
  {
    name: 'numbers of x32 and of kernels to come',
    code: 'for number in [0x40000000 + 165, 0x40000000 + 272, 463, 470, 900]: refused(str(number), number, 0, 0, 0, codes=(38,))',
    tried: /^tried 470 -38$/m,
  },
  {
    name: 'characters put into a terminal',
    code: `
import fcntl, pty
leader, follower = pty.openpty()
attempt('TIOCSTI', lambda: fcntl.ioctl(follower, 0x5412, b'x'))
attempt('controlling terminal', lambda: open('/dev/tty'))
`,
    tried: /^tried TIOCSTI [^]*^tried controlling/m,
  },
  {
    name: 'a personality without random addresses',
    code: `refused('personality', ${judgedCall(arch, 'personality')}, 0x40000)`,
    tried: /^tried personality -1$/m,
  },
  {
    name: 'a parent that traces its own child',
    code: `
pid = os.fork()
if pid == 0:
    os._exit(0 if call(${numbers.get('ptrace') ?? 0}, 0, 0, 0, 0) == -1 else 1)
print('tried' if os.waitpid(pid, 0)[1] == 0 else 'out')
`,
    tried: /^tried/m,
  },
  {
    name: 'a filter of its own that lets everything pass',
    code: `
class Insn(ctypes.Structure): _fields_ = [('code', ctypes.c_ushort), ('jt', ctypes.c_ubyte), ('jf', ctypes.c_ubyte), ('k', ctypes.c_uint)]
class Prog(ctypes.Structure): _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.POINTER(Insn))]
insn = (Insn * 1)(Insn(6, 0, 0, 0x7fff0000))
print('tried', libc.prctl(22, 2, ctypes.byref(Prog(1, insn)), 0, 0))
refused('mount', ${numbers.get('mount') ?? 0}, 0, 0, 0, 0, 0)
`,
    tried: /^tried mount -1$/m,
  },
]);
