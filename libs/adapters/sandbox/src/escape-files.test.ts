/** Escape corpus, files: what comes out of a work folder is what lies in it, whatever it looks like. */

import assert from 'node:assert/strict';
import { isSandboxFault } from '@cruvero/ports';
import { escapes, ran, type EscapeCase } from './escape.fixture.ts';

const bytes = Buffer.from('x');
const refusedPath = (path: string): EscapeCase => ({
  name: `an input file at ${JSON.stringify(path)}`,
  code: '',
  files: [{ path, bytes }],
  check: ({ outcome }) =>
    assert.ok(isSandboxFault(outcome) && outcome.fault === 'bad_job', JSON.stringify(outcome)),
});

escapes('files', {}, [
  ...[
    '../up',
    '/etc/cron.d/x',
    'a/../../up',
    './x',
    'a//b',
    'x\0y',
    'line\nfeed',
    '..',
    `${'d/'.repeat(20)}x`,
  ].map(refusedPath),
  {
    name: 'links to files and folders of the machine',
    program: 'bash',
    code: 'ln -s "$3" secret; ln -s /etc/passwd passwd; ln -s / root; mkdir d; ln -s ../../../../"$3" d/up; ln -s /proc/self/environ e; ln -s loop loop; echo tried',
    tried: /^tried/m,
    check: (told) => {
      assert.deepEqual(ran(told).files, []);
      assert.ok(ran(told).leftOut.every(({ reason }) => reason === 'not_a_file'));
      assert.equal(ran(told).leftOut.length, 6);
    },
  },
  {
    name: 'hard links to files of the system, and two names for one file',
    code: `
for path in ['/usr/bin/bash', '/etc/passwd', '/in/main.py', '/proc/self/environ']:
    attempt(path, lambda: os.link(path, '/work/' + path.replace('/', '_')))
open('one', 'w').write('x'); os.link('one', 'two')
`,
    tried: /^tried \/usr\/bin\/bash OSError 18/m,
    check: (told) =>
      assert.deepEqual(
        ran(told).leftOut.map(({ path, reason }) => [path, reason]),
        [
          ['one', 'linked_twice'],
          ['two', 'linked_twice'],
        ],
      ),
  },
  {
    name: 'pipes, sockets and devices, which nobody may wait for',
    code: `
os.mkfifo('pipe')
s = socket.socket(socket.AF_UNIX); s.bind('socket')
attempt('device', lambda: os.mknod('zero', 0o20666, os.makedev(1, 5)))
attempt('block', lambda: os.mknod('disk', 0o60666, os.makedev(254, 0)))
`,
    tried: /^tried device /m,
    check: (told) =>
      assert.deepEqual(
        ran(told).leftOut.map(({ path, reason }) => `${path} ${reason}`),
        ['pipe not_a_file', 'socket not_a_file'],
      ),
  },
  {
    name: 'names that are no text, too deep or too many',
    bounds: { timeoutMs: 5_000 },
    code: `
open(b'/work/\\xff\\xfe', 'w').write('x')
open('/work/line\\nfeed', 'w').write('x')
open('/work/-rf', 'w').write('option')
os.makedirs('/work/' + '/'.join('d' * 40)); open('/work/' + '/'.join('d' * 40) + '/x', 'w').write('x')
for n in range(3000): open(f'/work/n{n:05}', 'w').close()
`,
    check: (told) => {
      const { files, leftOut } = ran(told);
      assert.equal(files[0]?.path, '-rf');
      const reasons = new Set(leftOut.map(({ reason }) => reason));
      assert.ok(reasons.has('bad_name') && reasons.has('too_many'));
      assert.ok(leftOut.length <= 101 && leftOut.every(({ path }) => !/\p{Cc}/u.test(path)));
    },
  },
  {
    name: 'files that change until the last moment',
    bounds: { timeoutMs: 700 },
    code: `
print('tried', flush=True)
while True:
    try:
        open('a', 'w').write('mine'); os.symlink(secret, 'l'); os.replace('l', 'a'); os.unlink('a')
        os.mkdir('d'); os.rmdir('d'); os.symlink('/etc', 'd'); os.unlink('d')
    except OSError: pass
`,
    tried: /^tried/m,
    check: (told) => {
      for (const file of ran(told).files)
        assert.ok(['', 'mine'].includes(Buffer.from(file.bytes).toString()), file.path);
    },
  },
  {
    name: 'a work folder that is taken away or replaced',
    program: 'bash',
    code: 'echo x > x; rm -rf /work; mv /work /tmp/w && echo out; rmdir /work && echo out; mkdir /tmp/w; mv /tmp/w /work/w; cd /tmp; echo tried',
    tried: /^tried/m,
  },
  {
    name: 'files that forbid to read them',
    program: 'bash',
    code: 'echo x > f; mkdir d; echo x > d/g; chmod 000 f d; echo tried',
    tried: /^tried/m,
    check: (told) => assert.equal(isSandboxFault(told.outcome), false),
  },
  {
    name: 'programs with the rights of their owner',
    program: 'bash',
    code: 'cp /bin/bash b; chmod 4755 b; ./b -p -c "id -u; grep CapEff /proc/self/status"; echo tried',
    tried: /^1000\nCapEff:\s+0+\ntried/m,
  },
  {
    name: 'times and inodes that hide a change',
    code: "st = os.stat('kept'); open('kept', 'r+').write('evil'); os.utime('kept', ns=(st.st_atime_ns, st.st_mtime_ns)); print('tried')",
    files: [{ path: 'kept', bytes: Buffer.from('good') }],
    tried: /^tried/m,
    check: (told) =>
      assert.deepEqual(
        ran(told).files.map(({ path }) => path),
        ['kept'],
      ),
  },
]);
