/** Names of every style are deterministic, lead back to their owner, and are never another's. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ServerName } from '../model/ids.ts';
import {
  nameIndex,
  ownerByName,
  renameItem,
  safeNamePattern,
  safeText,
  styledKey,
  styledName,
  type ListedBy,
} from './name-style.ts';
import { exposedName } from './names.ts';

const serverOf = (text: string) => text as ServerName;
const files = serverOf('files');
const listedBy = (server: string, ...owns: readonly string[]): ListedBy => ({
  server: serverOf(server),
  items: owns.map((own) => ({ own, text: JSON.stringify({ name: own }) })),
});

/** Few letters, so that names differ in what is replaced, doubled or cut away, and in little else. */
const server = fc.stringMatching(/^[ab0][ab0_-]{0,12}$/).map(serverOf);
const longServer = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,62}$/).map(serverOf);
const own = fc.oneof(
  fc.stringMatching(/^[aAb._/ -]{1,10}$/),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 80 }),
  fc.stringMatching(/^[ab]{40,70}$/),
  fc.stringMatching(/^a_[0-9a-f]{12}$/),
);
const owned = fc.tuple(fc.oneof(server, longServer), own);

describe('a safe name', () => {
  const plain: readonly [string, string, string][] = [
    ['files', 'read_file', 'files__read_file'],
    ['files', '_read', 'files___read'],
    ['my-files_2', 'Read-File', 'my-files_2__Read-File'],
    ['a'.repeat(30), 'b'.repeat(32), `${'a'.repeat(30)}__${'b'.repeat(32)}`],
  ];
  for (const [name, tool, expected] of plain) {
    it(`of ${name.slice(0, 12)} and ${tool.slice(0, 12)} can be read, without a hash`, () => {
      assert.equal(styledName('safe', serverOf(name), tool), expected);
      assert.deepEqual(ownerByName('safe', expected), { server: name, own: tool });
    });
  }

  const hashed: readonly [string, string, string, RegExp][] = [
    ['has a dot', 'files', 'read.file', /^files__read_file_[0-9a-f]{12}$/],
    ['has nothing safe', 'files', '読む', /^files__[0-9a-f]{12}$/],
    ['is too long', 'files', 'x'.repeat(80), /^files__x{44}_[0-9a-f]{12}$/],
    ['looks hashed', 'files', 'read_0123456789ab', /^files__read_0123456789ab_[0-9a-f]{12}$/],
    ['has a long server', 's'.repeat(63), 'read', /^s{17}_[0-9a-f]{12}__read$/],
    ['has a server with the separator', 'a__b', 'read', /^a_b_[0-9a-f]{12}__read$/],
    ['has a server that ends in a part of it', 'a_', 'read', /^a_[0-9a-f]{12}__read$/],
  ];
  for (const [what, name, tool, expected] of hashed) {
    it(`that ${what} carries a hash`, () => {
      const styled = styledName('safe', serverOf(name), tool);
      assert.match(styled, expected);
      assert.match(styled, safeNamePattern);
      assert.equal(ownerByName('safe', styled), undefined, 'it cannot be read back without a list');
    });
  }

  it('stays the same over releases: agents keep it in their notes', () => {
    assert.equal(styledName('safe', files, 'read.file'), 'files__read_file_8ca801ede7af');
    assert.equal(styledName('safe', serverOf('a__b'), 'x'), 'a_b_18fcf5f709a1__x');
  });

  it('fits what models take, always', () => {
    fc.assert(
      fc.property(owned, ([name, tool]) => {
        const styled = styledName('safe', name, tool);
        assert.match(styled, safeNamePattern);
        assert.equal(styledName('safe', name, tool), styled);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is never that of two tools, however little they differ', () => {
    fc.assert(
      fc.property(fc.array(owned, { minLength: 50, maxLength: 300 }), (pairs) => {
        const owners = new Map<string, string>();
        for (const [name, tool] of pairs) {
          const styled = styledName('safe', name, tool);
          const canonical = exposedName(name, tool);
          assert.equal(owners.get(styled) ?? canonical, canonical, styled);
          owners.set(styled, canonical);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('of 200,000 tools that differ in replaced characters only is different for each', () => {
    const seen = new Set<string>();
    const marks = '._/ :~+,;@';
    for (let n = 0; n < 200_000; n += 1) {
      const tool = `a${[...String(n)].map((digit) => marks[Number(digit)]).join('b')}c`;
      seen.add(styledName('safe', files, tool));
    }
    assert.equal(seen.size, 200_000);
  });

  it('of one server can never be made by another one', () => {
    fc.assert(
      fc.property(server, own, server, own, (a, toolA, b, toolB) => {
        fc.pre(a !== b);
        const part = (name: ServerName, tool: string) => styledName('safe', name, tool).split('__', 1)[0];
        assert.notEqual(part(a, toolA), part(b, toolB));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('safe text', () => {
  it('is the text itself where that is safe', () => assert.equal(safeText('read-File_2'), 'read-File_2'));
  it('fits the pattern for any text, and differs for different texts', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        assert.match(safeText(a), safeNamePattern);
        assert.equal(safeText(a) === safeText(b), a === b);
      }),
    );
  });
});

describe('names of the other styles', () => {
  it('are the canonical one and the bare one, untouched', () => {
    fc.assert(
      fc.property(owned, ([name, tool]) => {
        assert.equal(styledName('canonical', name, tool), `mcp.${name}.${tool}`);
        assert.equal(styledName('bare', name, tool), tool);
        assert.deepEqual(ownerByName('canonical', styledName('canonical', name, tool)), {
          server: name,
          own: tool,
        });
        assert.equal(ownerByName('bare', tool), undefined);
      }),
    );
  });

  it('are for names only: URIs are exposed the same in every style', () => {
    for (const style of ['canonical', 'safe', 'bare'] as const) {
      assert.equal(styledKey(style, 'resources', files, 'demo://x'), 'mcp://files/demo://x');
      assert.equal(styledKey(style, 'resourceTemplates', files, 'demo://{x}'), 'mcp://files/demo://{x}');
    }
    assert.equal(styledKey('safe', 'prompts', files, 'ask'), 'files__ask');
  });

  it('replace one member of an item and leave the rest to the letter', () => {
    const item = { own: 'read', text: '{ "name" : "read", "n": 1.0 }' };
    assert.equal(renameItem('tools', item, 'files__read'), '{ "name" : "files__read", "n": 1.0 }');
    assert.equal(renameItem('tools', item, 'read'), item.text);
    const resource = { own: 'a:b', text: '{"uri":"a:b","name":"read"}' };
    assert.equal(renameItem('resources', resource, 'mcp://f/a:b'), '{"uri":"mcp://f/a:b","name":"read"}');
  });
});

describe('an index of names', () => {
  it('leads every name back to its owner', () => {
    const lists = fc.uniqueArray(fc.tuple(server, fc.uniqueArray(own, { maxLength: 8 })), {
      selector: ([name]) => name,
      maxLength: 6,
    });
    fc.assert(
      fc.property(lists, (servers) => {
        for (const style of ['canonical', 'safe'] as const) {
          const index = nameIndex(
            style,
            servers.map(([name, owns]) => listedBy(name, ...owns)),
          );
          assert.deepEqual(index.hidden, []);
          for (const [name, owns] of servers) {
            for (const tool of owns) {
              const found = index.ownerOf(styledName(style, name, tool));
              assert.deepEqual(found, { server: name, own: tool });
            }
          }
        }
      }),
    );
  });

  it('gives a name to the first who has it, and says who does not', () => {
    const index = nameIndex('bare', [listedBy('a', 'read', 'read', 'list'), listedBy('b', 'read')]);
    assert.deepEqual(index.ownerOf('read'), { server: 'a', own: 'read' });
    assert.deepEqual(index.hidden, [
      { exposed: 'read', server: 'b', own: 'read', takenBy: { server: 'a', own: 'read' } },
    ]);
    assert.equal(index.ownerOf('toString'), undefined);
  });
});

describe('the owner of a name that no list has', () => {
  for (const name of ['', '__', '__x', 'files__', 'files_x', 'Files__x', 'a_b_18fcf5f709a1__x', 'files__a.b'])
    it(`is not made up for ${JSON.stringify(name)}`, () =>
      assert.equal(ownerByName('safe', name), undefined));
});
