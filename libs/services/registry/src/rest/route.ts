/** One REST operation: its path, its shapes, its handler. Express, the 405 answers and the OpenAPI document all read this. */

import type { Principal } from '@cruvero/core';
import { z } from 'zod';
import { problem } from './reply.ts';
import type { RestReply } from './reply.ts';

export type Method = 'get' | 'post' | 'put' | 'delete';

/** A request as Express hands it over: nothing of it is checked yet. */
export interface RawAsk {
  readonly principal: Principal;
  readonly path: Readonly<Record<string, string>>;
  readonly query: unknown;
  readonly body: unknown;
}

export interface Ask<Query, Body> {
  readonly principal: Principal;
  readonly path: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
}

export interface RouteSpec<Query extends z.ZodType, Body extends z.ZodType> {
  readonly method: Method;
  /** `/servers/{name}`, as OpenAPI writes it. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly query: Query;
  readonly body: Body;
  /** Status to body; undefined for an answer without one. */
  readonly answers: Readonly<Record<number, z.ZodType | undefined>>;
  readonly handle: (ask: Ask<z.output<Query>, z.output<Body>>) => Promise<RestReply>;
}

export interface Route {
  readonly method: Method;
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly query: z.ZodType;
  /** Undefined where no body is taken. */
  readonly body: z.ZodType | undefined;
  readonly answers: Readonly<Record<number, z.ZodType | undefined>>;
  run(raw: RawAsk): Promise<RestReply>;
}

/** For operations that take no query, or no body. */
export const nothing = z.undefined();
export const noQuery = z.strictObject({});

const issuesOf = (error: z.ZodError, where: string) =>
  error.issues.slice(0, 16).map((issue) => ({ where, path: issue.path.join('.'), problem: issue.message }));

export function route<Query extends z.ZodType, Body extends z.ZodType>(spec: RouteSpec<Query, Body>): Route {
  const takesBody = !(spec.body instanceof z.ZodUndefined);
  return {
    method: spec.method,
    path: spec.path,
    id: spec.id,
    summary: spec.summary,
    query: spec.query,
    body: takesBody ? spec.body : undefined,
    answers: spec.answers,
    run: async ({ principal, path, query: rawQuery, body: rawBody }) => {
      const query = spec.query.safeParse(rawQuery);
      const body = spec.body.safeParse(takesBody ? rawBody : undefined);
      if (query.success && body.success)
        return spec.handle({ principal, path, query: query.data, body: body.data });
      const issues = [
        ...(query.success ? [] : issuesOf(query.error, 'query')),
        ...(body.success ? [] : issuesOf(body.error, 'body')),
      ];
      const first = issues[0];
      const said = first
        ? `${first.where}${first.path === '' ? '' : ` ${first.path}`}: ${first.problem}`
        : 'unreadable';
      return problem(400, 'bad_request', `The request is not as it should be: ${said}.`, issues);
    },
  };
}
