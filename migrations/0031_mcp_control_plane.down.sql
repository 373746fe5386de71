-- Takes back 0031_mcp_control_plane.up.sql, newest table first.

DROP TABLE IF EXISTS mcp_policy_profiles;
DROP TABLE IF EXISTS mcp_api_keys;
DROP TABLE IF EXISTS mcp_gateways;
DROP TABLE IF EXISTS mcp_registry_seen_events;
DROP TABLE IF EXISTS mcp_registry_outbox;
DROP TABLE IF EXISTS mcp_registry_revision;
