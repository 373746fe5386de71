/** What people, programs and enemies write into cruvero.json. */

import { legacyCommand, type Entries } from '../harness/config-file.fixture.ts';

/** In wrong places of hostile entries; no log may repeat it. */
export const secret = 'hunter2-in-a-file';

/** Names that every object has from its prototype; as names of servers they are as good as any other. */
export const prototypeServers = ['constructor', 'proto__'] as const;

const name = 'x'.repeat(500);

/** Entries of which none can be used, and what must be said of each. */
export const wrongEntries: Readonly<Record<string, readonly [entry: unknown, said: RegExp]>> = {
  nothing: [null, /nothing.*is not an object/],
  list: [[], /list.*is not an object/],
  word: ['npx', /word.*is not an object/],
  empty: [{}, /empty.*needs .*command.* or .*url/],
  inherited: [{ ['__proto__']: { command: 'node' } }, /inherited.*needs .*command/],
  'two-ways': [{ command: 'node', url: 'http://127.0.0.1:1/mcp' }, /two-ways.*a command and a URL/],
  'command-number': [{ command: 7 }, /command-number.*command: /],
  'command-empty': [{ command: '' }, /command-empty.*command: /],
  'command-nul': [{ command: 'no\0de' }, /command-nul.*NUL/],
  'args-word': [{ command: 'node', args: '--help' }, /args-word.*args: /],
  'args-objects': [{ command: 'node', args: [{}] }, /args-objects.*args\.0: /],
  'args-endless': [{ command: 'node', args: Array(1_000).fill('x') }, /args-endless.*args: /],
  'env-list': [{ command: 'node', env: [] }, /env-list.*env: is not an object/],
  'env-number': [
    { command: 'node', env: { PASSWORD: 7, [secret]: 'x' } },
    /env-number.*PASSWORD.*must be a string/,
  ],
  'env-name': [{ command: 'node', env: { 'A=B': secret } }, /env-name.*without .*=/],
  'env-missing': [
    { command: 'node', env: { A: '${NO_SUCH_VARIABLE}' } },
    /env-missing.*NO_SUCH_VARIABLE, which is not set/,
  ],
  'instances-many': [{ command: 'node', instances: 10_000 }, /instances-many.*instances: /],
  'url-script': [{ url: 'javascript:alert(1)' }, /url-script.*not an http or https URL/],
  'url-file': [{ url: 'file:///etc/passwd' }, /url-file.*not an http or https URL/],
  'url-password': [{ url: `http://user:${secret}@127.0.0.1/mcp` }, /url-password.*user or password/],
  'url-metadata': [{ url: 'http://169.254.169.254/latest' }, /url-metadata.*metadata address/],
  'url-headers': [{ url: 'http://127.0.0.1:1/', headers: { Authorization: secret } }, /url-headers.*headers/],
  'url-type': [{ type: 'carrier-pigeon', url: 'http://127.0.0.1:1/' }, /url-type.*type: /],
  '🙂': [{ command: 'node' }, /nothing of this name can be a server name/],
  [name]: [{}, /x{64}….*needs .*command/],
  EVERYTHING: [{ command: 'node' }, /EVERYTHING.*name everything is taken/],
};

/** Good entries among wrong ones. */
export const hostileEntries = (): Entries =>
  Object.fromEntries([
    ['everything', legacyCommand('--name=everything')],
    ...Object.entries(wrongEntries).map(([label, [entry]]) => [label, entry]),
    ['constructor', legacyCommand('--name=constructor')],
    ['__proto__', legacyCommand('--name=proto')],
    ['no-such-command', { command: 'no-such-command-anywhere' }],
  ]) as Entries;

/** Whole files that say nothing, and what must be said of each. */
export const wrongFiles: readonly (readonly [name: string, text: string, said: RegExp])[] = [
  ['an empty one', '', /not valid JSON/],
  ['half of one', '{"mcpServers": {"everything": {"command": ', /not valid JSON: .*line 1, column \d+/],
  ['nesting without end', '{"mcpServers":'.repeat(10_000), /not valid JSON/],
  ['no object', '7', /not a JSON object/],
  [
    'servers from a prototype',
    '{"__proto__":{"mcpServers":{"a":{"command":"node"}}}}',
    /has no .*mcpServers/,
  ],
  ['servers in a list', '{"mcpServers":[]}', /"mcpServers\\*" that is not an object/],
  ['two megabytes', `{"mcpServers":{},"note":"${'n'.repeat(2 << 20)}"}`, /larger than 1048576 bytes/],
];

/** Ten thousand entries, all alike, between good ones. */
export function tenThousand(entry: unknown, last: Entries, first: Entries = {}): string {
  const many = Array.from({ length: 10_000 }, (_, n) => [`many-${n}`, entry] as const);
  return JSON.stringify({ mcpServers: { ...first, ...Object.fromEntries(many), ...last } });
}
