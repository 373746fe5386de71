/** cruvero.json is read tolerantly, and hostile files do no harm. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { configuredServersMax, readServersFile, type FileEntry } from './mcp-servers-file.ts';

function read(servers: unknown): { entries: readonly FileEntry[]; problems: readonly string[] } {
  const result = readServersFile(JSON.stringify({ mcpServers: servers }));
  assert.ok('entries' in result, JSON.stringify(result));
  return result;
}

const unreadable = (text: string): string => {
  const result = readServersFile(text);
  return 'unreadable' in result ? result.unreadable : assert.fail('it was readable');
};

describe('cruvero.json', () => {
  it('reads the entries that every MCP client writes', () => {
    const { entries, problems } = read({
      'GitHub (work)': {
        command: 'npx',
        args: ['-y', 'x'],
        env: { TOKEN: '${T}' },
        cwd: '/tmp',
        instances: 3,
      },
      plain: { type: 'stdio', command: 'node' },
      remote: { type: 'streamable-http', url: 'https://example.com/mcp#part', timeout: 30 },
      old: { type: 'sse', serverUrl: 'http://example.com/sse' },
      gemini: { httpUrl: 'http://example.com/mcp' },
      off: { command: 'x', disabled: true },
    });
    assert.deepEqual(problems, []);
    assert.deepEqual(entries, [
      {
        kind: 'command',
        name: 'github-work',
        command: 'npx',
        args: ['-y', 'x'],
        env: new Map([['TOKEN', '${T}']]),
        cwd: '/tmp',
        instances: 3,
      },
      { kind: 'command', name: 'plain', command: 'node', args: [], env: new Map(), instances: 1 },
      { kind: 'url', name: 'remote', transport: 'http', url: 'https://example.com/mcp' },
      { kind: 'url', name: 'old', transport: 'sse', url: 'http://example.com/sse' },
      { kind: 'url', name: 'gemini', transport: 'http', url: 'http://example.com/mcp' },
    ]);
  });

  it('says where the text stops being JSON', () => {
    assert.match(unreadable('{\n  "mcpServers": {\n    // no comments\n  }\n}'), /line 3, column 5/);
    assert.match(unreadable('{"mcpServers": {},}'), /line 1, column 19/);
    assert.match(unreadable(''), /line 1, column 1/);
  });

  it('says what the whole lacks', () => {
    assert.match(unreadable('[]'), /not a JSON object/);
    assert.match(unreadable('{"servers":{}}'), /should be called "mcpServers"/);
    assert.match(unreadable('{"mcpServers":[]}'), /not an object/);
    assert.match(unreadable(`${'['.repeat(100_000)}`), /nesting is deeper/);
  });

  it('leaves out what is wrong, says why in one sentence, and keeps the rest', () => {
    const cases: [unknown, RegExp][] = [
      [7, /is not an object/],
      [{}, /needs "command" or "url"/],
      [{ command: 'a', url: 'http://b' }, /one of them/],
      [{ command: 5 }, /command: /],
      [{ command: '' }, /command: /],
      [{ command: 'a\0b' }, /NUL/],
      [{ command: 'a', args: 'b' }, /args: /],
      [{ command: 'a', args: [1] }, /args\.0: /],
      [{ command: 'a', instances: 33 }, /instances: /],
      [{ command: 'a', instances: 1.5 }, /instances: /],
      [{ command: 'a', type: 'http' }, /type: is "stdio"/],
      [{ command: 'a', env: [] }, /env: is not an object/],
      [{ command: 'a', env: { A: 1 } }, /the value of "A" must be a string/],
      [{ command: 'a', env: { 'A=B': '' } }, /without "="/],
      [{ url: 'file:///etc/passwd' }, /http or https/],
      [{ url: 'nonsense' }, /http or https/],
      [{ url: 'http://me:canary@host/' }, /credentials do not belong/],
      [{ url: 'http://host', headers: { authorization: 'canary' } }, /by reference/],
      [{ url: 'http://host', type: 'websocket' }, /type: /],
    ];
    for (const [entry, why] of cases) {
      const { entries, problems } = read({ good: { command: 'x' }, bad: entry });
      assert.equal(entries.length, 1, JSON.stringify(entry));
      assert.equal(problems.length, 1, JSON.stringify(entry));
      assert.match(problems[0] ?? '', why);
      assert.match(problems[0] ?? '', /^"bad": /);
      assert.doesNotMatch(problems[0] ?? '', /canary/);
    }
  });

  it('never says a secret value', () => {
    const { problems } = read({
      bad: { command: 'a', env: { KEY: ['canary'] } },
      two: { command: ['canary'] },
    });
    assert.doesNotMatch(problems.join(), /canary/);
  });

  it('reports labels that become one name', () => {
    const { entries, problems } = read({
      'My Server': { command: 'a' },
      'my-server': { command: 'b' },
      '!!': { command: 'c' },
    });
    assert.equal(entries.length, 1);
    assert.match(problems.join(), /my-server is taken by "My Server"/);
    assert.match(problems.join(), /"!!": nothing of this name/);
  });

  it('takes the last of two entries of one name, and says so', () => {
    const servers = '{"a":{"command":"one"},"a":{"command":"two"}}';
    for (const [text, twice] of [
      [`{"mcpServers":${servers}}`, '"a"'],
      [`{"mcpServers":{},"mcpServers":${servers}}`, '"mcpServers"'],
    ] as const) {
      const read = readServersFile(text);
      assert.ok('entries' in read);
      assert.deepEqual(
        read.entries.map((entry) => entry.kind === 'command' && entry.command),
        ['two'],
      );
      assert.deepEqual(read.problems, [`the member ${twice} stands twice; the last one counts`]);
    }
  });

  it('takes names of prototypes for names', () => {
    const text =
      '{"mcpServers":{"__proto__":{"command":"a","env":{"__proto__":"x","constructor":"y"}},"constructor":{"command":"b"}}}';
    const result = readServersFile(text);
    assert.ok('entries' in result);
    assert.deepEqual(
      result.entries.map(({ name }) => name),
      ['proto__', 'constructor'],
    );
    const [first] = result.entries;
    assert.ok(first?.kind === 'command');
    assert.deepEqual(
      [...first.env],
      [
        ['__proto__', 'x'],
        ['constructor', 'y'],
      ],
    );
    assert.equal(({} as Record<string, unknown>)['command'], undefined);
  });

  it('bounds what a file of 10,000 entries brings', () => {
    const many = (entry: unknown) =>
      Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`s${i}`, entry]));
    const good = read(many({ command: 'x' }));
    assert.equal(good.entries.length, configuredServersMax);
    assert.deepEqual(good.problems, ['9744 servers beyond the first 256 are left out']);
    const bad = read(many(null));
    assert.equal(bad.problems.length, 51);
    assert.equal(bad.problems.at(-1), 'and 9950 more problems');
  });

  it('is total: any JSON and any text give an answer', () => {
    const entry = fc.oneof(
      fc.jsonValue(),
      fc.record({ command: fc.jsonValue(), env: fc.jsonValue(), args: fc.jsonValue() }),
      fc.record({ url: fc.jsonValue(), type: fc.jsonValue() }),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.string(), entry), (servers) => {
        const { entries, problems } = read(servers);
        assert.ok(entries.length + problems.length <= Object.keys(servers).length);
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => void readServersFile(text)));
  });
});
