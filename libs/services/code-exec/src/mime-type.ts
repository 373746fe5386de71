/** What a produced file is: images by what they hold, others by their names. */

const byStart: readonly (readonly [string, readonly number[]])[] = [
  ['image/png', [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ['image/jpeg', [0xff, 0xd8, 0xff]],
  ['image/gif', [0x47, 0x49, 0x46, 0x38]],
];

const byName: Readonly<Record<string, string>> = {
  csv: 'text/csv',
  html: 'text/html',
  json: 'application/json',
  md: 'text/markdown',
  pdf: 'application/pdf',
  py: 'text/x-python',
  svg: 'image/svg+xml',
  txt: 'text/plain',
  xml: 'application/xml',
  zip: 'application/zip',
};

export function mimeTypeOf(path: string, bytes: Uint8Array): string {
  const image = imageTypeOf(bytes);
  if (image !== undefined) return image;
  const ending = /\.([A-Za-z0-9]{1,8})$/.exec(path)?.[1]?.toLowerCase() ?? '';
  return Object.hasOwn(byName, ending) ? (byName[ending] ?? '') : 'application/octet-stream';
}

/** Those that clients show; a name alone makes no image. */
export function imageTypeOf(bytes: Uint8Array): string | undefined {
  const found = byStart.find(([, start]) => start.every((byte, index) => bytes[index] === byte));
  if (found) return found[0];
  const latin = Buffer.from(bytes.subarray(0, 12)).toString('latin1');
  return latin.startsWith('RIFF') && latin.endsWith('WEBP') ? 'image/webp' : undefined;
}
