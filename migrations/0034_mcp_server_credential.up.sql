-- Which secret a server is shown, and as which header: a reference, never the secret.

ALTER TABLE mcp_servers ADD COLUMN credential json;
