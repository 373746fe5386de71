/** Turns a JSON log line into a short one that a person can read in a terminal. */

import { isJsonObject, type Json, parseJsonObject } from '@cruvero/core';

const marks: Readonly<Record<string, string>> = {
  debug: 'debug',
  info: 'info ',
  warn: 'WARN ',
  error: 'ERROR',
};

/**
 * `10:15:04.123 info  gateway  listening url=http://127.0.0.1:8080`. Control characters are written as
 * escapes: nothing that is logged can move the cursor or forge a line. Stacks follow on lines of their own.
 */
export function textLine(jsonLine: string): string {
  const line = parseJsonObject(jsonLine);
  if (!line) return jsonLine;
  const { level, time, service, msg, ...fields } = line;
  const clock = typeof time === 'string' ? time.slice(11, 23) : '';
  const stacks: string[] = [];
  const shown = Object.entries(fields).map(
    ([name, value]) => ` ${printable(name)}=${showValue(value, stacks)}`,
  );
  const head = `${clock} ${marks[String(level)] ?? printable(String(level))} ${printable(String(service))}`;
  return `${head}  ${printable(String(msg))}${shown.join('')}\n${stacks.join('')}`;
}

function showValue(value: Json | undefined, stacks: string[]): string {
  if (isJsonObject(value) && typeof value['stack'] === 'string' && typeof value['message'] === 'string') {
    const frames = value['stack'].split('\n').filter((frame) => /^\s+at /.test(frame));
    stacks.push(frames.map((frame) => `    ${printable(frame.trim())}\n`).join(''));
    return printable(JSON.stringify(value['message']));
  }
  if (typeof value === 'string')
    return /^[^\s"=]+$/.test(value) ? printable(value) : printable(JSON.stringify(value));
  return printable(JSON.stringify(value) ?? '');
}

/**
 * Controls, line and paragraph separators, and the marks that turn the direction of writing become escapes.
 */
function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
