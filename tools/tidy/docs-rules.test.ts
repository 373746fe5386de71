/** Tests of the rules on documents. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decisionsNumbered, linksResolve } from './docs-rules.ts';
import { memoryRepo, told } from './memory-repo.fixture.ts';

describe('links', () => {
  it('to files, folders, headings and the world are well', () => {
    const repo = memoryRepo({
      'README.md': '# A\n[a](docs/a.md) [b](docs/) [c](#a) [d](https://x.example/y) <img src="docs/p.svg">\n',
      'docs/a.md': '## Two words, *here*\n[up](../README.md#a) [self](#two-words-here "title")\n',
      'docs/p.svg': '<svg/>',
    });
    assert.deepEqual(told(linksResolve(repo)), []);
  });

  it('that lead nowhere are found with their line', () => {
    const repo = memoryRepo({ 'docs/a.md': '# A\n\n[b](b.md)\n[c](#nothing)\n![p](../p.png)\n' });
    assert.deepEqual(told(linksResolve(repo)), [
      'docs/a.md:3 the link to b.md leads nowhere',
      'docs/a.md:4 there is no heading #nothing in docs/a.md',
      'docs/a.md:5 the link to ../p.png leads nowhere',
    ]);
  });

  it('in code are text', () => {
    const repo = memoryRepo({ 'a.md': '```md\n[b](b.md)\n# B\n```\n`[c](c.md)`\n' });
    assert.deepEqual(told(linksResolve(repo)), []);
  });
});

describe('decisions', () => {
  it('have a number, a slug and a title, each number once', () => {
    const repo = memoryRepo({
      'docs/adr/0001-one.md': '# 0001 One\n',
      'docs/adr/0001-again.md': '# 0001 Again\n',
      'docs/adr/0002-two.md': '# 2 Two\n',
      'docs/adr/three.md': '# 0003 Three\n',
      'docs/adr/README.md': '# Decisions\n',
    });
    assert.deepEqual(told(decisionsNumbered(repo)), [
      'docs/adr/0001-again.md number 0001 is taken by docs/adr/0001-one.md',
      'docs/adr/0002-two.md:1 open it with "# 0002 title"',
      'docs/adr/three.md call it NNNN-slug.md',
    ]);
  });
});
