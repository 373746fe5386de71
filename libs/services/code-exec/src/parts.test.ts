/** The parts of code execution under simulated time: turns, texts, kept files, workspaces, kinds of files. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimClock } from '@cruvero/testkit';
import fc from 'fast-check';
import { KeptFiles } from './kept-files.ts';
import { imageTypeOf, mimeTypeOf } from './mime-type.ts';
import { SpokenText } from './spoken-text.ts';
import { Turns, type Turn } from './turns.ts';
import { Workspaces } from './workspaces.ts';

const never = new AbortController().signal;
const asTurn = (got: unknown): Turn =>
  typeof got === 'object' && got !== null && 'done' in got ? (got as Turn) : assert.fail(JSON.stringify(got));

describe('turns', () => {
  const options = { runsMax: 2, waitingMax: 2, waitMsMax: 1_000 };

  it('are given in the order of asking, never more than allowed at one time', async () => {
    const turns = new Turns(options, new SimClock());
    const first = asTurn(await turns.take(never));
    await turns.take(never);
    const order: number[] = [];
    const waiting = [3, 4].map(async (n) => {
      const turn = asTurn(await turns.take(never));
      order.push(n);
      turn.done();
    });
    assert.deepEqual([turns.running, turns.waiting], [2, 2]);
    first.done();
    await Promise.all(waiting);
    assert.deepEqual(order, [3, 4]);
    assert.deepEqual([turns.running, turns.waiting], [1, 0]);
  });

  it('are refused at once with a time to come again when too many wait', async () => {
    const clock = new SimClock();
    const turns = new Turns(options, clock);
    const running = [asTurn(await turns.take(never)), await turns.take(never)];
    await clock.advance(4_000);
    asTurn(running[0]).done();
    void turns.take(never);
    void turns.take(never);
    void turns.take(never);
    const refused = await turns.take(never);
    assert.ok(refused && 'busy' in refused && refused.busy === 'full');
    assert.ok(refused.retryAfterMs >= 1_000 && refused.retryAfterMs <= 60_000, String(refused.retryAfterMs));
  });

  it('are given up by who waits too long, goes away, or when all is closed', async () => {
    const clock = new SimClock();
    const turns = new Turns({ ...options, runsMax: 1 }, clock);
    await turns.take(never);
    const late = turns.take(never);
    await clock.advance(1_000);
    assert.equal(((await late) as { busy?: string }).busy, 'late');
    const aborter = new AbortController();
    const gone = turns.take(aborter.signal);
    aborter.abort();
    assert.equal(await gone, undefined);
    const closing = turns.take(never);
    turns.close();
    assert.equal(((await closing) as { busy?: string }).busy, 'closed');
    assert.equal(((await turns.take(never)) as { busy?: string }).busy, 'closed');
    assert.equal(clock.pending, 0);
  });
});

describe('spoken text', () => {
  it('is the same however the bytes were cut, broken UTF-8 too', () => {
    const property = fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.array(fc.nat(8), { maxLength: 20 }),
      (bytes, cuts) => {
        const spoken = new SpokenText();
        let at = 0;
        let fresh = '';
        for (const cut of [...cuts, bytes.length]) {
          spoken.feed(bytes.slice(at, at + cut));
          at += cut;
          fresh += spoken.takeFresh();
        }
        const text = spoken.end(false);
        assert.equal(text, new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
        assert.equal(fresh + spoken.takeFresh(), text);
      },
    );
    fc.assert(property, { numRuns: 500 });
  });

  it('ends before half a character where the rest was dropped', () => {
    const smile = Buffer.from('a😀');
    const [cut, broken] = [new SpokenText(), new SpokenText()];
    cut.feed(smile.subarray(0, 3));
    broken.feed(smile.subarray(0, 3));
    assert.deepEqual([cut.end(true), broken.end(false)], ['a', 'a\ufffd']);
  });
});

describe('kept files', () => {
  const file = (size: number) => ({
    name: 'd/ü.bin',
    mimeType: 'application/octet-stream',
    bytes: Buffer.alloc(size),
  });
  function store(bytesMax = 400) {
    const clock = new SimClock();
    let id = 0;
    return { clock, kept: new KeptFiles({ keptMs: 1_000, bytesMax, newId: () => `id${(id += 1)}` }, clock) };
  }

  it('can be read until their time is over', async () => {
    const { clock, kept } = store();
    const uri = kept.keep('a', file(10)) ?? assert.fail();
    assert.equal(uri, 'code-exec://files/id1/d%2F%C3%BC.bin');
    await clock.advance(999);
    assert.equal(kept.read(uri)?.bytes.length, 10);
    await clock.advance(1);
    assert.deepEqual([kept.read(uri), kept.bytes], [undefined, 0]);
  });

  it('make room for newer ones of the same caller first, and never of more than a part', () => {
    const { kept } = store();
    const other = kept.keep('b', file(90)) ?? assert.fail();
    const own = [kept.keep('a', file(60)), kept.keep('a', file(60))];
    assert.deepEqual(
      own.map((uri) => kept.read(uri ?? '') !== undefined),
      [false, true],
    );
    assert.ok(kept.read(other));
    assert.equal(kept.keep('a', file(101)), undefined);
    for (const owner of 'cdefghij') kept.keep(owner, file(90));
    assert.ok(kept.bytes <= 400);
    assert.equal(kept.read(other), undefined);
  });
});

describe('kept files that are empty', () => {
  it('are bounded in number, for one caller and for all', () => {
    let id = 0;
    const options = { keptMs: 1_000, bytesMax: 400, newId: () => `id${(id += 1)}` };
    const kept = new KeptFiles(options, new SimClock());
    const empty = { name: 'x', mimeType: 'text/plain', bytes: new Uint8Array() };
    const other = kept.keep('b', empty) ?? assert.fail();
    const own = Array.from({ length: 3_000 }, () => kept.keep('a', empty) ?? assert.fail());
    assert.equal(own.filter((uri) => kept.read(uri)).length, 2_048);
    assert.ok(kept.read(other));
    for (const owner of 'cdefg') for (let n = 0; n < 2_048; n += 1) kept.keep(owner, empty);
    assert.equal(kept.read(other), undefined);
  });
});

describe('workspaces', () => {
  const files = (size: number) => [{ path: 'x', bytes: Buffer.alloc(size) }];
  const open = (clock = new SimClock()) =>
    new Workspaces({ idleMs: 1_000, perOwnerMax: 2, bytesMax: 100, totalBytesMax: 600 }, clock);
  const lend = (spaces: Workspaces, owner: string, name: string) => {
    const lent = spaces.lend(owner, name);
    return typeof lent === 'string' ? assert.fail(lent) : lent;
  };

  it('give each caller its own files, and one call at a time', () => {
    const spaces = open();
    const first = lend(spaces, 'a', 'w');
    assert.equal(spaces.lend('a', 'w'), 'in_use');
    assert.deepEqual(lend(spaces, 'b', 'w').files, []);
    assert.equal(first.giveBack(files(3)), true);
    const again = lend(spaces, 'a', 'w');
    assert.equal(again.files[0]?.bytes.length, 3);
    assert.equal(again.giveBack(undefined), true);
    assert.equal(lend(spaces, 'a', 'w').files.length, 1);
  });

  it('keep what they had where too much comes back', () => {
    const spaces = open();
    lend(spaces, 'a', 'w').giveBack(files(50));
    assert.equal(lend(spaces, 'a', 'w').giveBack(files(101)), false);
    assert.equal(lend(spaces, 'a', 'w').files[0]?.bytes.length, 50);
  });

  it('are forgotten when nobody used them for long, or others are used more', async () => {
    const clock = new SimClock();
    const spaces = open(clock);
    lend(spaces, 'a', 'old').giveBack(files(1));
    await clock.advance(10);
    lend(spaces, 'a', 'new').giveBack(files(1));
    lend(spaces, 'a', 'third').giveBack(files(1));
    assert.equal(lend(spaces, 'a', 'old').files.length, 0, 'the one unused longest made room');
    await clock.advance(1_000);
    assert.equal(lend(spaces, 'a', 'third').files.length, 0);
    assert.equal(
      new Workspaces({ idleMs: 1, perOwnerMax: 0, bytesMax: 1, totalBytesMax: 1 }, clock).lend('a', 'w'),
      'none_here',
    );
  });

  it('of one caller have a quarter of the room, and all together no more than there is', async () => {
    const clock = new SimClock();
    const spaces = open(clock);
    const fill = async (owner: string, name: string, size: number): Promise<boolean> => {
      const taken = lend(spaces, owner, name).giveBack(files(size));
      await clock.advance(1);
      return taken;
    };
    const sizeOf = (owner: string, name: string): number => {
      const { files: held, giveBack } = lend(spaces, owner, name);
      giveBack(undefined);
      return held[0]?.bytes.length ?? 0;
    };
    assert.ok(await fill('a', 'one', 100));
    assert.ok(await fill('a', 'two', 100));
    assert.deepEqual([sizeOf('a', 'one'), sizeOf('a', 'two')], [0, 100], 'its own made room');
    for (const owner of 'bcdef') assert.ok(await fill(owner, 'w', 100));
    assert.ok(await fill('g', 'w', 50));
    assert.equal(sizeOf('a', 'two'), 0, 'the one unused longest of all made room');
    assert.deepEqual(
      [...'bcdef'].map((owner) => sizeOf(owner, 'w')),
      [100, 100, 100, 100, 100],
    );
  });

  it('that are in use are never taken away to make room', async () => {
    const spaces = open();
    const held = [...'abcdef'].map((owner) => {
      lend(spaces, owner, 'w').giveBack(files(100));
      return lend(spaces, owner, 'w');
    });
    const more = lend(spaces, 'g', 'w');
    assert.equal(more.giveBack(files(1)), false);
    held[0]?.giveBack(undefined);
    assert.equal(lend(spaces, 'g', 'w').giveBack(files(1)), true);
    assert.equal(lend(spaces, 'b', 'other').giveBack(files(60)), false, 'its other one is in use');
  });

  it('are bounded in number, empty or not', () => {
    const spaces = open();
    lend(spaces, 'first', 'w').giveBack(files(1));
    for (let n = 0; n < 4_096; n += 1) lend(spaces, `owner-${n}`, 'w').giveBack(undefined);
    assert.equal(lend(spaces, 'first', 'w').files.length, 0);
  });
});

describe('kinds of files', () => {
  it('are images by what they hold, and others by name', () => {
    const png = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1]);
    assert.equal(mimeTypeOf('plot.txt', png), 'image/png');
    assert.equal(imageTypeOf(Buffer.from('RIFF1234WEBPx')), 'image/webp');
    assert.equal(imageTypeOf(Buffer.from('<svg/>')), undefined);
    assert.deepEqual(
      ['a.png', 'b.CSV', 'c', 'd.constructor'].map((path) => mimeTypeOf(path, Buffer.from('x'))),
      ['application/octet-stream', 'text/csv', 'application/octet-stream', 'application/octet-stream'],
    );
  });
});
