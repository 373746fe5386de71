/** API keys: listed without their secret, made, taken away. */

import { apiKeyListSchema, apiKeyMadeSchema, apiKeyPostSchema, tenantQuerySchema } from '@cruvero/contracts';
import { defaultTenant, isSeenBy } from '@cruvero/core';
import type { ApiKey } from '@cruvero/core';
import { hashOfKey, newApiKey, newKeyId } from '../api-keys.ts';
import { recordChange } from '../changes.ts';
import { tenantFor } from './authenticate.ts';
import type { RestParts } from './parts.ts';
import { notFound, ok, problem } from './reply.ts';
import { noQuery, nothing, route } from './route.ts';
import type { Route } from './route.ts';

const path = '/admin/api/v1/api-keys';
const keysMax = 10_000;

const view = (key: ApiKey) => ({
  key_id: key.keyId,
  tenant_id: key.tenantId,
  principal: key.principal,
  scopes: key.scopes,
  profile: key.profile,
});

export const listApiKeys = ({ store }: RestParts): Route =>
  route({
    method: 'get',
    path,
    id: 'listApiKeys',
    summary: 'API keys without their secret: of one tenant, or of all that the caller may see.',
    query: tenantQuerySchema,
    body: nothing,
    answers: { 200: apiKeyListSchema },
    handle: async ({ principal, query }) => {
      const tenant = tenantFor(principal, query.tenant);
      if (typeof tenant !== 'string') return tenant;
      const seen = (await store.apiKeys()).filter((key) =>
        query.tenant === undefined ? isSeenBy(principal.tenantId, key.tenantId) : key.tenantId === tenant,
      );
      return ok({ items: seen.map(view), total: seen.length });
    },
  });

export const postApiKey = (parts: RestParts): Route =>
  route({
    method: 'post',
    path,
    id: 'createApiKey',
    summary: 'Makes an API key. The answer is the only place where the key itself is ever shown.',
    query: noQuery,
    body: apiKeyPostSchema,
    answers: { 201: apiKeyMadeSchema },
    handle: async ({ principal, body }) => {
      const tenantId = tenantFor(principal, body.tenant_id);
      if (typeof tenantId !== 'string') return tenantId;
      if (!(await parts.store.profiles()).some((profile) => profile.name === body.profile)) {
        return problem(400, 'unknown_profile', `There is no policy profile ${JSON.stringify(body.profile)}.`);
      }
      if ((await parts.store.apiKeys()).length >= keysMax)
        return problem(409, 'too_many', `There are ${keysMax} keys already.`);
      const secret = newApiKey(parts.bytes);
      const key: ApiKey = {
        keyId: newKeyId(parts.bytes),
        sha256: hashOfKey(secret),
        tenantId,
        principal: body.principal,
        scopes: [...new Set(body.scopes)],
        profile: body.profile,
      };
      await parts.store.transaction(async (tx) => {
        await tx.putApiKey(key);
        await recordChange(tx, parts.change, { action: 'api_keys.changed', tenantId });
      });
      parts.ring.forget();
      parts.changed();
      return {
        status: 201,
        body: { ...view(key), key: secret },
        headers: { location: `${path}/${key.keyId}` },
      };
    },
  });

export const deleteApiKey = (parts: RestParts): Route =>
  route({
    method: 'delete',
    path: `${path}/{key_id}`,
    id: 'deleteApiKey',
    summary: 'Takes an API key away, here at once and at every gateway with its next snapshot.',
    query: noQuery,
    body: nothing,
    answers: { 204: undefined, 409: undefined },
    handle: async ({ principal, path: { key_id: keyId } }) => {
      const keys = await parts.store.apiKeys();
      const key = keys.find((each) => each.keyId === keyId && isSeenBy(principal.tenantId, each.tenantId));
      if (!key) return notFound('API key of this id');
      const isLast = !keys.some(
        (each) => each !== key && each.tenantId === defaultTenant && each.scopes.includes('admin'),
      );
      if (isLast && key.scopes.includes('admin')) {
        return problem(
          409,
          'last_admin_key',
          'This is the last key that can administer the registry; make another one first.',
        );
      }
      await parts.store.transaction(async (tx) => {
        await tx.deleteApiKey(key.keyId);
        await recordChange(tx, parts.change, { action: 'api_keys.changed', tenantId: key.tenantId });
      });
      parts.ring.forget();
      parts.changed();
      return { status: 204 };
    },
  });
