-- Takes back 0034_mcp_server_credential.up.sql.

ALTER TABLE IF EXISTS mcp_servers DROP COLUMN IF EXISTS credential;
