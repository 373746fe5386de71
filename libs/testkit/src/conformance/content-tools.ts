/** Conformance tools that answer at once: every content type, an error, a schema with rare keywords, header parameters. */

import type { JsonObject } from '@cruvero/core';
import { done, inputs, said, string, type Tool } from './offer.ts';

/** One red pixel. */
export const pixelPng =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
/** Silence, without a sample. */
const silenceWav = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=';

const plain = (name: string, description: string, content: readonly JsonObject[]): Tool => ({
  definition: { name, description, inputSchema: inputs() },
  run: () => done({ content }),
});

const image = { type: 'image', data: pixelPng, mimeType: 'image/png' };

const fails: Tool = {
  definition: {
    name: 'test_error_handling',
    description: 'Always fails, as a tool and not as a protocol.',
    inputSchema: inputs(),
  },
  run: () =>
    done({
      isError: true,
      content: [{ type: 'text', text: 'This tool intentionally returns an error for testing' }],
    }),
};

const rareKeywords: Tool = {
  definition: {
    name: 'json_schema_2020_12_tool',
    description: 'Tool with JSON Schema 2020-12 features',
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: {
        address: {
          $anchor: 'addressDef',
          type: 'object',
          properties: { street: string, city: string },
        },
      },
      properties: {
        name: string,
        address: { $ref: '#/$defs/address' },
        contactMethod: { type: 'string', enum: ['phone', 'email'] },
        phone: string,
        email: string,
      },
      allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
      if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
      then: { required: ['phone'] },
      else: { required: ['email'] },
      additionalProperties: false,
    },
  },
  run: ({ args }) => said(`Called with ${JSON.stringify(args)}`),
};

/** The SDK validates its `Mcp-Param-*` headers, for which it must know the schema. */
export const headerTool: Tool & { readonly definition: { readonly inputSchema: JsonObject } } = {
  definition: {
    name: 'test_header_parameters',
    description: 'Gives its arguments back; three of them are mirrored in HTTP headers.',
    inputSchema: inputs({
      region: { type: 'string', 'x-mcp-header': 'Region' },
      priority: { type: 'integer', 'x-mcp-header': 'Priority' },
      place: {
        type: 'object',
        properties: { isRemote: { type: 'boolean', 'x-mcp-header': 'Is-Remote' } },
      },
      query: string,
    }),
  },
  run: ({ args }) => said(JSON.stringify(args)),
};

const greet: Tool = {
  definition: { name: 'greet', description: 'Says hello.', inputSchema: inputs({ name: string }, ['name']) },
  run: ({ args }) => said(`Hello, ${String(args['name'])}!`),
};

export const contentTools: readonly Tool[] = [
  plain('test_simple_text', 'Says one sentence.', [
    { type: 'text', text: 'This is a simple text response for testing.' },
  ]),
  plain('test_image_content', 'Gives an image.', [image]),
  plain('test_audio_content', 'Gives a sound.', [{ type: 'audio', data: silenceWav, mimeType: 'audio/wav' }]),
  plain('test_embedded_resource', 'Gives a resource inside the result.', [
    {
      type: 'resource',
      resource: {
        uri: 'test://embedded-resource',
        mimeType: 'text/plain',
        text: 'This is an embedded resource content.',
      },
    },
  ]),
  plain('test_multiple_content_types', 'Gives a text, an image and a resource.', [
    { type: 'text', text: 'Multiple content types test:' },
    image,
    {
      type: 'resource',
      resource: {
        uri: 'test://mixed-content-resource',
        mimeType: 'application/json',
        text: JSON.stringify({ test: 'data', value: 123 }),
      },
    },
  ]),
  fails,
  rareKeywords,
  headerTool,
  greet,
];
