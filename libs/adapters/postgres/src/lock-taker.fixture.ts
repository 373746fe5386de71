/** Takes the lock of a folder at a moment that several processes were told, and says whether it has it. */

import { lockFolder } from './folder-lock.ts';

const [folder = '', atMs = '0'] = process.argv.slice(2);
while (Date.now() < Number(atMs));
const held = await lockFolder(folder).then(
  () => true,
  () => false,
);
process.stdout.write(held ? 'held\n' : 'refused\n');
// Until it is killed: the lock ends with its process.
setInterval(() => undefined, 1_000);
