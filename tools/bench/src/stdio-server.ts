/** The same server over standard input and output: a legacy MCP server as a child of the gateway. */

import { createInterface } from 'node:readline';
import { callFrame, idText, resultOf, unknownMethod, type Asked } from './dialogue.ts';
import { contentOf } from './payloads.ts';

function answerTo(asked: Asked): string {
  if (asked.method === 'tools/call') {
    const { head, tail } = callFrame(asked, 'legacy');
    const { own, rest } = contentOf(asked.params?.name ?? '', asked.params?.arguments?.n ?? 0);
    return `${head}${own}${rest.toString()}${tail}`;
  }
  const result = resultOf(asked, 'legacy');
  return result === undefined
    ? unknownMethod(asked)
    : `{"jsonrpc":"2.0","id":${idText(asked)},"result":${result}}`;
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === '') continue;
  const asked = JSON.parse(line) as Asked;
  if (asked.id !== undefined) process.stdout.write(`${answerTo(asked)}\n`);
}
