/** Takes the rates of the default profile out of the way, for stories that are about something else. */

import assert from 'node:assert/strict';
import { api } from './api.fixture.ts';
import type { Layout } from './layout.fixture.ts';

export async function liftRates({ registryUrl, adminKey }: Layout): Promise<void> {
  const rates = { rate_limit: 100_000, rate_burst: 100_000, enforcement_mode: 'enforce' };
  const profiles = { profiles: [{ name: 'default', ...rates }] };
  const put = await api(registryUrl, adminKey, 'PUT', '/admin/api/v1/policy/profiles', profiles);
  assert.equal(put.status, 200, JSON.stringify(put.body));
}
