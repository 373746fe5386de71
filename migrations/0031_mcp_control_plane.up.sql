-- What stands around the servers: the revision that gateways are told, the outbox that joins a row and its event,
-- event ids already seen, gateways, API keys (hashes only) and policy profiles.

-- One row. Every writer locks it first, so that writers follow each other and outbox ids are in commit order.
CREATE TABLE mcp_registry_revision (
  only_row boolean NOT NULL DEFAULT true,
  revision bigint  NOT NULL DEFAULT 0,
  CONSTRAINT mcp_registry_revision_pkey PRIMARY KEY (only_row),
  CONSTRAINT mcp_registry_revision_one_check CHECK (only_row),
  CONSTRAINT mcp_registry_revision_value_check CHECK (revision >= 0)
);
INSERT INTO mcp_registry_revision (only_row, revision) VALUES (true, 0);

CREATE TABLE mcp_registry_outbox (
  id         bigint      GENERATED ALWAYS AS IDENTITY,
  subject    text        NOT NULL,
  message_id text        NOT NULL,
  body       json        NOT NULL,
  created_at timestamptz NOT NULL,
  CONSTRAINT mcp_registry_outbox_pkey PRIMARY KEY (id)
);

CREATE TABLE mcp_registry_seen_events (
  event_id text        NOT NULL,
  seen_at  timestamptz NOT NULL,
  CONSTRAINT mcp_registry_seen_events_pkey PRIMARY KEY (event_id)
);
CREATE INDEX mcp_registry_seen_events_seen_at_idx ON mcp_registry_seen_events (seen_at);

CREATE TABLE mcp_gateways (
  gateway_id       text        NOT NULL,
  tenant_id        text        NOT NULL,
  last_seen        timestamptz NOT NULL,
  applied_versions json        NOT NULL DEFAULT '{}',
  CONSTRAINT mcp_gateways_pkey PRIMARY KEY (gateway_id),
  CONSTRAINT mcp_gateways_id_check CHECK (gateway_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$'),
  CONSTRAINT mcp_gateways_tenant_check CHECK (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$')
);

CREATE TABLE mcp_api_keys (
  key_id     text        NOT NULL,
  sha256     text        NOT NULL,
  tenant_id  text        NOT NULL,
  principal  text        NOT NULL,
  scopes     json        NOT NULL,
  profile    text        NOT NULL,
  created_at timestamptz NOT NULL,
  CONSTRAINT mcp_api_keys_pkey PRIMARY KEY (key_id),
  CONSTRAINT mcp_api_keys_sha256_key UNIQUE (sha256),
  CONSTRAINT mcp_api_keys_sha256_check CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  CONSTRAINT mcp_api_keys_tenant_check CHECK (tenant_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$')
);

CREATE TABLE mcp_policy_profiles (
  name             text             NOT NULL,
  rate_limit       double precision NOT NULL,
  rate_burst       double precision NOT NULL,
  tool_allowlist   json,
  tool_denylist    json,
  enforcement_mode text             NOT NULL,
  updated_at       timestamptz      NOT NULL,
  CONSTRAINT mcp_policy_profiles_pkey PRIMARY KEY (name),
  CONSTRAINT mcp_policy_profiles_rate_check CHECK (rate_limit > 0 AND rate_burst > 0),
  CONSTRAINT mcp_policy_profiles_mode_check CHECK (enforcement_mode IN ('enforce', 'audit'))
);
