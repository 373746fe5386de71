-- Takes back 0030_mcp_server_registry.up.sql, newest table first.

DROP TABLE IF EXISTS mcp_server_instances;
DROP TABLE IF EXISTS mcp_servers;
