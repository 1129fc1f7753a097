-- +goose Up

-- The role that the api and the worker act as. Login roles are made outside and
-- become members of it; it owns nothing, so row level security binds it.
-- +goose StatementBegin
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'auditferry_app') THEN
        CREATE ROLE auditferry_app NOLOGIN;
    END IF;
EXCEPTION
    -- Roles belong to the whole cluster: another database may be migrated right now.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
-- +goose StatementEnd

-- A program refuses to run against a schema older than itself.
GRANT SELECT ON goose_db_version TO auditferry_app;

-- auditferry_protect lets a transaction see and write only the rows of the org
-- it has named, or every row in operator scope. Every table with rows of an org
-- gets this call and its own GRANT, in the migration that creates it.
--
-- The settings are read in subqueries so that they are evaluated once a
-- statement instead of once a row. After a transaction that has set it, a
-- setting is empty instead of absent; both mean no org.
-- +goose StatementBegin
CREATE FUNCTION auditferry_protect(protected regclass, org_column name DEFAULT 'org_id') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', protected);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', protected);
    EXECUTE format($policy$
        CREATE POLICY org ON %s USING (
            %I = (SELECT nullif(current_setting('auditferry.org_id', true), '')::uuid)
            OR (SELECT current_setting('auditferry.scope', true) = 'operator')
        )$policy$, protected, org_column);
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION auditferry_protect FROM PUBLIC;

CREATE TABLE org (
    id               uuid PRIMARY KEY,
    name             text NOT NULL,
    notice_emails    text[] NOT NULL DEFAULT '{}',
    created_at       timestamptz NOT NULL DEFAULT now(),

    -- Where the org's audit log stands. The lock on this row is what makes seq
    -- gapless and recorded_at monotonic.
    last_seq         bigint NOT NULL DEFAULT 0,
    total_bytes      bigint NOT NULL DEFAULT 0,
    last_recorded_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50); -- every append updates its org's row; free room keeps that in the page
SELECT auditferry_protect('org', 'id');
GRANT SELECT, INSERT, UPDATE ON org TO auditferry_app;

CREATE TABLE api_key (
    id           uuid PRIMARY KEY,
    org_id       uuid REFERENCES org, -- null for operators, whom only operator scope sees
    role         text NOT NULL CHECK (role IN ('ingest', 'viewer', 'admin', 'operator')),
    name         text NOT NULL,
    hash         bytea NOT NULL CONSTRAINT api_key_hash UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at   timestamptz,
    CHECK ((role = 'operator') = (org_id IS NULL))
);
CREATE INDEX api_key_org ON api_key (org_id, id);
SELECT auditferry_protect('api_key');
GRANT SELECT, INSERT, UPDATE ON api_key TO auditferry_app;

CREATE TABLE idempotency_key (
    org_id      uuid NOT NULL, -- the nil UUID for operators
    key         text NOT NULL,
    fingerprint bytea NOT NULL, -- of the request, to tell a repetition from a mix-up
    answer      json,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org_id, key)
);
CREATE INDEX idempotency_key_age ON idempotency_key (created_at);
SELECT auditferry_protect('idempotency_key');
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_key TO auditferry_app;
