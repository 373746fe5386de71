/** One skill of the conformance server (extension io.modelcontextprotocol/skills). */

import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '@cruvero/core';
import { invalidParams, OfferError } from './offer.ts';

const folder = 'skill://report-writing';
const manifestUri = `${folder}/SKILL.md`;
const formsFolder = `${folder}/references`;
const directoryType = 'inode/directory';

const frontmatter = { name: 'report-writing', description: 'Write a short report from a list of facts' };

const markdown = (text: string): JsonObject => ({ mimeType: 'text/markdown', text });

const files: Readonly<Record<string, string>> = {
  [manifestUri]: `---
name: ${frontmatter.name}
description: ${frontmatter.description}
---

Put the facts in order, then write one sentence for each.
`,
  [`${formsFolder}/STYLE.md`]: 'Short sentences. No adjectives.\n',
};

const digest = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;

const entry: JsonObject = {
  uri: manifestUri,
  frontmatter,
  resources: Object.entries(files).map(([uri, text]) => ({
    uri,
    digest: digest(text),
    size: Buffer.byteLength(text),
  })),
};

const cacheable = { ttlMs: 60_000, cacheScope: 'public' } as const;

export const skillResources: readonly JsonObject[] = [
  { uri: manifestUri, ...frontmatter, mimeType: 'text/markdown' },
];

/** The content of a file of the skill; undefined for anything else. */
export function skillFile(uri: string): JsonObject | undefined {
  const text = files[uri];
  return text === undefined ? undefined : markdown(text);
}

export const listSkills = (): JsonObject => ({ skills: [entry], ...cacheable });

/** @throws OfferError for a URI that is no skill. */
export function getSkill(uri: Json | undefined): JsonObject {
  if (uri !== manifestUri) throw new OfferError(invalidParams, 'Unknown skill');
  return { skill: entry, ...cacheable };
}

/** @throws OfferError for a URI that is no directory. */
export function readDirectory(uri: Json | undefined): JsonObject {
  const file = (at: string, name: string): JsonObject => ({ uri: at, name, mimeType: 'text/markdown' });
  const found = {
    [folder]: [
      file(manifestUri, 'SKILL.md'),
      { uri: formsFolder, name: 'references', mimeType: directoryType },
    ],
    [formsFolder]: [file(`${formsFolder}/STYLE.md`, 'STYLE.md')],
  }[String(uri)];
  if (!found) throw new OfferError(invalidParams, 'Not a directory');
  return { resources: found, ...cacheable };
}
