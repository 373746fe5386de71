/** The REST interfaces as a program uses them, and the OpenAPI document that every answer of the registry is held against. */

import assert from 'node:assert/strict';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/client/validators/ajv';

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
  header(name: string): string | null;
}

/** `key` goes out as X-Api-Key; a body as JSON. */
export async function api(
  base: string,
  key: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<ApiAnswer> {
  const response = await fetch(base + path, {
    method,
    headers: { 'x-api-key': key, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  });
  const text = await response.text();
  return {
    status: response.status,
    body: text === '' ? undefined : (JSON.parse(text) as unknown),
    header: (name) => response.headers.get(name),
  };
}

type Schema = Readonly<Record<string, unknown>>;

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}
type Content = Readonly<Record<string, { readonly schema: Schema }>>;

export interface OpenApi {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

export function operationsOf(document: OpenApi) {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
}

const validator = new AjvJsonSchemaValidator();

/** Puts what is referred to in the place of each reference; fails on one that leads nowhere. */
export function withoutReferences(schema: unknown, document: OpenApi): unknown {
  if (Array.isArray(schema)) return schema.map((each) => withoutReferences(each, document));
  if (typeof schema !== 'object' || schema === null) return schema;
  const reference = (schema as { readonly $ref?: unknown }).$ref;
  if (typeof reference === 'string') {
    const name = /^#\/components\/schemas\/(\w+)$/.exec(reference)?.[1] ?? '';
    return document.components.schemas[name] ?? assert.fail(`${reference} leads nowhere`);
  }
  return Object.fromEntries(
    Object.entries(schema).map(([key, inner]) => [key, withoutReferences(inner, document)]),
  );
}

/** Fails unless the document knows this answer: its path, its status and the shape of its body. */
export function assertDocumented(document: OpenApi, method: string, path: string, answer: ApiAnswer): void {
  const bare = path.replace(/\?.*/, '');
  const found = operationsOf(document).find((each) => each.method === method && matches(each.path, bare));
  const said = `${method} ${bare}: ${answer.status} ${JSON.stringify(answer.body)}`;
  const response = found?.operation.responses[answer.status] ?? assert.fail(`not documented: ${said}`);
  const schema = response.content?.['application/json']?.schema;
  if (!schema) return assert.equal(answer.body, undefined, said);
  const read = validator.getValidator<unknown>({ ...(withoutReferences(schema, document) as Schema) })(
    answer.body,
  );
  assert.ok(read.valid, `not as documented: ${said} (${read.errorMessage ?? ''})`);
}

const matches = (template: string, path: string): boolean =>
  new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`).test(path);
