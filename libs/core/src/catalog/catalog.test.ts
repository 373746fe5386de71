/** Names and lists on the aggregate endpoint. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { serverNamePattern, toServerName, type ServerName } from '../model/ids.ts';
import { aggregateResult, exposeItem, listKindOf, readListPage } from './listing.ts';
import { exposedName, exposedUri, ownedName, ownedUri } from './names.ts';
import { exposeUris } from './uris.ts';

const server = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,20}$/).map((s) => s as ServerName);
const files = 'files' as ServerName;

describe('exposed names', () => {
  it('lead back to their server and own name, for any name', () => {
    fc.assert(
      fc.property(server, fc.string({ minLength: 1 }), (name, own) => {
        assert.deepEqual(ownedName(exposedName(name, own)), { server: name, own });
        assert.deepEqual(ownedUri(exposedUri(name, own)), { server: name, own });
      }),
    );
  });

  for (const name of [
    'echo',
    'mcp.',
    'mcp.files',
    'mcp.files.',
    'mcp..x',
    'mcp.Files.x',
    'MCP.files.x',
    'mcp.fi les.x',
  ]) {
    it(`are not made out of ${JSON.stringify(name)}`, () => assert.equal(ownedName(name), undefined));
  }
  for (const uri of ['file:///x', 'mcp://', 'mcp://files', 'mcp://files/', 'mcp://../x', 'mcp:///x']) {
    it(`are not made out of ${uri}`, () => assert.equal(ownedUri(uri), undefined));
  }

  it('stay valid URIs, and templates stay templates', () => {
    const exposed = exposedUri(files, 'demo://r/{id}?q=a%20b#f');
    assert.equal(exposed, 'mcp://files/demo://r/{id}?q=a%20b#f');
    assert.equal(new URL(exposedUri(files, 'demo://r/1?q=a%20b')).host, 'files');
  });
});

describe('server names out of labels', () => {
  const table: readonly [string, string | undefined][] = [
    ['GitHub (work)', 'github-work'],
    ['my_server', 'my_server'],
    ['../../etc', 'etc'],
    ['***', undefined],
    ['', undefined],
    ['é', undefined],
    ['a'.repeat(100), 'a'.repeat(63)],
  ];
  for (const [label, name] of table) {
    it(`of ${JSON.stringify(label.slice(0, 20))}`, () => assert.equal(toServerName(label), name));
  }
  it('are always valid', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (label) => {
        const name = toServerName(label);
        assert.ok(name === undefined || serverNamePattern.test(name));
      }),
    );
  });
});

describe('list pages', () => {
  it('are read item by item, each to the letter', () => {
    const page = readListPage(
      'tools',
      '{"tools":[ {"name":"a", "x": 1.0} ,{"name":"b"}],"nextCursor":"c\\n"}',
    );
    assert.deepEqual(page, {
      items: [
        { own: 'a', text: '{"name":"a", "x": 1.0}' },
        { own: 'b', text: '{"name":"b"}' },
      ],
      nextCursor: 'c\n',
    });
  });

  it('leave out what has no name, and are none where there is no list', () => {
    assert.deepEqual(
      readListPage('tools', '{"tools":[{},7,{"name":""},{"name":"a","name":"b"}]}')?.items,
      [],
    );
    assert.equal(readListPage('tools', '{"prompts":[]}'), undefined);
    assert.equal(readListPage('tools', '{"tools":{}}'), undefined);
    assert.equal(readListPage('tools', 'nonsense'), undefined);
  });

  it('know their method', () => {
    assert.equal(listKindOf('resources/templates/list'), 'resourceTemplates');
    assert.equal(listKindOf('tools/call'), undefined);
  });

  it('are joined under exposed names, and say who is missing', () => {
    const text = aggregateResult(
      'tools',
      [exposeItem('tools', files, { own: 'read', text: '{"name":"read","n": 1.0}' })],
      [{ server: 'dead' as ServerName, reason: 'It is away.' }],
    );
    assert.equal(
      text,
      '{"tools":[{"name":"mcp.files.read","n": 1.0}],"_meta":{"dev.cruvero/unavailable":[{"server":"dead","reason":"It is away."}]}}',
    );
    assert.equal(aggregateResult('prompts', [], []), '{"prompts":[]}');
  });

  it('expose URIs and templates as such', () => {
    assert.equal(
      exposeItem('resources', files, { own: 'a:b', text: '{"uri":"a:b"}' }),
      '{"uri":"mcp://files/a:b"}',
    );
    assert.equal(
      exposeItem('resourceTemplates', files, { own: 'a:{x}', text: '{"uriTemplate":"a:{x}"}' }),
      '{"uriTemplate":"mcp://files/a:{x}"}',
    );
  });
});

describe('URIs inside results', () => {
  const table: readonly [string, string, string, string][] = [
    [
      'of read contents',
      'resources/read',
      '{"contents":[{"uri":"a:1","text":"uri"},{"uri":"a:2"}]}',
      '{"contents":[{"uri":"mcp://files/a:1","text":"uri"},{"uri":"mcp://files/a:2"}]}',
    ],
    [
      'of links and embedded resources',
      'tools/call',
      '{"content":[{"type":"resource_link","uri":"a:1"},{"type":"resource","resource":{"uri":"a:2"}}]}',
      '{"content":[{"type":"resource_link","uri":"mcp://files/a:1"},{"type":"resource","resource":{"uri":"mcp://files/a:2"}}]}',
    ],
    [
      'of prompt messages, single and in a list',
      'prompts/get',
      '{"messages":[{"content":{"type":"resource","resource":{"uri":"a:1"}}},{"content":[{"type":"resource_link","uri":"a:2"}]}]}',
      '{"messages":[{"content":{"type":"resource","resource":{"uri":"mcp://files/a:1"}}},{"content":[{"type":"resource_link","uri":"mcp://files/a:2"}]}]}',
    ],
    [
      'but not of content types that are not known',
      'tools/call',
      '{"content":[{"type":"x","uri":"a:1"}],"uri":"a:1"}',
      '{"content":[{"type":"x","uri":"a:1"}],"uri":"a:1"}',
    ],
    [
      'but not of structured content',
      'tools/call',
      '{"content":[],"structuredContent":{"type":"resource_link","uri":"a:1"}}',
      '{"content":[],"structuredContent":{"type":"resource_link","uri":"a:1"}}',
    ],
    ['but not where the shape is another', 'tools/call', '{"content":{"uri":1}}', '{"content":{"uri":1}}'],
    ['but not of other methods', 'completion/complete', '{"uri":"a"}', '{"uri":"a"}'],
  ];
  for (const [name, method, text, expected] of table) {
    it(`are exposed ${name}`, () => assert.equal(exposeUris(method, files, text), expected));
  }
});
