/** Whether an answer is the right one: its id, its frame, and its payload byte for byte. */

export interface Expected {
  readonly id: number;
  /** The payload in pieces that follow each other; it is a member of `result`. */
  readonly payload: readonly Buffer[];
}

/** More than this around the payload is not the answer that was asked for. */
const frameBytesMax = 2_048;

/** @returns what is wrong with it, or undefined. */
export function problemOf(body: Buffer, { id, payload }: Expected): string | undefined {
  const first = payload[0];
  const at = first ? body.indexOf(first) : -1;
  if (!first || at < 0) return `the payload is missing: ${body.toString('utf8', 0, 200)}`;
  let end = at + first.length;
  for (const piece of payload.slice(1)) {
    if (!body.subarray(end, end + piece.length).equals(piece)) return 'the payload differs';
    end += piece.length;
  }
  const frameBytes = body.length - (end - at);
  if (frameBytes > frameBytesMax) return `${frameBytes} bytes around the payload`;
  return problemOfFrame(body.toString('latin1', 0, at), body.toString('latin1', end), id);
}

interface Frame {
  readonly jsonrpc?: unknown;
  readonly id?: unknown;
  readonly result?: { readonly payload?: unknown; readonly isError?: unknown };
}

/** What is left of the message when a number stands for its payload. */
function problemOfFrame(head: string, tail: string, id: number): string | undefined {
  let frame: Frame;
  try {
    frame = JSON.parse(`${head}"payload":1${tail}`) as Frame;
  } catch {
    return `no JSON around the payload: ${head} … ${tail}`;
  }
  if (frame.jsonrpc !== '2.0' || frame.result?.payload !== 1) return `not a result: ${head} … ${tail}`;
  if (frame.id !== id) return `id ${JSON.stringify(frame.id)} instead of ${id}`;
  return frame.result.isError === true ? 'a tool error' : undefined;
}

/** An event stream: so many progress notifications under this token, in order, then the answer as its last event. */
export function problemOfStream(
  body: Buffer,
  expected: Expected,
  { token, count }: { readonly token: string; readonly count: number },
): string | undefined {
  const data = body
    .toString()
    .split(/\r?\n\r?\n/)
    .map(dataOf)
    .filter((text) => text !== '');
  const answer = data.pop();
  if (answer === undefined) return 'an empty stream';
  for (const [index, text] of data.entries()) {
    const told = JSON.parse(text) as {
      readonly method?: unknown;
      readonly params?: { readonly progressToken?: unknown; readonly progress?: unknown };
    };
    const rightly =
      told.method === 'notifications/progress' &&
      told.params?.progressToken === token &&
      told.params.progress === index + 1;
    if (!rightly) return `event ${index + 1} is ${text.slice(0, 200)}`;
  }
  if (data.length !== count) return `${data.length} progress notifications instead of ${count}`;
  return problemOf(Buffer.from(answer), expected);
}

/** The data lines of one event; comments and other fields are left out. */
function dataOf(event: string): string {
  return event
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).replace(/^ /, ''))
    .join('\n');
}
