-- Virtual servers: named selections of other servers' tools, prompts and resources. A member need not exist,
-- so there is no foreign key. Members are json, not jsonb: the order of aliases stays as somebody wrote it.

CREATE TABLE mcp_virtual_servers (
  tenant_id    text        NOT NULL,
  name         text        NOT NULL,
  source       text        NOT NULL,
  description  text,
  instructions text,
  names        text        NOT NULL DEFAULT 'bare',
  members      json        NOT NULL,
  created_at   timestamptz NOT NULL,
  updated_at   timestamptz NOT NULL,
  CONSTRAINT mcp_virtual_servers_pkey PRIMARY KEY (tenant_id, name),
  CONSTRAINT mcp_virtual_servers_tenant_check CHECK (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$'),
  CONSTRAINT mcp_virtual_servers_name_check CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  CONSTRAINT mcp_virtual_servers_source_check CHECK (source IN ('api', 'file')),
  CONSTRAINT mcp_virtual_servers_names_check CHECK (names IN ('canonical', 'safe', 'bare'))
);
