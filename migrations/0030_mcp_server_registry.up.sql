-- The registry of MCP servers: one row a logical server, one row a running copy of it.
-- Every key starts with the tenant. Lists that came from outside are json, not jsonb: json keeps them letter for letter.

CREATE TABLE mcp_servers (
  id                uuid        NOT NULL DEFAULT gen_random_uuid(),
  tenant_id         text        NOT NULL,
  name              text        NOT NULL,
  transport         text        NOT NULL,
  endpoint          text,
  command           text,
  args              json,
  env_vars          json,
  allowed_endpoints json,
  debug             boolean     NOT NULL DEFAULT false,
  source            text        NOT NULL,
  status            text        NOT NULL DEFAULT 'pending',
  tool_count        integer     NOT NULL DEFAULT 0,
  version           text,
  capabilities      json,
  tools             json,
  health_status     text        NOT NULL DEFAULT 'unknown',
  health_reason     text,
  last_healthy      timestamptz,
  last_seen         timestamptz,
  created_at        timestamptz NOT NULL,
  updated_at        timestamptz NOT NULL,
  CONSTRAINT mcp_servers_pkey PRIMARY KEY (id),
  CONSTRAINT mcp_servers_tenant_name_key UNIQUE (tenant_id, name),
  CONSTRAINT mcp_servers_tenant_check CHECK (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$'),
  CONSTRAINT mcp_servers_name_check CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  CONSTRAINT mcp_servers_transport_check CHECK (transport IN ('stdio', 'http', 'sse', 'inproc')),
  CONSTRAINT mcp_servers_source_check CHECK (source IN ('env', 'database', 'nats', 'api', 'file')),
  CONSTRAINT mcp_servers_status_check
    CHECK (status IN ('pending', 'active', 'draining', 'disabled', 'deregistered')),
  CONSTRAINT mcp_servers_health_check
    CHECK (health_status IN ('healthy', 'degraded', 'unhealthy', 'stale', 'expired', 'unknown')),
  CONSTRAINT mcp_servers_tool_count_check CHECK (tool_count >= 0)
);

CREATE INDEX mcp_servers_tenant_source_idx ON mcp_servers (tenant_id, source);
CREATE INDEX mcp_servers_tenant_status_idx ON mcp_servers (tenant_id, status);

CREATE TABLE mcp_server_instances (
  tenant_id             text        NOT NULL,
  server_name           text        NOT NULL,
  instance_id           text        NOT NULL,
  transport             text        NOT NULL,
  endpoint              text,
  weight                integer     NOT NULL DEFAULT 1,
  tags                  json        NOT NULL DEFAULT '[]',
  metadata              json        NOT NULL DEFAULT '{}',
  version               text,
  capabilities_hash     text,
  heartbeat_interval_ms integer,
  health_status         text        NOT NULL DEFAULT 'unknown',
  health_reason         text,
  last_healthy          timestamptz,
  last_seen             timestamptz NOT NULL,
  created_at            timestamptz NOT NULL,
  updated_at            timestamptz NOT NULL,
  CONSTRAINT mcp_server_instances_pkey PRIMARY KEY (tenant_id, server_name, instance_id),
  CONSTRAINT mcp_server_instances_server_fkey FOREIGN KEY (tenant_id, server_name)
    REFERENCES mcp_servers (tenant_id, name) ON DELETE CASCADE,
  CONSTRAINT mcp_server_instances_id_check CHECK (instance_id ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$'),
  CONSTRAINT mcp_server_instances_transport_check CHECK (transport IN ('stdio', 'http', 'sse', 'inproc')),
  CONSTRAINT mcp_server_instances_weight_check CHECK (weight BETWEEN 1 AND 1000),
  CONSTRAINT mcp_server_instances_heartbeat_check
    CHECK (heartbeat_interval_ms IS NULL OR heartbeat_interval_ms > 0),
  CONSTRAINT mcp_server_instances_health_check
    CHECK (health_status IN ('healthy', 'degraded', 'unhealthy', 'stale', 'expired', 'unknown'))
);

CREATE INDEX mcp_server_instances_last_seen_idx ON mcp_server_instances (last_seen);
