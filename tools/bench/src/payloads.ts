/** What the servers of the measurement answer: made from numbers alone, so that every process has the same bytes. */

export const serversCount = 24;
export const toolsCount = 50;
/** Progress notifications before the result of the tool `stream`. */
export const progressCount = 5;
/** The result of the tool `flood` has so many bytes a piece. */
export const floodPieceBytes = 64 << 10;

const largeBytes = 256 << 10;

/** Rows as tools return them: numbers, quotes, line ends, and now and then a letter outside ASCII. */
function rowsText(bytesMin: number): string {
  const rows: string[] = [];
  let state = 1;
  for (let bytes = 0; bytes < bytesMin;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const name = rows.length % 20 === 0 ? 'Zoë Kowalczyk' : `customer ${state % 9_973}`;
    const amount = (state % 100_000) / 100;
    const row = JSON.stringify({ row: rows.length, name, amount, note: 'first line\nsecond line' });
    rows.push(row);
    // As it stands inside a JSON string: with its quotes and line ends escaped.
    bytes += Buffer.byteLength(JSON.stringify(row));
  }
  return rows.join('\n');
}

const largeItem = `,{"type":"text","text":${JSON.stringify(rowsText(largeBytes))}}]`;
const smallTail = Buffer.from(']');
const largeTail = Buffer.from(largeItem);

/** The member `content` of a result, in two pieces: what is this call's own, and what all calls of this tool share. */
export function contentOf(tool: string, number: number): { readonly own: string; readonly rest: Buffer } {
  const rest = tool === 'large' ? largeTail : smallTail;
  return { own: `"content":[{"type":"text","text":"answer ${number}"}`, rest };
}

/** Names of the tools that the loads call; the others only stand in lists. */
const called = ['echo', 'large', 'stream', 'flood'];

export const listText = JSON.stringify(
  Array.from({ length: toolsCount }, (_, index) => ({
    name: called[index] ?? `tool-${index}`,
    description: `Does the ${index}th thing that this server can do, and does it well.`,
    inputSchema: {
      type: 'object',
      properties: { message: { type: 'string' }, n: { type: 'integer' }, pieces: { type: 'integer' } },
      required: ['message'],
    },
  })),
);
