/** Escape corpus, a run with a list of hosts: what is listed answers, and the proxy leads to nothing else. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isSandboxRefusal } from '@cruvero/ports';
import { ran, tell } from '@cruvero/ports/contracts/sandbox';
import { bubblewrapSandbox, type BubblewrapOptions } from './bubblewrap.ts';
import { escapes } from './escape.fixture.ts';

const networkFor = (port: number): NonNullable<BubblewrapOptions['network']> => ({
  allowed: [{ host: '127.0.0.1', below: false, port }],
  connectionsMax: 8,
  bytesMax: 8 << 20,
});

const ask = `
import urllib.request
def fetch(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({'http': 'http://127.0.0.1:3128'}))
    return opener.open(url, timeout=3).read()
def raw(text, path='/in/proxy'):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(3)
    s.connect(path)
    s.sendall(text.encode())
    answer = b''
    while True:
        piece = s.recv(4096)
        if not piece: break
        answer += piece
    if b' 200 ' in answer: return answer
    raise OSError(answer.split(b' ')[1].decode())
`;

for (const cgroups of [true, false])
  escapes(`the proxy${cgroups ? '' : ', without cgroups'}`, { cgroups, network: networkFor(1) }, [
    {
      name: 'servers of the machine by the proxy',
      code: `${ask}
for host in ('127.0.0.1', 'localhost', '127.1', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0', '2130706433'):
    attempt('fetch', lambda: fetch('http://%s:%s/' % (host, port)))
    attempt('connect', lambda: raw('CONNECT %s:%s HTTP/1.1\\r\\n\\r\\n' % (host, port)))
`,
      tried: /^tried connect OSError/m,
    },
    {
      name: 'metadata and private addresses by the proxy',
      code: `${ask}
for host in ('169.254.169.254:80', '[fd00:ec2::254]:80', '10.0.0.1:80', 'metadata.google.internal:80'):
    attempt('connect', lambda: raw('CONNECT %s HTTP/1.1\\r\\n\\r\\n' % host))
    attempt('fetch', lambda: fetch('http://%s/latest/meta-data/' % host))
`,
      tried: /^tried fetch HTTPError/m,
    },
    {
      name: 'other sockets beside the one of the proxy, and that one replaced',
      code: `${ask}
line = [each for each in open('/proc/self/mountinfo') if ' /in/proxy ' in each][0]
attempt('beside', lambda: os.listdir(os.path.dirname(line.split()[3])))
attempt('unlink', lambda: os.unlink('/in/proxy'))
attempt('chmod', lambda: os.chmod('/in/proxy', 0o777))
`,
      tried: /^tried beside [^]*^tried unlink [^]*^tried chmod /m,
    },
    {
      name: 'descriptors of a run handed to the server, and a flood of connections',
      code: `${ask}
import array
s = socket.socket(socket.AF_UNIX)
s.connect('/in/proxy')
s.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0, 1, 2]))])
def flood():
    for n in range(5000):
        c = socket.socket(socket.AF_UNIX)
        c.connect('/in/proxy')
        c.close()
attempt('flood', flood)
`,
      tried: /^tried flood ConnectionRefusedError/m,
    },
    {
      name: 'the program killed that joins it to the proxy',
      program: 'bash',
      code: 'kill -9 -1; echo "tried kill"',
    },
  ]);

describe('a run with a list of hosts', { timeout: 60_000 }, () => {
  it('reaches what is listed with ordinary clients, and leaves nothing', async () => {
    const web = createServer((request, response) => {
      request.resume().on('end', () => response.end(`hello ${request.url}`));
    });
    await once(web.listen(0, '127.0.0.1'), 'listening');
    const { port } = web.address() as AddressInfo;
    const tempFolder = mkdtempSync(join(tmpdir(), 'cruvero-allowed-'));
    // A run's user has to pass it, as it may pass /tmp.
    chmodSync(tempFolder, 0o711);
    try {
      await using sandbox = bubblewrapSandbox({ tempFolder, network: networkFor(port) });
      const boundary = await sandbox.measure();
      assert.ok(!isSandboxRefusal(boundary), JSON.stringify(boundary));
      assert.deepEqual(boundary.allowedHosts, [`127.0.0.1:${port}`]);
      const url = `http://127.0.0.1:${port}/plain`;
      const told = await tell(sandbox, {
        program: 'python',
        code: `
import urllib.request, http.client
print(urllib.request.urlopen('${url}', b'x' * 300000, timeout=5).read().decode())
c = http.client.HTTPConnection('127.0.0.1', 3128, timeout=5)
c.set_tunnel('127.0.0.1', ${port})
c.request('GET', '/tunnel')
print(c.getresponse().read().decode())
`,
      });
      assert.equal(told.stdout, 'hello /plain\nhello /tunnel\n', told.stderr);
      assert.equal(ran(told).exitCode, 0);
      const [own = ''] = readdirSync(tempFolder);
      assert.deepEqual(readdirSync(join(tempFolder, own, 'proxies')), [], 'a socket is left');
    } finally {
      web.closeAllConnections();
      web.close();
      assert.deepEqual(readdirSync(tempFolder), [], 'a folder is left');
      rmSync(tempFolder, { recursive: true });
    }
  });

  it('does not start where a run cannot come to its socket', { skip: process.getuid?.() !== 0 }, async () => {
    const tempFolder = mkdtempSync(join(tmpdir(), 'cruvero-allowed-'));
    try {
      await using sandbox = bubblewrapSandbox({ tempFolder, network: networkFor(1) });
      assert.ok(isSandboxRefusal(await sandbox.measure()));
    } finally {
      rmSync(tempFolder, { recursive: true });
    }
  });
});
