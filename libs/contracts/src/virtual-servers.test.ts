/** Definitions of virtual servers are read strictly where people write them, tolerantly on the wire, and survive the way. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readServersFile } from './mcp-servers-file.ts';
import {
  virtualDefinition,
  virtualFields,
  virtualPostSchema,
  virtualPutSchema,
  virtualWireSchema,
} from './virtual-servers.ts';

const members = [{ server: 'files' }];
const aliasesOf = (count: number, first = 0) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`own${first + n}`, `to${first + n}`]));
const problemsOf = (body: unknown): string => {
  const read = virtualPutSchema.safeParse(body);
  return read.success ? '' : read.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('; ');
};

describe('a definition', () => {
  it('needs members only; names are bare unless said', () => {
    assert.deepEqual(virtualPutSchema.parse({ members }), { names: 'bare', members });
  });

  const broken: readonly [string, object, RegExp][] = [
    ['without members', {}, /^members: /],
    ['with no member', { members: [] }, /^members: /],
    ['with too many members', { members: Array(257).fill(members[0]) }, /^members: /],
    ['with a server that is no name', { members: [{ server: 'a.b' }] }, /^members\.0\.server: must match/],
    ['with a misspelt field', { members: [{ server: 'a', tool: ['x'] }] }, /members\.0: .*tool/],
    ['with a style that is none', { members, names: 'short' }, /^names: /],
    [
      'with an alias that is no name',
      { members: [{ server: 'a', aliases: { x: 'a b' } }] },
      /aliases\.x: must be/,
    ],
    ['with an alias for nothing', { members: [{ server: 'a', aliases: { '': 'b' } }] }, /aliases/],
    [
      'with one alias for two things',
      { members: [{ server: 'a', aliases: { x: 'y', z: 'y' } }] },
      /members\.0\.aliases: give one name to two things/,
    ],
    [
      'with an alias that is not safe where names are',
      { names: 'safe', members: [{ server: 'a', aliases: { x: 'a.b' } }] },
      /must match/,
    ],
    [
      'with too many aliases in all',
      {
        members: [
          { server: 'a', aliases: aliasesOf(501) },
          { server: 'b', aliases: aliasesOf(500, 501) },
        ],
      },
      /more than 1000 aliases/,
    ],
    [
      'with too many names in all',
      { members: Array.from({ length: 11 }, () => ({ server: 'a', tools: Array(500).fill('x') })) },
      /more than 5000 names/,
    ],
    ['with an endless description', { members, description: 'x'.repeat(2_001) }, /^description: /],
  ];
  for (const [what, body, problem] of broken)
    it(`${what} is refused`, () => assert.match(problemsOf(body), problem));

  it('with as many aliases as there may be is taken', () => {
    assert.equal(problemsOf({ members: [{ server: 'a', aliases: aliasesOf(1_000) }] }), '');
  });

  it('is under a valid name only', () => {
    const fields = virtualPutSchema.parse({ members });
    for (const name of ['', 'A', 'a.b', 'a/b', '../x', 'x'.repeat(64)]) {
      assert.equal(virtualDefinition(name, fields), undefined);
      assert.equal(virtualPostSchema.safeParse({ name, members }).success, false);
    }
  });

  it('is the same after the way over the wire, where unknown fields pass', () => {
    const word = fc.stringMatching(/^[a-z0-9]{1,6}$/);
    const member = fc.record(
      {
        server: word,
        tools: fc.array(fc.string({ minLength: 1, maxLength: 9 })),
        prompts: fc.array(word),
        resources: fc.boolean(),
        aliases: fc
          .uniqueArray(word, { maxLength: 4 })
          .map((w) => Object.fromEntries(w.map((x) => [`o${x}`, x]))),
      },
      { requiredKeys: ['server'] },
    );
    const body = fc.record(
      {
        description: fc.string(),
        instructions: fc.string(),
        names: fc.constantFrom('canonical', 'safe', 'bare'),
        members: fc.array(member, { minLength: 1, maxLength: 4 }),
      },
      { requiredKeys: ['members'] },
    );
    fc.assert(
      fc.property(word, body, (name, written) => {
        const definition = virtualDefinition(name, virtualPutSchema.parse(written)) ?? assert.fail();
        const wire = { tenant_id: 'default', name, ...virtualFields(definition), 'x-newer': { a: 1 } };
        const sent = virtualWireSchema.parse(JSON.parse(JSON.stringify(wire)));
        assert.deepEqual(virtualDefinition(sent.name, sent), definition);
        // The way back from REST's view to a PUT is the same definition again.
        assert.deepEqual(
          virtualDefinition(name, virtualPutSchema.parse(virtualFields(definition))),
          definition,
        );
      }),
    );
  });
});

describe('the section virtualServers of cruvero.json', () => {
  const read = (virtualServers: unknown, rest: object = { mcpServers: {} }) => {
    const file = readServersFile(JSON.stringify({ ...rest, virtualServers }));
    assert.ok('entries' in file);
    return file;
  };

  it('is read entry by entry; a broken one leaves the others', () => {
    const { virtuals, problems } = read({
      dev: { description: 'For builds', members: [{ server: 'files', tools: ['read_*'] }] },
      'Not a name': { members },
      empty: { members: [] },
      odd: 7,
    });
    assert.deepEqual(virtuals, [
      {
        name: 'dev',
        description: 'For builds',
        names: 'bare',
        members: [{ server: 'files', tools: ['read_*'] }],
      },
    ]);
    assert.equal(problems.length, 3);
    assert.match(problems[0] ?? '', /^virtualServers\.Not a name: its name must match/);
    assert.match(problems[1] ?? '', /^virtualServers\.empty: members: /);
    assert.match(problems[2] ?? '', /^virtualServers\.odd: entry: /);
  });

  it('may stand without servers, and need not be there', () => {
    assert.equal(read({ dev: { members } }, {}).virtuals.length, 1);
    assert.deepEqual(read(undefined), { entries: [], virtuals: [], problems: [] });
    assert.deepEqual(readServersFile('{}'), { unreadable: 'has no "mcpServers"' });
  });

  it('that is no object is a problem, and costs no server', () => {
    for (const section of [[], 'x', 7, null]) {
      const { entries, problems } = read(section, { mcpServers: { a: { command: 'x' } } });
      assert.equal(entries.length, 1);
      assert.deepEqual(problems, ['virtualServers is not an object of names and definitions']);
    }
  });

  it('says when a name stands twice, and is bounded', () => {
    const one = '"a":{"members":[{"server":"s"}]}';
    const twice = readServersFile(`{"mcpServers":{},"virtualServers":{${one},${one}}}`);
    assert.ok('virtuals' in twice);
    assert.equal(twice.virtuals.length, 1);
    assert.match(twice.problems.join(), /^virtualServers: .*the last one counts$/);
    const many = read(Object.fromEntries(Array.from({ length: 258 }, (_, n) => [`v${n}`, { members }])));
    assert.equal(many.virtuals.length, 256);
    assert.deepEqual(many.problems, ['2 virtual servers beyond the first 256 are left out']);
  });
});
