/** For tests: all tables of the registry by name, and all of them empty. */

import type { SqlRunner } from './sql-runner.ts';

/** Every table, sequence, type and function that somebody made in this database. */
export async function publicTables(runner: SqlRunner): Promise<readonly string[]> {
  const rows =
    await runner.query(`SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
    UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1`);
  return rows.map((row) => String(row['name']));
}

export async function emptyTables(runner: SqlRunner): Promise<void> {
  await runner.script(`TRUNCATE mcp_servers, mcp_server_instances, mcp_registry_outbox, mcp_registry_seen_events,
    mcp_gateways, mcp_api_keys, mcp_policy_profiles, mcp_virtual_servers;
    UPDATE mcp_registry_revision SET revision = 0;`);
}
