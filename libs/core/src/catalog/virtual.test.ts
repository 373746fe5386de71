/** What a virtual server offers: what was selected, under the names it was given, each name once. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { defaultTenant, type ServerName } from '../model/ids.ts';
import type { VirtualMember, VirtualServer } from '../model/virtual-server.ts';
import { listKinds, type ListedItem, type ListKind } from './listing.ts';
import { safeNamePattern } from './name-style.ts';
import { exposedName } from './names.ts';
import {
  compileVirtual,
  virtualOwner,
  virtualResult,
  virtualUriOwner,
  type MemberListed,
} from './virtual.ts';

const nameOf = (text: string) => text as ServerName;
const named = (...names: readonly string[]): readonly ListedItem[] =>
  names.map((own) => ({ own, text: JSON.stringify({ name: own }) }));
const located = (key: 'uri' | 'uriTemplate', ...uris: readonly string[]): readonly ListedItem[] =>
  uris.map((own) => ({ own, text: JSON.stringify({ [key]: own }) }));

const world: Readonly<Record<string, MemberListed>> = {
  files: {
    tools: named('read_file', 'read_dir', 'write_file'),
    resources: located('uri', 'demo://a'),
    resourceTemplates: located('uriTemplate', 'demo://{x}'),
    prompts: named('ask', 'tell'),
  },
  git: { tools: named('read_file', 'log'), resources: [], resourceTemplates: [], prompts: named('ask') },
  ill: { absent: 'It is away.' },
};
const virtualOf = (members: readonly object[], names: VirtualServer['names'] = 'bare'): VirtualServer => ({
  tenantId: defaultTenant,
  name: nameOf('dev'),
  names,
  members: members as readonly VirtualMember[],
});
const compile = (members: readonly object[], names: VirtualServer['names'] = 'bare') =>
  compileVirtual(virtualOf(members, names), (server) => world[server]);
const exposed = (compiled: ReturnType<typeof compile>, kind: ListKind = 'tools') =>
  compiled.items[kind].map((item) => item.exposed);

describe('the selection', () => {
  it('is all that a member has where nothing is said', () => {
    const compiled = compile([{ server: 'files' }]);
    assert.deepEqual(exposed(compiled), ['read_file', 'read_dir', 'write_file']);
    assert.deepEqual(exposed(compiled, 'prompts'), ['ask', 'tell']);
    assert.deepEqual(exposed(compiled, 'resources'), ['mcp://files/demo://a']);
    assert.deepEqual(exposed(compiled, 'resourceTemplates'), ['mcp://files/demo://{x}']);
  });

  const table: readonly [string, object, readonly string[]][] = [
    ['of names', { tools: ['read_dir', 'nothing'] }, ['read_dir']],
    ['of a pattern', { tools: ['read_*'] }, ['read_file', 'read_dir']],
    [
      'of names and patterns, in the order of the list',
      { tools: ['write_file', '*dir'] },
      ['read_dir', 'write_file'],
    ],
    ['of none', { tools: [] }, []],
    ['of what only looks like a pattern', { tools: ['read_.*', 'read?dir'] }, []],
  ];
  for (const [what, member, expected] of table)
    it(what, () => assert.deepEqual(exposed(compile([{ server: 'files', ...member }])), expected));

  it('of prompts and resources is its own', () => {
    const compiled = compile([{ server: 'files', tools: [], prompts: ['t*'], resources: false }]);
    assert.deepEqual(
      listKinds.map((kind) => exposed(compiled, kind)),
      [[], [], [], ['tell']],
    );
  });
});

describe('names', () => {
  it('are those of the style where there is no alias', () => {
    const members = [{ server: 'files', tools: ['read_file'] }];
    assert.deepEqual(exposed(compile(members, 'canonical')), ['mcp.files.read_file']);
    assert.deepEqual(exposed(compile(members, 'safe')), ['files__read_file']);
    assert.deepEqual(exposed(compile(members, 'bare')), ['read_file']);
  });

  it('are the aliases where there are some, for tools and prompts', () => {
    const aliases = { read_file: 'read', ask: 'question', nobody: 'x' };
    const compiled = compile([{ server: 'files', aliases }]);
    assert.deepEqual(exposed(compiled), ['read', 'read_dir', 'write_file']);
    assert.deepEqual(exposed(compiled, 'prompts'), ['question', 'tell']);
    assert.equal(compiled.items.tools[0]?.text, '{"name":"read"}');
    assert.deepEqual(virtualOwner(compiled, 'tools', 'read'), { server: 'files', own: 'read_file' });
    assert.equal(virtualOwner(compiled, 'tools', 'read_file'), undefined, 'the old name is gone');
    assert.equal(virtualOwner(compiled, 'prompts', 'read'), undefined);
  });

  it('can be swapped within a member, and an alias goes before a name that was there', () => {
    const swapped = compile([{ server: 'files', aliases: { read_file: 'read_dir', read_dir: 'read_file' } }]);
    assert.deepEqual(exposed(swapped), ['read_dir', 'read_file', 'write_file']);
    assert.deepEqual(swapped.hidden, []);
    const taken = compile([{ server: 'files', aliases: { write_file: 'read_file' } }]);
    assert.deepEqual(exposed(taken), ['read_dir', 'read_file']);
    assert.equal(virtualOwner(taken, 'tools', 'read_file')?.own, 'write_file');
    assert.partialDeepStrictEqual(taken.hidden, [{ kind: 'tools', own: 'read_file' }]);
  });

  it('stay safe where names are safe, whatever the alias', () => {
    const [name] = exposed(
      compile([{ server: 'files', tools: ['log', 'read_dir'], aliases: { read_dir: 'a.b' } }], 'safe'),
    );
    assert.match(name ?? '', /^a_b_[0-9a-f]{12}$/);
    assert.match(name ?? '', safeNamePattern);
  });

  it('that every object has are no aliases', () => {
    const odd: MemberListed = {
      tools: named('constructor', 'toString'),
      resources: [],
      resourceTemplates: [],
      prompts: [],
    };
    const compiled = compileVirtual(virtualOf([{ server: 'odd', aliases: { x: 'y' } }]), () => odd);
    assert.deepEqual(exposed(compiled), ['constructor', 'toString']);
    assert.equal(virtualOwner(compiled, 'tools', 'valueOf'), undefined);
  });
});

describe('a name that two members have', () => {
  it('is the first one’s, and the other item is told as hidden', () => {
    const compiled = compile([{ server: 'git' }, { server: 'files' }]);
    assert.deepEqual(exposed(compiled), ['read_file', 'log', 'read_dir', 'write_file']);
    assert.equal(virtualOwner(compiled, 'tools', 'read_file')?.server, 'git');
    assert.deepEqual(
      compiled.hidden.map(({ kind, server, own, takenBy }) => [kind, server, own, takenBy.server]),
      [
        ['tools', 'files', 'read_file', 'git'],
        ['prompts', 'files', 'ask', 'git'],
      ],
    );
  });

  it('is no conflict in the styles that say the server', () => {
    for (const style of ['canonical', 'safe'] as const)
      assert.deepEqual(compile([{ server: 'git' }, { server: 'files' }], style).hidden, []);
  });

  it('hides nothing where it is the same item again, and one item may have two names', () => {
    const twice = compile([{ server: 'files' }, { server: 'files', aliases: { read_file: 'cat' } }]);
    assert.deepEqual(exposed(twice), ['read_file', 'read_dir', 'write_file', 'cat']);
    assert.deepEqual(exposed(twice, 'resources'), ['mcp://files/demo://a']);
    assert.deepEqual(twice.hidden, []);
    assert.deepEqual(virtualOwner(twice, 'tools', 'cat'), virtualOwner(twice, 'tools', 'read_file'));
  });
});

describe('a member that is not there', () => {
  it('is told as absent with its reason, once, and the others stand', () => {
    const compiled = compile([{ server: 'ill' }, { server: 'nobody' }, { server: 'git' }, { server: 'ill' }]);
    assert.deepEqual(compiled.absent, [
      { server: 'ill', reason: 'It is away.' },
      { server: 'nobody', reason: 'There is no server of this name here (yet).' },
    ]);
    assert.deepEqual(exposed(compiled), ['read_file', 'log']);
  });
});

describe('resources', () => {
  it('belong to members that share them, listed or not', () => {
    const definition = virtualOf([{ server: 'files', resources: false }, { server: 'git' }]);
    assert.deepEqual(virtualUriOwner(definition, 'mcp://git/any://x'), { server: 'git', own: 'any://x' });
    for (const uri of ['mcp://files/demo://a', 'mcp://other/x', 'demo://a', 'mcp://git/', ''])
      assert.equal(virtualUriOwner(definition, uri), undefined, uri);
  });
});

describe('the text of a list', () => {
  it('has the items, who is absent, and what is hidden', () => {
    const compiled = compile([
      { server: 'git', tools: ['read_file'] },
      { server: 'files' },
      { server: 'ill' },
    ]);
    assert.deepEqual(JSON.parse(virtualResult(compiled, 'tools')), {
      tools: [{ name: 'read_file' }, { name: 'read_dir' }, { name: 'write_file' }],
      _meta: {
        'dev.cruvero/unavailable': [{ server: 'ill', reason: 'It is away.' }],
        'dev.cruvero/hidden': {
          count: 1,
          items: [{ name: 'read_file', server: 'files', own: 'read_file', takenBy: 'git' }],
        },
      },
    });
    assert.equal(virtualResult(compile([{ server: 'git', tools: [] }]), 'tools'), '{"tools":[]}');
  });

  it('leaves out what its caller must not see, by canonical name, also among what is hidden', () => {
    const compiled = compile([{ server: 'git' }, { server: 'files', aliases: { write_file: 'w' } }]);
    const text = virtualResult(compiled, 'tools', ({ server, own }) => {
      const canonical = exposedName(server, own);
      return canonical !== 'mcp.files.write_file' && canonical !== 'mcp.files.read_file';
    });
    assert.equal(text, '{"tools":[{"name":"read_file"},{"name":"log"},{"name":"read_dir"}]}');
  });

  it('names a hundred hidden items and counts the rest', () => {
    const many: MemberListed = {
      tools: named(...Array.from({ length: 250 }, (_, n) => `t${n}`)),
      resources: [],
      resourceTemplates: [],
      prompts: [],
    };
    const compiled = compileVirtual(virtualOf([{ server: 'a' }, { server: 'b' }]), () => many);
    const { _meta: meta } = JSON.parse(virtualResult(compiled, 'tools'));
    const { count, items } = meta['dev.cruvero/hidden'];
    assert.deepEqual([count, items.length], [250, 100]);
  });
});

describe('any definition', () => {
  const word = fc.constantFrom('a', 'b', 'c', 'd', 'a.b', 'a_b', '*');
  const member = fc.record(
    {
      server: fc.constantFrom('files', 'git', 'ill', 'nobody', 'x'),
      tools: fc.array(word, { maxLength: 3 }),
      aliases: fc.dictionary(word, word, { maxKeys: 3 }),
    },
    { requiredKeys: ['server'] },
  );
  const lists = fc.dictionary(fc.constantFrom('files', 'git', 'x'), fc.uniqueArray(word, { maxLength: 6 }));

  it('gives every name once, and every shown name leads back to its item', () => {
    fc.assert(
      fc.property(
        fc.array(member),
        lists,
        fc.constantFrom('bare', 'safe', 'canonical'),
        (members, owns, style) => {
          const compiled = compileVirtual(virtualOf(members, style), (server) =>
            Object.hasOwn(owns, server)
              ? { tools: named(...(owns[server] ?? [])), resources: [], resourceTemplates: [], prompts: [] }
              : undefined,
          );
          const names = exposed(compiled);
          assert.equal(new Set(names).size, names.length);
          assert.equal(compiled.owners.tools.size, names.length);
          for (const item of compiled.items.tools) {
            const { server, own } = item;
            assert.deepEqual(virtualOwner(compiled, 'tools', item.exposed), { server, own });
            assert.deepEqual(JSON.parse(item.text), { name: item.exposed });
            if (style === 'safe') assert.match(item.exposed, safeNamePattern);
          }
          for (const { exposed: name, server, own } of compiled.hidden)
            assert.notDeepEqual(virtualOwner(compiled, 'tools', name), { server, own });
        },
      ),
    );
  });
});
