/** Escape corpus, network: nothing outside of a run can be reached by any family of sockets. */

import type { BubblewrapOptions } from './bubblewrap.ts';
import { escapes, type EscapeCase } from './escape.fixture.ts';

const connect = (family: string, address: string): string => `
def work():
    s = socket.socket(${family}, socket.SOCK_STREAM)
    s.settimeout(2)
    s.connect(${address})
    return s.recv(100)
attempt('connect', work)
`;
const tried = /^tried connect /m;
const listed: BubblewrapOptions = {
  network: {
    allowed: [{ host: 'example.com', below: false, port: 443 }],
    connectionsMax: 4,
    bytesMax: 1 << 20,
  },
};

const cases: readonly EscapeCase[] = [
  {
    name: 'a server on the loopback of the machine',
    code: connect('socket.AF_INET', "('127.0.0.1', int(port))"),
    tried,
  },
  {
    name: 'the metadata address of clouds',
    code: connect('socket.AF_INET', "('169.254.169.254', 80)"),
    tried,
  },
  {
    name: 'the metadata address over IPv6',
    code: connect('socket.AF_INET6', "('fd00:ec2::254', 80)"),
    tried,
  },
  { name: 'a public address', code: connect('socket.AF_INET', "('1.1.1.1', 443)"), tried },
  {
    name: 'an IPv4 address written as IPv6',
    code: connect('socket.AF_INET6', "('::ffff:127.0.0.1', int(port))"),
    tried,
  },
  {
    name: 'a socket in the file system of the machine',
    code: connect('socket.AF_UNIX', 'socket_path'),
    tried,
  },
  { name: 'an abstract socket of the machine', code: connect('socket.AF_UNIX', "'\\0' + abstract"), tried },
  {
    name: 'datagrams to a name server',
    code: `
def work():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    return s.sendto(b'x', ('8.8.8.8', 53))
attempt('send', work)
`,
    tried: /^tried send /m,
  },
  {
    name: 'names that would have to be asked for',
    code: "attempt('resolve', lambda: socket.getaddrinfo('example.com', 80))",
    tried: /^tried resolve /m,
  },
  {
    name: 'families that lead to the hypervisor, the wire or the kernel',
    code: `
for name, family in dict(vsock=40, packet=17, netlink=16, alg=38, bluetooth=31, can=29, tipc=30, key=15, xdp=44).items():
    attempt(name, lambda: socket.socket(family, socket.SOCK_DGRAM))
`,
    tried: /^tried vsock OSError 97$/m,
  },
  {
    name: 'raw sockets, even on its own loopback',
    code: "attempt('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))",
    tried: /^tried raw /m,
  },
  {
    name: 'a device or an address of its own',
    code: `
import fcntl, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
request = struct.pack('16sH2s4s8s', b'lo', socket.AF_INET, b'', socket.inet_aton('10.0.0.1'), b'')
attempt('address', lambda: fcntl.ioctl(s, 0x8916, request))
attempt('tun', lambda: open('/dev/net/tun', 'r+b'))
`,
    tried: /^tried address [^]*^tried tun /m,
  },
];

escapes('network', {}, cases);
// A list of hosts opens one socket, and nothing of this.
escapes('network, with a list of hosts', listed, cases);
