/** The OpenAPI 3.1 document, made from the routes themselves. */

import { restErrorSchema } from '@cruvero/contracts';
import { z } from 'zod';
import type { Route } from './route.ts';

type Node = Readonly<Record<string, unknown>>;

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The only schema that refers to itself is "any JSON", which `{}` says as well; a `$defs` would have no place
 * here.
 */
function withoutDefs(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDefs);
  if (!isNode(value)) return value;
  if (typeof value['$ref'] === 'string') return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => (key === '$defs' ? [] : [[key, withoutDefs(inner)]])),
  );
}

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Node => {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  const plain = withoutDefs(rest);
  return isNode(plain) ? plain : {};
};
const content = (schema: Node): Node => ({ 'application/json': { schema } });

function parametersOf(route: Route): readonly Node[] {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const query = schemaOf(route.query, 'input');
  const properties = (query['properties'] ?? {}) as Readonly<Record<string, unknown>>;
  const required = (query['required'] ?? []) as readonly string[];
  const inQuery = Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
  return [...inPath, ...inQuery];
}

const problems: Readonly<Record<number, string>> = {
  400: 'The request is not as it should be.',
  401: 'No API key, or one that is not known.',
  403: 'The key lacks the scope admin or belongs to another tenant, or Host or Origin are not allowed.',
  404: 'There is no such thing.',
  409: 'It cannot be done as things stand.',
  413: 'The body is larger than 1 MiB.',
  415: 'The body is not application/json.',
  503: 'The store is away; Retry-After says when to try again.',
};

function answersOf(route: Route): Node {
  const answers: Record<string, unknown> = {};
  const refused = { $ref: '#/components/schemas/Error' };
  for (const [status, description] of Object.entries(problems)) {
    if (status === '409' && !(409 in route.answers)) continue;
    if ((status === '413' || status === '415') && !route.body) continue;
    answers[status] = { description, content: content(refused) };
  }
  for (const [status, schema] of Object.entries(route.answers)) {
    if (Number(status) >= 400) continue;
    answers[status] = {
      description: 'Done.',
      ...(schema ? { content: content(schemaOf(schema, 'output')) } : {}),
    };
  }
  return answers;
}

const operationOf = (route: Route): Node => ({
  operationId: route.id,
  summary: route.summary,
  parameters: parametersOf(route),
  ...(route.body
    ? {
        requestBody: {
          required: !route.body.safeParse(undefined).success,
          content: content(schemaOf(route.body, 'input')),
        },
      }
    : {}),
  responses: answersOf(route),
});

export function openApiDocument(routes: readonly Route[], version: string): Node {
  const paths: Record<string, Record<string, Node>> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method] = operationOf(route);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Cruvero registry',
      version,
      description:
        'Servers, gateways, API keys and policy. Every call needs an API key with the scope admin.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { apiKey: [] }],
    paths,
    components: {
      schemas: { Error: schemaOf(restErrorSchema, 'output') },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-Api-Key' },
      },
    },
  };
}
