/** Reads a file that may be anything: missing, huge, a folder, a pipe. */

import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { serversFileBytesMax } from '@cruvero/contracts';

export type FileText = { readonly text: string } | { readonly problem: string };

export async function readBounded(path: string, bytesMax = serversFileBytesMax): Promise<FileText> {
  let handle: FileHandle;
  try {
    // A pipe must not hold up the start until somebody writes into it.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    return { problem: isMissing(thrown) ? 'does not exist' : `cannot be read (${codeOf(thrown)})` };
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) return { problem: 'is not a file' };
    if (stat.size > bytesMax) return { problem: tooLarge(bytesMax) };
    const buffer = Buffer.alloc(bytesMax + 1);
    const length = await readAll(handle, buffer);
    if (length > bytesMax) return { problem: tooLarge(bytesMax) };
    return { text: buffer.toString('utf8', 0, length).replace(/^\ufeff/, '') };
  } catch (thrown) {
    return { problem: `cannot be read (${codeOf(thrown)})` };
  } finally {
    await handle.close();
  }
}

async function readAll(handle: FileHandle, buffer: Buffer): Promise<number> {
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}

const tooLarge = (bytesMax: number): string => `is larger than ${bytesMax} bytes`;

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown);
}

function isMissing(thrown: unknown): boolean {
  return codeOf(thrown) === 'ENOENT' || codeOf(thrown) === 'ENOTDIR';
}
