/** Runnable with node: a stdio server whose wits are elsewhere. Passes its pipes on to the suite, at the URL that it is given. */

import { request } from 'node:http';

const url = process.argv[2] ?? 'http://127.0.0.1/';
const link = request(url, { headers: { connection: 'upgrade', upgrade: 'suite-pipe' } });
link.on('upgrade', (_response, socket, head) => {
  process.stdout.write(head);
  socket.pipe(process.stdout);
  process.stdin.pipe(socket);
  socket.on('close', () => process.stdin.destroy());
  socket.on('error', () => undefined);
});
link.on('error', (error) => {
  process.stderr.write(`the suite is not there: ${error.message}\n`);
  process.exitCode = 1;
});
link.end();
