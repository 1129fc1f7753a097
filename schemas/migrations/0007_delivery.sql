-- +goose Up

-- Migrations see every org's rows.
SET LOCAL auditferry.scope = 'operator';

-- The public halves of the keys that manifests are signed with. None is ever
-- deleted: a manifest from years ago must still be verifiable.
CREATE TABLE signing_key (
    id         text PRIMARY KEY, -- RFC 7638 thumbprint
    jwk        json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON signing_key TO auditferry_app;

ALTER TABLE export
    ADD COLUMN filter jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN start_seq bigint,
    ADD COLUMN failing_since timestamptz,
    -- What the admins have been told: of which streak of failures, when last,
    -- and for how few days' notice undelivered events were announced to expire
    -- (0: that they have expired).
    ADD COLUMN told_failing_since timestamptz,
    ADD COLUMN told_failing_at timestamptz,
    ADD COLUMN told_days integer;
UPDATE export AS e SET start_seq = coalesce(
    (SELECT min(w.first_seq) FROM export_window AS w WHERE w.export_id = e.id), e.delivered_seq + 1);
ALTER TABLE export ALTER COLUMN start_seq SET NOT NULL;
CREATE INDEX export_failing ON export (failing_since) WHERE failing_since IS NOT NULL OR told_failing_since IS NOT NULL;

-- A range of the past that is delivered once more.
CREATE TABLE export_backfill (
    id            uuid PRIMARY KEY,
    org_id        uuid NOT NULL,
    export_id     uuid NOT NULL,
    folder        text NOT NULL,
    destination   text NOT NULL, -- canonical URL
    first_seq     bigint NOT NULL,
    last_seq      bigint NOT NULL,
    delivered_seq bigint NOT NULL,
    format        text NOT NULL,
    compression   text NOT NULL,
    path_template text NOT NULL,
    filter        jsonb NOT NULL DEFAULT '{}',
    status        text NOT NULL CHECK (status IN ('running', 'succeeded', 'failed', 'cancelled')),
    error         text NOT NULL DEFAULT '',
    requested_by  text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    ended_at      timestamptz,
    UNIQUE (org_id, id),
    CHECK (0 < first_seq AND first_seq <= last_seq),
    CHECK ((status = 'running') = (ended_at IS NULL)),
    FOREIGN KEY (org_id, export_id) REFERENCES export (org_id, id)
);
CREATE INDEX export_backfill_export ON export_backfill (export_id, id);
CREATE UNIQUE INDEX export_backfill_running ON export_backfill (export_id) WHERE status = 'running';
SELECT auditferry_protect('export_backfill');
GRANT SELECT, INSERT, UPDATE ON export_backfill TO auditferry_app;

ALTER TABLE operation ADD COLUMN backfill_id uuid;
ALTER TABLE operation ADD FOREIGN KEY (org_id, backfill_id) REFERENCES export_backfill (org_id, id);
CREATE INDEX operation_backfill ON operation (backfill_id) WHERE backfill_id IS NOT NULL;

-- Windows are never changed. One that cannot be delivered where it was to go is
-- abandoned for another of the same range.
ALTER TABLE export_window
    ADD COLUMN backfill_id uuid,
    ADD COLUMN folder text NOT NULL DEFAULT '',
    ADD COLUMN filter jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN recorded_from timestamptz, -- null: made before this was noted, or of expired events
    ADD COLUMN recorded_to timestamptz,
    ADD COLUMN abandoned_at timestamptz,
    ADD COLUMN replaces uuid, -- the window that was abandoned for this one
    -- The manifest. Content and signature are kept until the window is
    -- delivered: written again, they have to be the same.
    ADD COLUMN manifest_key text,
    ADD COLUMN manifest_sha256 text,
    ADD COLUMN manifest_content bytea,
    ADD COLUMN manifest_signature text,
    ADD FOREIGN KEY (org_id, backfill_id) REFERENCES export_backfill (org_id, id),
    ADD FOREIGN KEY (org_id, replaces) REFERENCES export_window (org_id, id),
    ADD CHECK (delivered_at IS NULL OR abandoned_at IS NULL),
    -- What was delivered before has none. A worker of that time that is still
    -- there can deliver no more: a window without a manifest would be a gap in a
    -- chain that another worker has begun.
    ADD CONSTRAINT export_window_manifest CHECK (delivered_at IS NULL OR manifest_key IS NOT NULL) NOT VALID,
    DROP CONSTRAINT export_window_first_seq;
DROP INDEX export_window_undelivered;
CREATE UNIQUE INDEX export_window_first_seq ON export_window (export_id, first_seq)
    WHERE backfill_id IS NULL AND abandoned_at IS NULL;
CREATE UNIQUE INDEX export_window_undelivered ON export_window (export_id)
    WHERE backfill_id IS NULL AND abandoned_at IS NULL AND delivered_at IS NULL;
CREATE UNIQUE INDEX backfill_window_first_seq ON export_window (backfill_id, first_seq)
    WHERE backfill_id IS NOT NULL AND abandoned_at IS NULL;
CREATE UNIQUE INDEX backfill_window_undelivered ON export_window (backfill_id)
    WHERE backfill_id IS NOT NULL AND abandoned_at IS NULL AND delivered_at IS NULL;

ALTER TABLE export_run
    ADD COLUMN settled integer NOT NULL DEFAULT 0,
    ADD COLUMN excluded bigint NOT NULL DEFAULT 0,
    ADD COLUMN expired bigint NOT NULL DEFAULT 0,
    ADD COLUMN attempts integer NOT NULL DEFAULT 0;
UPDATE export_run AS r SET settled = objects WHERE status = 'succeeded';
CREATE INDEX export_run_window ON export_run (window_id);

-- A part is noted as soon as it is settled. It counts as delivered when its
-- window is. A part without rows has no object, and no key.
ALTER TABLE export_object
    ADD COLUMN excluded bigint NOT NULL DEFAULT 0,
    ADD COLUMN expired bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT export_object_window_id_key_key;
CREATE UNIQUE INDEX export_object_key ON export_object (window_id, key) WHERE key <> '';

-- A chain of manifests in a place that its export has left, to be ended there.
CREATE TABLE export_closing (
    id                 uuid PRIMARY KEY,
    org_id             uuid NOT NULL,
    export_id          uuid NOT NULL,
    integration_id     uuid NOT NULL,
    destination        text NOT NULL, -- canonical URL
    reason             text NOT NULL,
    requested_at       timestamptz NOT NULL DEFAULT now(),
    settled_at         timestamptz,
    error              text NOT NULL DEFAULT '', -- why it was given up
    manifest_key       text,
    manifest_sha256    text,
    manifest_content   bytea,
    manifest_signature text,
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, export_id) REFERENCES export (org_id, id),
    FOREIGN KEY (org_id, integration_id) REFERENCES integration (org_id, id)
);
CREATE UNIQUE INDEX export_closing_open ON export_closing (export_id, destination) WHERE settled_at IS NULL;
CREATE INDEX export_closing_integration ON export_closing (integration_id) WHERE settled_at IS NULL;
CREATE INDEX export_closing_export ON export_closing (export_id);
SELECT auditferry_protect('export_closing');
GRANT SELECT, INSERT, UPDATE ON export_closing TO auditferry_app;

-- Which numbers an org's events of a UTC day had that has been dropped since, so
-- that the ledger can tell for good what became of them.
CREATE TABLE audit_day (
    org_id    uuid NOT NULL REFERENCES org,
    day       date NOT NULL,
    first_seq bigint NOT NULL,
    last_seq  bigint NOT NULL,
    PRIMARY KEY (org_id, day)
);
SELECT auditferry_protect('audit_day');
GRANT SELECT ON audit_day TO auditferry_app;

-- A day is not dropped under a run that delivers it: neither between two of its
-- reads, nor between the choice of a window and the first. For longer than two
-- days nobody is waited for, because the retention is a promise as well.
--
-- The lock comes before the look at the runs. BeginRun reads audit_event before
-- it opens a run, so it is either seen here or comes after the drop. The numbers
-- of the days are noted before the lock, because they take a look at every org;
-- nothing is recorded on those days any more.
--
-- The caller is in operator scope.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION auditferry_drop_partitions(first_kept_day date) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    partition text;
    ending date;
    needed date;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('auditferry/partitions', 0));
    FOR ending IN
        SELECT to_date(right(c.relname, 8), 'YYYYMMDD')
        FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'audit_event'::regclass
          AND c.relname < 'audit_event_' || to_char(first_kept_day, 'YYYYMMDD')
    LOOP
        INSERT INTO audit_day AS d (org_id, day, first_seq, last_seq)
        SELECT o.id, ending, oldest.seq, newest.seq
        FROM org AS o
        CROSS JOIN LATERAL (
            SELECT e.seq FROM audit_event AS e WHERE e.org_id = o.id
              AND e.recorded_at >= ending::timestamp AT TIME ZONE 'UTC' AND e.recorded_at < (ending + 1)::timestamp AT TIME ZONE 'UTC'
            ORDER BY e.seq LIMIT 1) AS oldest
        CROSS JOIN LATERAL (
            SELECT e.seq FROM audit_event AS e WHERE e.org_id = o.id
              AND e.recorded_at >= ending::timestamp AT TIME ZONE 'UTC' AND e.recorded_at < (ending + 1)::timestamp AT TIME ZONE 'UTC'
            ORDER BY e.seq DESC LIMIT 1) AS newest
        ON CONFLICT (org_id, day) DO UPDATE
            SET first_seq = least(d.first_seq, excluded.first_seq), last_seq = greatest(d.last_seq, excluded.last_seq);
    END LOOP;
    LOCK TABLE ONLY audit_event IN ACCESS EXCLUSIVE MODE;
    SELECT min((w.recorded_from AT TIME ZONE 'UTC')::date) INTO needed
    FROM export_run AS r JOIN export_window AS w ON w.id = r.window_id
    WHERE r.status = 'running' AND w.recorded_from >= (first_kept_day - 2)::timestamp AT TIME ZONE 'UTC';
    FOR partition IN
        SELECT c.relname
        FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'audit_event'::regclass
          AND c.relname < 'audit_event_' || to_char(least(first_kept_day, needed), 'YYYYMMDD')
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE %I', partition);
        RETURN NEXT partition;
    END LOOP;
END
$$;
-- +goose StatementEnd
