/** Resources of the conformance server. */

import type { JsonObject } from '@cruvero/core';
import { pixelPng } from './content-tools.ts';
import { invalidParams, OfferError } from './offer.ts';
import { skillFile, skillResources } from './skills.ts';

const described: readonly JsonObject[] = [
  {
    uri: 'test://static-text',
    name: 'Static text',
    description: 'A text that does not change.',
    mimeType: 'text/plain',
  },
  {
    uri: 'test://static-binary',
    name: 'Static binary',
    description: 'An image that does not change.',
    mimeType: 'image/png',
  },
  {
    uri: 'test://watched-resource',
    name: 'Watched resource',
    description: 'A resource that others may change.',
    mimeType: 'text/plain',
  },
];

const files: Readonly<Record<string, JsonObject>> = {
  'test://static-text': {
    mimeType: 'text/plain',
    text: 'This is the content of the static text resource.',
  },
  'test://static-binary': { mimeType: 'image/png', blob: pixelPng },
  'test://watched-resource': { mimeType: 'text/plain', text: 'Watched resource content' },
  'test://example-resource': { mimeType: 'text/plain', text: 'Example resource content' },
};

export const resources: readonly JsonObject[] = [...described, ...skillResources];

export const resourceTemplates: readonly JsonObject[] = [
  {
    uriTemplate: 'test://template/{id}/data',
    name: 'Template resource',
    description: 'A resource by its id.',
    mimeType: 'application/json',
  },
];

/** @throws OfferError for a URI that names nothing here. */
export function readResource(uri: string): JsonObject {
  const content = files[uri] ?? skillFile(uri) ?? fromTemplate(uri);
  if (!content) throw new OfferError(invalidParams, 'Resource not found', { uri });
  return { contents: [{ uri, ...content }] };
}

function fromTemplate(uri: string): JsonObject | undefined {
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id === undefined) return undefined;
  const text = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` });
  return { mimeType: 'application/json', text };
}
