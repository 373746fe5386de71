/** Escape corpus, bombs: whatever a run multiplies ends at a bound or at its time, and is gone afterwards. */

import assert from 'node:assert/strict';
import type { SandboxOutcome } from '@cruvero/ports';
import { contractBounds } from '@cruvero/ports/contracts/sandbox';
import { escapes, ran, type EscapeCase } from './escape.fixture.ts';

const short = { timeoutMs: 500 };
const endsInTime = (outcome: SandboxOutcome): void => {
  assert.ok(outcome.durationMs < 4_000, `took ${outcome.durationMs} ms`);
};
/** A cgroup stops at the limit; whoever only looks sees what came between two looks. */
const memoryIn =
  (counted: boolean) =>
  (outcome: SandboxOutcome): void => {
    endsInTime(outcome);
    const bytesMax = counted ? contractBounds.memoryBytesMax + (16 << 20) : contractBounds.memoryBytesMax * 3;
    assert.ok((outcome.peakMemoryBytes ?? 0) <= bytesMax, String(outcome.peakMemoryBytes));
  };

const casesOver = (inMemory: (outcome: SandboxOutcome) => void): readonly EscapeCase[] => [
  {
    name: 'a fork bomb',
    program: 'bash',
    bounds: short,
    code: 'bomb() { bomb | bomb & }; bomb; echo tried; sleep 100',
    check: (told) => endsInTime(ran(told)),
  },
  {
    name: 'a fork bomb that never gives up',
    bounds: short,
    code: `
while True:
    try: os.fork()
    except OSError: pass
`,
    check: (told) => assert.equal(ran(told).ended, 'timeout'),
  },
  {
    name: 'a fork bomb that went over into process 1, whose memory is that of the same user',
    only: process.arch === 'x64',
    bounds: { timeoutMs: 5_000 },
    code: `
import struct
bomb = '''
import os, time
count = 0
try:
    while count < 200:
        if os.fork() == 0: time.sleep(100)
        count += 1
except OSError: pass
print('out' if count > 40 else 'tried', 'from process', os.getpid(), count, flush=True)
'''
open('bomb.py', 'w').write(bomb)
base = lambda pid: next(int(row.split('-')[0], 16) for row in open(f'/proc/{pid}/maps') if 'libc.so' in row)
at = ctypes.cast(libc.exit, ctypes.c_void_p).value - base('self') + base(1)
words = [b'/usr/bin/python3\\0', b'/work/bomb.py\\0']
where = [at + 40, at + 40 + len(words[0])]
argv = at + 40 + sum(map(len, words))
# execve(where[0], argv, NULL) in place of exit
code = b'\\x48\\xbf' + struct.pack('<Q', where[0]) + b'\\x48\\xbe' + struct.pack('<Q', argv) + b'\\x31\\xd2\\xb8\\x3b\\0\\0\\0\\x0f\\x05'
code = code.ljust(40, b'\\x90') + b''.join(words) + struct.pack('<QQQ', *where, 0)
try: os.pwrite(os.open('/proc/1/mem', os.O_RDWR), code, at)
except OSError as error: print('tried', error.errno, flush=True)
`,
    tried: /^tried /m,
    check: (told) => endsInTime(ran(told)),
  },
  {
    name: 'a thread bomb',
    bounds: short,
    code: `
import threading, time
count = 0
try:
    while True:
        threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
        count += 1
except RuntimeError: print('tried', count)
if count > 40: print('out', count)
os._exit(0)
`,
    tried: /^tried [0-9]+$/m,
  },
  {
    name: 'a memory bomb in one process',
    code: 'a = []\nwhile True: a.append(bytearray(4 << 20))',
    bounds: { timeoutMs: 3_000 },
    check: (told) => inMemory(ran(told)),
  },
  {
    name: 'a memory bomb over many processes',
    bounds: { timeoutMs: 1_500 },
    code: `
import time
for _ in range(8):
    if os.fork() == 0:
        a = bytearray(64 << 20)
        for i in range(0, len(a), 4096): a[i] = 1
        time.sleep(100)
time.sleep(100)
`,
    check: (told) => inMemory(ran(told)),
  },
  {
    name: 'memory in files that have no name',
    bounds: { timeoutMs: 3_000 },
    code: `
held = []
try:
    for n in range(100):
        fd = os.memfd_create('m')
        held.append(fd)
        for _ in range(8): os.write(fd, bytes(1 << 20))
    print('out all of it')
except OSError as error: print('tried', error)
`,
    check: (told) => inMemory(ran(told)),
  },
  {
    name: 'memory shared by name',
    bounds: { timeoutMs: 3_000 },
    code: `
try:
    for n in range(100):
        with open(f'/dev/shm/{n}', 'wb') as f: f.write(bytes(1 << 20))
    print('out all of it')
except OSError as error: print('tried', error.errno)
`,
    tried: /^tried 28$/m,
  },
  {
    name: 'a work folder and a temporary folder that fill up',
    code: `
for folder in ['/work', '/tmp']:
    try:
        for n in range(64):
            with open(f'{folder}/{n}', 'wb') as f: f.write(bytes(1 << 20))
        print('out', folder)
    except OSError as error: print('tried', folder, error.errno)
`,
    tried: /^tried \/work 28\ntried \/tmp 28$/m,
  },
  {
    name: 'empty files without end',
    bounds: { timeoutMs: 1_000 },
    code: `
n = 0
try:
    while True:
        open(f'/tmp/{n}', 'w').close(); n += 1
except OSError as error: print('tried', error.errno)
`,
    check: (told) => inMemory(ran(told)),
  },
  {
    name: 'a sparse file of a terabyte',
    code: `
attempt('truncate', lambda: os.truncate(os.open('/work/sparse', os.O_RDWR | os.O_CREAT), 1 << 40))
attempt('seek', lambda: os.pwrite(os.open('/work/hole', os.O_RDWR | os.O_CREAT), b'x', 1 << 30))
os.truncate(os.open('/work/fits', os.O_RDWR | os.O_CREAT), 2 << 20)
`,
    check: (told) => {
      const { files, leftOut } = ran(told);
      assert.ok(files.every(({ bytes }) => bytes.length <= contractBounds.fileBytesMax));
      assert.ok(leftOut.some(({ path, reason }) => path === 'fits' && reason === 'too_large'));
    },
  },
  {
    name: 'a zip bomb',
    code: `
import io, zipfile
packed = io.BytesIO()
with zipfile.ZipFile(packed, 'w', zipfile.ZIP_DEFLATED) as z:
    for n in range(40): z.writestr(f'{n}', bytes(1 << 20))
print('tried', len(packed.getvalue()))
try:
    zipfile.ZipFile(packed).extractall('/work')
    print('out', os.listdir('/work'))
except OSError as error: print('tried', error.errno)
`,
    tried: /^tried 28$/m,
  },
  {
    name: 'output without end',
    program: 'bash',
    code: 'yes',
    bounds: { timeoutMs: 5_000 },
    check: (told) => {
      const { ended, stdout } = ran(told);
      assert.equal(told.stdout.length, contractBounds.outputBytesMax);
      assert.ok(['output', 'timeout'].includes(ended), ended);
      assert.equal(stdout.droppedBytes, stdout.bytes - contractBounds.outputBytesMax);
    },
  },
  {
    name: 'errors without end, from many at once',
    program: 'bash',
    code: 'for i in 1 2 3 4; do yes >&2 & done; wait',
    bounds: { timeoutMs: 5_000 },
    check: (told) => assert.equal(told.stderr.length, contractBounds.outputBytesMax),
  },
  {
    name: 'one endless line without a line feed',
    program: 'bash',
    code: "head -c 20000000 /dev/zero | tr '\\0' x",
    check: (told) =>
      assert.deepEqual(
        [ran(told).stdout.bytes, told.stdout.length],
        [20_000_000, contractBounds.outputBytesMax],
      ),
  },
  {
    name: 'processor time without end',
    code: 'while True: pass',
    bounds: { timeoutMs: 500 },
    check: (told) => assert.equal(ran(told).ended, 'timeout'),
  },
  {
    name: 'descriptors and pipes without end',
    code: `
import fcntl
held = []
try:
    while True:
        r, w = os.pipe(); held += [r, w]
        try: fcntl.fcntl(w, 1031, 1 << 20)
        except OSError: pass
except OSError as error: print('tried', error.errno, len(held))
if len(held) > 256: print('out', len(held))
`,
    tried: /^tried 24 /m,
  },
  {
    name: 'limits raised again',
    code: `
import resource
for name in ['RLIMIT_AS', 'RLIMIT_NPROC', 'RLIMIT_FSIZE', 'RLIMIT_NOFILE', 'RLIMIT_CORE', 'RLIMIT_CPU', 'RLIMIT_MEMLOCK']:
    limit = getattr(resource, name)
    attempt(name, lambda: resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))
`,
    tried: /^tried RLIMIT_AS ValueError/m,
  },
  {
    name: 'a core dump',
    code: 'os.abort()',
    check: (told) => assert.deepEqual([ran(told).signal, ran(told).files], ['SIGABRT', []]),
  },
];

escapes('bombs', {}, casesOver(memoryIn(true)));
// Where the kernel counts nothing for it, the adapter looks itself.
escapes(
  'bombs, without cgroups',
  { cgroups: false },
  casesOver(memoryIn(false)).filter(({ name }) => /memory|fork|thread|empty/.test(name)),
);
