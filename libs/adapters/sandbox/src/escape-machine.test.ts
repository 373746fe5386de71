/** Escape corpus, the machine: its files, processes, environment, devices and switches stay out of sight and reach. */

import assert from 'node:assert/strict';
import { escapes } from './escape.fixture.ts';
import { archOf, refusedCalls } from './syscalls.ts';

const ptrace = refusedCalls(archOf(process.arch) ?? 'x64', true).get('ptrace') ?? 0;

const unreadable = (paths: string): string => `
for path in ${paths}:
    attempt(path, lambda: os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(16))
`;

const unwritable = (paths: string): string => `
for path in ${paths}:
    attempt(path, lambda: os.write(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), b'1'))
`;

escapes('the machine', {}, [
  {
    name: 'the environment has nothing of the server',
    code: 'print("tried", sorted(os.environ), flush=True)\nfor value in os.environ.values():\n    if "canary" in value: print("out", value)',
    check: ({ stdout }) => {
      const names = /\[(.*)\]/.exec(stdout)?.[1] ?? '';
      for (const name of ['NODE', 'npm', 'ESCAPE', 'CRUVERO', 'SSH', 'TOKEN'])
        assert.ok(!names.includes(name), names);
    },
  },
  {
    name: 'no process of the machine is seen, nor its environment',
    code: `
pids = [int(p) for p in os.listdir('/proc') if p.isdigit()]
print('tried', pids)
if len(pids) > 4 or int(server_pid) in pids: print('out', pids)
for p in pids:
    try:
        text = open(f'/proc/{p}/environ').read() + open(f'/proc/{p}/cmdline').read()
        if 'canary' in text or 'node' in text: print('out', text)
    except OSError as error: pass
`,
    tried: /^tried \[/m,
  },
  {
    name: 'files of the machine',
    code: unreadable(
      "['/etc/shadow', '/etc/hostname', '/root', '/home', '/var/log', '/boot', '/opt', '/run', '/mnt', '/srv', secret, folder, '/in/../root/.ssh', '/proc/1/root/root', '/proc/1/root/etc/shadow', '/proc/self/cwd/../etc/shadow', '/proc/1/cwd/../../../etc/shadow']",
    ),
    tried: /^tried \/etc\/shadow [^]*^tried \/proc\/1\/cwd/m,
  },
  {
    name: 'devices of the machine',
    code: unreadable(
      "['/dev/mem', '/dev/kmem', '/dev/port', '/dev/kmsg', '/dev/vda', '/dev/sda', '/dev/kvm', '/dev/fuse', '/dev/loop-control', '/dev/vsock', '/dev/userfaultfd', '/sys', '/sys/kernel', '/sys/firmware']",
    ),
    tried: /^tried \/dev\/mem /m,
  },
  {
    name: 'what /proc tells of the machine',
    code: unreadable(
      "['/proc/kcore', '/proc/kmsg', '/proc/cmdline', '/proc/keys', '/proc/config.gz', '/proc/interrupts']",
    ),
    tried: /^tried \/proc\/cmdline /m,
  },
  {
    name: 'switches of the kernel',
    code: unwritable(
      "['/proc/sys/kernel/core_pattern', '/proc/sys/kernel/modprobe', '/proc/sys/vm/drop_caches', '/proc/sys/user/max_user_namespaces', '/proc/sysrq-trigger', '/proc/1/oom_score_adj_x', '/sys/fs/cgroup/memory/x', '/sys/fs/cgroup/release_agent', '/sys/kernel/uevent_helper']",
    ),
    tried: /^tried \/proc\/sys\/kernel\/core_pattern /m,
  },
  {
    name: 'the system is read-only, and so is what the run was given',
    code: unwritable(
      "['/x', '/usr/x', '/usr/bin/bash', '/bin/x', '/lib/x', '/etc/x', '/etc/passwd', '/dev/x', '/in/x', '/in/main.py', '/proc/x']",
    ),
    tried: /^tried \/usr\/bin\/bash /m,
  },
  {
    name: 'the program that a process was started from (as in the escape of runc)',
    code: unwritable("['/proc/self/exe', '/proc/1/exe']"),
    tried: /^tried \/proc\/1\/exe /m,
  },
  {
    name: 'no descriptor of the server is left open',
    code: `
for fd in os.listdir('/proc/self/fd'):
    try: target = os.readlink(f'/proc/self/fd/{fd}')
    except OSError: continue
    if int(fd) > 2: print('out', fd, target)
print('tried', os.readlink('/proc/self/fd/1').startswith('/') and 'pipes are named' or '')
for fd in range(3, 256):
    try: os.write(fd, b'x'); print('out', fd)
    except OSError: pass
`,
    tried: /^tried/m,
  },
  {
    name: 'the first process of the run has no descriptor to use either',
    code: `
for fd in os.listdir('/proc/1/fd'):
    target = os.readlink(f'/proc/1/fd/{fd}')
    print('tried', fd, target)
    if 'socket' in target or 'anon' in target: print('out', fd, target)
`,
    tried: /^tried 1 /m,
  },
  {
    name: 'folders behind the mounts',
    code: `
for line in open('/proc/self/mountinfo'):
    fields = line.split()
    root, point, options = fields[3], fields[4], fields[5]
    print('tried', root, point, options)
    if 'nosuid' not in options: print('out suid', point)
    if 'rw' in options.split(',') and point not in ('/work', '/tmp', '/dev/shm', '/proc', '/dev/pts') and not point.startswith('/dev/'): print('out rw', point)
`,
    tried: /^tried \/ \/work /m,
  },
  {
    name: 'keys of the kernel that belong to the server',
    code: `
attempt('keyring file', lambda: open('/proc/keys').read())
print('tried done')
`,
    tried: /^tried done/m,
  },
  {
    name: 'signals to the server and everybody else',
    program: 'bash',
    code: 'kill -9 -1; kill -9 "$6" "$7"; kill -STOP "$6"; kill -9 1; kill -STOP 1; echo tried signals',
    check: ({ outcome }) =>
      assert.ok('ended' in outcome && outcome.ended === 'exited', JSON.stringify(outcome)),
  },
  {
    name: 'the first process of the run written over',
    code: `
refused('attach', ${ptrace}, 16, 1, 0, 0)
try:
    memory = open('/proc/1/mem', 'r+b', buffering=0)
    start = int(open('/proc/1/maps').readline().split('-')[0], 16)
    memory.seek(start); memory.write(b'\\x00' * 4096)
except (OSError, ValueError) as error: print('tried mem', error)
print('tried done')
`,
    tried: /^tried done/m,
  },
]);
