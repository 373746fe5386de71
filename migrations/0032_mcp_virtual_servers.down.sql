-- Takes back 0032_mcp_virtual_servers.up.sql.

DROP TABLE IF EXISTS mcp_virtual_servers;
