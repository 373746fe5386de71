-- Takes back 0033_mcp_registry_incarnation.up.sql.

ALTER TABLE IF EXISTS mcp_registry_revision DROP COLUMN IF EXISTS incarnation;
