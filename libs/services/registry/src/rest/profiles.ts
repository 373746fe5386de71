/** Policy profiles: what keys may do, the same list for all tenants. */

import { profilesBodySchema } from '@cruvero/contracts';
import { defaultTenant } from '@cruvero/core';
import type { PolicyProfile } from '@cruvero/core';
import { recordChange } from '../changes.ts';
import { profilePayload } from '../payloads.ts';
import type { RestParts } from './parts.ts';
import { ok, problem } from './reply.ts';
import { noQuery, nothing, route } from './route.ts';
import type { Route } from './route.ts';

const path = '/admin/api/v1/policy/profiles';
const profilesMax = 500;

export const getProfiles = ({ store }: RestParts): Route =>
  route({
    method: 'get',
    path,
    id: 'getPolicyProfiles',
    summary: 'All policy profiles.',
    query: noQuery,
    body: nothing,
    answers: { 200: profilesBodySchema },
    handle: async () => ok({ profiles: (await store.profiles()).map(profilePayload) }),
  });

export const putProfiles = (parts: RestParts): Route =>
  route({
    method: 'put',
    path,
    id: 'putPolicyProfiles',
    summary: 'Replaces all policy profiles. One must be named default; one that keys use cannot go.',
    query: noQuery,
    body: profilesBodySchema,
    answers: { 200: profilesBodySchema, 409: undefined },
    handle: async ({ principal, body }) => {
      if (principal.tenantId !== defaultTenant) {
        return problem(
          403,
          'wrong_tenant',
          'Profiles hold for every tenant; only admins of the tenant default may change them.',
        );
      }
      const names = body.profiles.map((profile) => profile.name);
      if (new Set(names).size !== names.length)
        return problem(400, 'bad_request', 'Two profiles have the same name.');
      if (names.length > profilesMax)
        return problem(400, 'bad_request', `There may be ${profilesMax} profiles at most.`);
      const used = new Set((await parts.store.apiKeys()).map((key) => key.profile));
      const missing = [...used].filter((name) => !names.includes(name));
      if (missing.length > 0) {
        return problem(
          409,
          'profile_in_use',
          `API keys use these profiles, which would go: ${missing.slice(0, 10).join(', ')}.`,
        );
      }
      const before = (await parts.store.profiles()).map((profile) => profile.name);
      await parts.store.transaction(async (tx) => {
        for (const name of before) if (!names.includes(name)) await tx.deleteProfile(name);
        for (const profile of body.profiles) await tx.putProfile(profileOf(profile));
        await recordChange(tx, parts.change, { action: 'policy.changed', tenantId: principal.tenantId });
      });
      parts.changed();
      return ok({ profiles: (await parts.store.profiles()).map(profilePayload) });
    },
  });

type ProfileBody = ReturnType<typeof profilePayload>;

const profileOf = (body: ProfileBody): PolicyProfile => ({
  name: body.name,
  rateLimit: body.rate_limit,
  rateBurst: body.rate_burst,
  ...(body.tool_allowlist === undefined ? {} : { toolAllowlist: body.tool_allowlist }),
  ...(body.tool_denylist === undefined ? {} : { toolDenylist: body.tool_denylist }),
  enforcementMode: body.enforcement_mode,
});
