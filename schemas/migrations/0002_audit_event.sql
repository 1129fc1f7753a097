-- +goose Up

-- No foreign key to org: the append holds a lock on that very row, and a check
-- for each event would double what it costs. No default partition either: it
-- would be locked and searched whenever a partition is attached, and its rows
-- would escape retention. An append that finds no partition makes one instead.
--
-- No index but the key: searches walk an org's events from the newest down.
CREATE TABLE audit_event (
    org_id      uuid NOT NULL,
    seq         bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    action      text NOT NULL,
    actor_email text NOT NULL,
    outcome     text NOT NULL,
    total_bytes bigint NOT NULL, -- of this body and all before it: the size of any range is one subtraction
    body        json NOT NULL,   -- json, not jsonb: it is exported exactly as it was written
    PRIMARY KEY (org_id, seq, recorded_at)
) PARTITION BY RANGE (recorded_at);
SELECT auditferry_protect('audit_event');
GRANT SELECT, INSERT ON audit_event TO auditferry_app;

-- auditferry_ensure_partitions makes the missing partitions of the UTC days
-- from first_day to last_day. It runs as the owner, because the app role owns
-- nothing.
--
-- Creating a table and attaching it leaves running reads and appends alone;
-- CREATE TABLE ... PARTITION OF would wait for a long export and make every
-- append wait behind it.
-- +goose StatementBegin
CREATE FUNCTION auditferry_ensure_partitions(first_day date, last_day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    day date;
    partition text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('auditferry/partitions', 0));
    FOR day IN SELECT first_day + n FROM generate_series(0, last_day - first_day) AS n LOOP
        partition := 'audit_event_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(partition) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE audit_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition);
        -- Nobody is granted a partition; its rows are reached through audit_event and its policy.
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', partition);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', partition);
        EXECUTE format('ALTER TABLE audit_event ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            partition, day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
    END LOOP;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION auditferry_ensure_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auditferry_ensure_partitions TO auditferry_app;

-- auditferry_drop_partitions drops the partitions of the UTC days before
-- first_kept_day and returns their names.
--
-- Dropping waits for every reader of the table, and appends wait behind it; the
-- lock timeout bounds that. The caller tries again later.
-- +goose StatementBegin
CREATE FUNCTION auditferry_drop_partitions(first_kept_day date) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '3s' AS $$
DECLARE
    partition text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('auditferry/partitions', 0));
    FOR partition IN
        SELECT c.relname
        FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'audit_event'::regclass
          AND c.relname < 'audit_event_' || to_char(first_kept_day, 'YYYYMMDD')
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE %I', partition);
        RETURN NEXT partition;
    END LOOP;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION auditferry_drop_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auditferry_drop_partitions TO auditferry_app;

SELECT auditferry_ensure_partitions((now() AT TIME ZONE 'UTC')::date - 1, (now() AT TIME ZONE 'UTC')::date + 7);
