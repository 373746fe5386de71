-- Revisions of this database and of one that is made in its place later cannot be compared;
-- this id tells the two apart.

ALTER TABLE mcp_registry_revision ADD COLUMN incarnation uuid NOT NULL DEFAULT gen_random_uuid();
