/** The one program of ours inside a run with a network: it joins a port of the run's own loopback to the proxy's socket. */

/** Where the programs of a run find the proxy. */
export const forwarderPort = 3_128;
/** Inside: the socket that the server listens at. */
export const proxySocketPath = '/in/proxy';

/**
 * Holds no rule: who goes past it to the socket meets the same proxy. Python's own modules only, one thread, and it
 * goes into the background when it listens. Without single quotes, since a shell carries it in a pair of them.
 */
export const forwarderScript = `
import os, select, socket
gate = socket.socket()
gate.bind(("127.0.0.1", ${forwarderPort}))
gate.listen(64)
if os.fork():
    os._exit(0)
poll = select.poll()
sides = {}
class Side:
    def __init__(self, sock):
        sock.setblocking(False)
        self.sock, self.fd, self.rest, self.ended = sock, sock.fileno(), b"", False
        sides[self.fd] = self
def close(side):
    for each in (side, side.other):
        if sides.pop(each.fd, None):
            try: poll.unregister(each.fd)
            except KeyError: pass
            each.sock.close()
def watch(side):
    wanted = (0 if side.ended or side.other.rest else select.POLLIN) | (select.POLLOUT if side.rest else 0)
    if wanted: return poll.register(side.fd, wanted)
    try: poll.unregister(side.fd)
    except KeyError: pass
def flush(side):
    try:
        if side.rest: side.rest = side.rest[side.sock.send(side.rest):]
    except BlockingIOError: pass
    if side.other.ended and not side.rest: side.sock.shutdown(socket.SHUT_WR)
def accept():
    client = gate.accept()[0]
    server = socket.socket(socket.AF_UNIX)
    try:
        if len(sides) >= 128: raise OSError
        server.connect("${proxySocketPath}")
    except OSError:
        client.close()
        return server.close()
    a, b = Side(client), Side(server)
    a.other, b.other = b, a
    watch(a)
    watch(b)
def move(side, event):
    if side.rest and event & select.POLLOUT: flush(side)
    elif not side.ended and not side.other.rest:
        side.other.rest = side.sock.recv(65536)
        side.ended = not side.other.rest
        flush(side.other)
    elif event & (select.POLLHUP | select.POLLERR): raise OSError
    if side.ended and side.other.ended and not side.rest and not side.other.rest: raise OSError
    watch(side)
    watch(side.other)
poll.register(gate.fileno(), select.POLLIN)
while True:
    for fd, event in poll.poll():
        side = sides.get(fd)
        try:
            if fd == gate.fileno(): accept()
            elif side: move(side, event)
        except BlockingIOError: pass
        except OSError:
            if side: close(side)
`;
