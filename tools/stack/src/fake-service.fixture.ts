/** Stands for every service in the tests of the stack: listens where it is told, says its environment, stops politely. */

import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, dirname, join } from 'node:path';

const dataFolder = process.env['CRUVERO_DATA_DIR'] ?? '';
const name = basename(dataFolder);
const addresses: Readonly<Record<string, string | undefined>> = {
  gateway: process.env['CRUVERO_MCPGW_LISTEN_ADDR'],
  registry: process.env['CRUVERO_REGISTRY_LISTEN_ADDR'],
  'credential-broker': process.env['CRUVERO_CREDENTIAL_BROKER_LISTEN_ADDR'],
  'health-monitor': process.env['CRUVERO_HEALTH_MONITOR_LISTEN_ADDR'],
  'stdio-bridge': process.env['CRUVERO_STDIO_BRIDGE_LISTEN_ADDR'],
  'code-exec': `127.0.0.1:${process.env['MCP_CODE_EXEC_PORT'] ?? ''}`,
};
const address = addresses[name] ?? '';

console.error(`${name} says something to its log`);
console.log(JSON.stringify({ level: 'info', msg: `${name} starts` }));
if (process.env['FAKE_FAILS'] === name) {
  console.error('no such luck');
  process.exit(3);
}

mkdirSync(dataFolder, { recursive: true });
const seen = join(dataFolder, 'seen');
if (name === 'registry' && !existsSync(seen)) console.log('API key, shown once: a-key-for-people');
writeFileSync(seen, '');

const server = createServer((_request, response) => void response.end(JSON.stringify(process.env)));
server.listen(Number(address.split(':')[1]), '127.0.0.1', () => {
  if (process.env['FAKE_IS_NEVER_READY'] !== name) console.log(`ready http://${address}`);
});

process.once('SIGTERM', () => {
  appendFileSync(join(dirname(dataFolder), 'stopped'), `${name}\n`);
  process.exit(0);
});
