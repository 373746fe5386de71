/** Escape corpus, endings: when a run is over everything of it is, however well it hid. */

import assert from 'node:assert/strict';
import { escapes, ran } from './escape.fixture.ts';

const daemon = `
def vanish():
    if os.fork(): return False
    os.setsid()
    if os.fork(): os._exit(0)
    for fd in (0, 1, 2): os.close(fd)
    return True
import signal, time
`;

escapes('endings', {}, [
  {
    name: 'a daemon that outlives its parent',
    code: `${daemon}
if vanish(): time.sleep(100)
print('tried')
`,
    tried: /^tried/m,
    check: (told) => assert.ok(ran(told).durationMs < 3_000),
  },
  {
    name: 'a time-out inside a double fork, with every signal ignored',
    bounds: { timeoutMs: 500 },
    code: `${daemon}
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
if vanish():
    while True: pass
print('tried', flush=True)
while True: time.sleep(1)
`,
    tried: /^tried/m,
    check: (told) => assert.equal(ran(told).ended, 'timeout'),
  },
  {
    name: 'a child that holds the output open',
    program: 'bash',
    code: 'sleep 100 & disown; nohup sleep 100 >/dev/null 2>&1 & setsid sleep 100 & echo tried',
    tried: /^tried/m,
    check: (told) => {
      assert.equal(ran(told).ended, 'exited');
      assert.ok(ran(told).durationMs < 3_000);
    },
  },
  {
    name: 'a program that stops itself',
    program: 'bash',
    bounds: { timeoutMs: 500 },
    code: 'echo tried; kill -STOP $$',
    tried: /^tried/m,
    check: (told) => assert.equal(ran(told).ended, 'timeout'),
  },
  {
    name: 'an end of its session and process group',
    program: 'bash',
    code: 'echo tried; kill -9 0',
    tried: /^tried/m,
    check: (told) => assert.equal(ran(told).signal, 'SIGKILL'),
  },
  {
    name: 'a parent that is asked to die with it',
    code: 'libc.prctl(1, 0); os.kill(os.getppid(), 9); os.kill(1, 9); print("tried")',
    tried: /^tried/m,
    check: (told) => assert.equal(ran(told).exitCode, 0),
  },
  {
    name: 'children that come faster than they are killed',
    bounds: { timeoutMs: 700 },
    code: `
print('tried', flush=True)
while True:
    try:
        if os.fork() == 0: os.setsid()
        else: os._exit(0)
    except OSError: pass
`,
    tried: /^tried/m,
  },
  {
    name: 'bytes that are no text',
    code: "os.write(1, b'tried \\xf0\\x9f'); os.write(1, b'\\x98\\x80 \\xff\\xc3('); os.write(2, b'\\xed\\xa0\\x80')",
    check: (told) => {
      assert.equal(told.stdout, 'tried 😀 \ufffd\ufffd(');
      assert.deepEqual(ran(told).stderr, { bytes: 3, droppedBytes: 0 });
    },
  },
  {
    name: 'words to the gate that it went through',
    code: `
for fd in range(3, 10):
    attempt(str(fd), lambda: os.write(fd, b'r'))
`,
    tried: /^tried 3 /m,
  },
]);
