/** `npm run test:vault -- --addr … --token …`: the suite of the Vault provider against a real Vault or OpenBao. */

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const help = `npm run test:vault -- --addr <url> [--token <token>]

  --addr <url>      where Vault or OpenBao answers, such as http://127.0.0.1:8200; it may be empty
  --token <token>   one that may make namespaces, mounts, policies and logins; VAULT_TOKEN where it is left out

Everything is made below names that begin with cruvero-test-, and is taken away afterwards.`;

const suite = 'libs/adapters/vault/src/vault.test.ts';

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { addr: { type: 'string' }, token: { type: 'string' } } });
  const token = values.token ?? process.env['VAULT_TOKEN'];
  if (values.addr === undefined || token === undefined || !URL.canParse(values.addr)) {
    process.stderr.write(`${help}\n`);
    return 64;
  }
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const child = spawn(process.execPath, ['--test', '--test-reporter=spec', join(root, suite)], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      CRUVERO_TEST_VAULT_ADDR: values.addr.replace(/\/+$/, ''),
      CRUVERO_TEST_VAULT_TOKEN: token,
    },
  });
  const { promise, resolve } = Promise.withResolvers<number>();
  child.once('exit', (code) => resolve(code ?? 1));
  child.once('error', () => resolve(1));
  return promise;
}
