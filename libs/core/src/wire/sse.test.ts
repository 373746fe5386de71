/** Events come out whole, however their text is cut. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encodeSse, isSseProblem, sseKeepAlive, SseParser, ssePriming, type SseEvent } from './sse.ts';

function parse(chunks: readonly string[], charsMax = 10_000): readonly SseEvent[] {
  const parser = new SseParser(charsMax);
  return chunks.flatMap((chunk) => {
    const events = parser.feed(chunk);
    assert.ok(!isSseProblem(events));
    return events;
  });
}

describe('the SSE parser', () => {
  const table: readonly [string, string, readonly SseEvent[]][] = [
    ['a plain event', 'data: {}\n\n', [{ event: 'message', data: '{}' }]],
    ['no space behind the colon', 'data:x\n\n', [{ event: 'message', data: 'x' }]],
    ['two spaces: one is kept', 'data:  x\n\n', [{ event: 'message', data: ' x' }]],
    ['CRLF', 'data: x\r\n\r\n', [{ event: 'message', data: 'x' }]],
    ['CR alone', 'data: x\r\r', [{ event: 'message', data: 'x' }]],
    ['several data lines', 'data: a\ndata: b\n\n', [{ event: 'message', data: 'a\nb' }]],
    ['a name and an id', 'event: e\nid: 7\ndata: x\n\n', [{ event: 'e', data: 'x', id: '7' }]],
    [
      'an id that lasts',
      'id: 7\ndata: a\n\ndata: b\n\n',
      [
        { event: 'message', data: 'a', id: '7' },
        { event: 'message', data: 'b', id: '7' },
      ],
    ],
    ['retry', 'retry: 250\ndata: x\n\n', [{ event: 'message', data: 'x', retryMs: 250 }]],
    [
      'retry without data: the next event says it',
      'retry: 250\n\ndata: x\n\ndata: y\n\n',
      [
        { event: 'message', data: 'x', retryMs: 250 },
        { event: 'message', data: 'y' },
      ],
    ],
    [
      'what the encoder writes',
      encodeSse('{}', 'e', '7', 250),
      [{ event: 'e', data: '{}', id: '7', retryMs: 250 }],
    ],
    ['a priming event', ssePriming('7'), [{ event: 'message', data: '', id: '7' }]],
    [
      'a priming event with a wait',
      ssePriming('7', 250),
      [{ event: 'message', data: '', id: '7', retryMs: 250 }],
    ],
    [
      'CR and LF in turns',
      'data: a\rdata: b\ndata: c\r\n\r\ndata: d\r\n\n',
      [
        { event: 'message', data: 'a\nb\nc' },
        { event: 'message', data: 'd' },
      ],
    ],
    ['a retry that is no number', 'retry: soon\ndata: x\n\n', [{ event: 'message', data: 'x' }]],
    ['comments', `${sseKeepAlive}data: x\n\n`, [{ event: 'message', data: 'x' }]],
    ['no data, no event', 'event: e\n\n', []],
    ['data without a colon is an empty line', 'data\n\n', [{ event: 'message', data: '' }]],
    ['unknown fields', 'foo: bar\ndata: x\n\n', [{ event: 'message', data: 'x' }]],
    ['a byte order mark', '\ufeffdata: x\n\n', [{ event: 'message', data: 'x' }]],
    ['an event without its end', 'data: x\n', []],
  ];
  for (const [name, text, events] of table) {
    it(`reads ${name}, whole and cut at every place`, () => {
      assert.deepEqual(parse([text]), events);
      assert.deepEqual(parse([...text]), events);
      for (let at = 0; at <= text.length; at += 1)
        assert.deepEqual(parse([text.slice(0, at), text.slice(at)]), events);
    });
  }

  it('gives back what the encoder wrote, for any data and any cut', () => {
    const line = fc.string({ unit: 'grapheme' }).map((s) => s.replace(/[\r\n\0]/g, ''));
    fc.assert(
      fc.property(fc.array(fc.tuple(line, fc.array(line, { maxLength: 3 }))), fc.nat(), (written, cut) => {
        const text = written
          .map(([first, more]) => encodeSse([first, ...more].join('\n'), 'message'))
          .join('');
        const at = cut % (text.length + 1);
        assert.deepEqual(
          parse([text.slice(0, at), text.slice(at)], 1_000_000).map((e) => e.data),
          written.map(([first, more]) => [first, ...more].join('\n')),
        );
      }),
    );
  });

  it('refuses an event larger than its bound, also one that never ends', () => {
    const parser = new SseParser(100);
    assert.ok(!isSseProblem(parser.feed('data: x\n')));
    assert.ok(isSseProblem(parser.feed(`data: ${'y'.repeat(200)}`)));
  });

  it('refuses it however it is cut, and lines without data add up', () => {
    for (const text of [`data: ${'y'.repeat(200)}\n\n`, 'data:\n'.repeat(200), 'data: 1234\n'.repeat(30)]) {
      assert.ok(isSseProblem(new SseParser(100).feed(text)));
      const parser = new SseParser(100);
      assert.ok([...text].some((letter) => isSseProblem(parser.feed(letter))));
    }
  });

  it('counts each event by itself', () => {
    assert.equal(parse(['data: 1234\n\n'.repeat(1_000)], 100).length, 1_000);
  });

  it('knows the id to resume after, also of an event without data', () => {
    const parser = new SseParser(100);
    assert.equal(parser.lastEventId, undefined);
    parser.feed('id: 7\n\n');
    assert.equal(parser.lastEventId, '7');
    parser.feed('id\ndata: x\n\n');
    assert.equal(parser.lastEventId, '');
  });

  it('never throws, whatever it is fed', () => {
    const letters = fc.constantFrom(...'dat:eventidry \r\n\0\ufeff{}"');
    fc.assert(
      fc.property(fc.array(fc.string({ unit: letters })), (chunks) => {
        const parser = new SseParser(1_000);
        for (const chunk of chunks) parser.feed(chunk);
      }),
      { numRuns: 2_000 },
    );
  });
});
