/** Writes the page of settings from what the parts say of themselves. */

import type { Described } from '@cruvero/chassis';

import type { Section } from './sections.ts';

const head = `# Configuration

<!-- Generated from the code by \`node tools/docs/config.ts\`; edit the help texts there. -->

All settings come from the environment. They are read once at start; if any is wrong, the process names every problem,
starts nothing and ends with exit code 64. An empty value counts as not set.

| Kind | How to write it |
| --- | --- |
| duration | \`250ms\`, \`30s\`, \`5m\`, \`1h\`, \`2d\`, in a row as \`1h30m\`; a plain number is milliseconds |
| size | \`512KiB\`, \`4MiB\`, \`1GB\`; a plain number is bytes |
| true or false | \`true\`, \`1\`, \`yes\`, \`on\`; \`false\`, \`0\`, \`no\`, \`off\` |
| host:port | \`127.0.0.1:8080\`, \`[::1]:8080\`, or \`:8080\` for every interface |
| list, comma-separated | \`one,two\` |
| secret text | never shown in logs or errors |
`;

/** The whole page, not yet formatted. Settings that several parts read stand in each of their sections. */
export function configPage(sections: readonly Section[]): string {
  return [head, ...sections.map(sectionText)].join('\n');
}

function sectionText({ title, intro, describe }: Section): string {
  const rows = describe().map(rowText);
  return [
    `## ${title}`,
    '',
    intro,
    '',
    '| Variable | Kind | Default | What it does |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function rowText(one: Described): string {
  return `| \`${one.name}\` | ${cell(one.type)} | ${standing(one)} | ${cell(one.help)} |`;
}

function standing({ required, orElse }: Described): string {
  if (required) return '**required**';
  if (orElse === undefined) return 'not set';
  return orElse === '' ? 'empty' : `\`${cell(orElse)}\``;
}

/** A cell is one line, and a bar would end it. */
const cell = (text: string): string => text.replace(/\s+/g, ' ').replaceAll('|', '\\|');
