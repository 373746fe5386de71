/** What the suite's servers offer: tools, resources and prompts, full of members that no schema knows. */

import type { JsonObject } from '@cruvero/core';

const object = (properties: JsonObject = {}): JsonObject => ({ type: 'object', properties });
const text = { type: 'string' };

const tool = (name: string, description: string, properties: JsonObject = {}): JsonObject => ({
  name,
  description,
  inputSchema: object({ tag: text, ...properties }),
});

/** The tool whose arguments are repeated in headers. */
export const headerTool = {
  ...tool('params', 'Says what it was given; some of it stands in headers too.', {
    region: { ...text, 'x-mcp-header': 'Region' },
    count: { type: 'integer', 'x-mcp-header': 'Count' },
    flag: { type: 'boolean', 'x-mcp-header': 'Flag' },
    nested: object({ deep: { ...text, 'x-mcp-header': 'Deep' } }),
  }),
};

/** A name that cannot stand in a header as it is. */
export const umlautPrompt = 'grüße';
/** A name that looks like the encoded form. */
export const sentinelPrompt = '=?base64?aGk=?=';

export const tools: readonly JsonObject[] = [
  {
    ...tool('echo', 'Says what it was given.'),
    annotations: { readOnlyHint: true, 'vendor.test/hint': 'kept' },
    'vendor.test/unknown': { kept: [1, 2.5, null] },
    _meta: { 'vendor.test/cost': 1 },
  },
  headerTool,
  tool('exotic', 'Answers what no schema knows.'),
  tool('gather', 'Answers when `count` calls of `group` are there, in reverse order.'),
  tool('wait', 'Tells progress, and answers when it is told to.'),
  tool('log', 'Logs at four levels.'),
  tool('ask', 'Asks its caller: `kinds` of form, url, sampling, roots.'),
  tool('remember', 'Asks with a state of its own.'),
  tool('link', 'Answers links to resources.'),
  tool('fail', 'Answers an error of its own.'),
  tool('hidden', 'Not for everybody.'),
  tool('task', 'Goes on as a task.'),
];

/** Tools on the first page; the others are on the second. */
export const toolsPerPage = 7;

export const noteUri = 'suite://notes/one';
export const privateUri = 'suite://notes/private';

export const resources: readonly JsonObject[] = [
  { uri: noteUri, name: 'one', mimeType: 'text/plain', 'vendor.test/unknown': 'kept' },
  { uri: privateUri, name: 'private' },
];

export const resourceTemplates: readonly JsonObject[] = [
  { uriTemplate: 'suite://notes/{name}', name: 'note', 'vendor.test/unknown': true },
];

export const prompts: readonly JsonObject[] = [
  { name: 'greet', arguments: [{ name: 'who', required: false }], 'vendor.test/unknown': 'kept' },
  { name: umlautPrompt },
  { name: sentinelPrompt },
];

export const capabilities: JsonObject = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
  logging: {},
};

export const tasksExtension = 'io.modelcontextprotocol/tasks';

export const serverInfo = { name: 'intermediary-suite', version: '1.0.0' };
export const legacyVersion = '2025-11-25';

/** A result that must pass to the letter: number spellings, key order, unknown members and content types. */
export const exoticMembers =
  '"zebra":1,"apple":{"b":1,"a":2},"int":9223372036854775807,"huge":1e400,"tiny":1E-400,"exp":1.50e+2,"minusZero":-0.0';
export const exoticContent = '{"type":"hologram","vendor.test/frames":[9007199254740993],"z":0,"a":1}';
export const exoticMeta = '"vendor.test/trace":{"spelled":1.0,"as":"it \\u0063ame"}';

/** Holds what is easily changed on the way: quotes, escapes, other scripts, a space at the end. */
export const peculiarState = (tag: string): string => `{"s":"${tag} \\ \u{1f510} ünïcode\t\u2028"} +/=%25 `;
