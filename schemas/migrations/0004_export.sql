-- +goose Up

CREATE TABLE export (
    id              uuid PRIMARY KEY,
    org_id          uuid NOT NULL REFERENCES org,
    integration_id  uuid NOT NULL,
    name            text NOT NULL,
    slug            text NOT NULL,
    schedule        jsonb NOT NULL,
    format          text NOT NULL,
    compression     text NOT NULL,
    path_template   text NOT NULL,
    destination     text NOT NULL, -- canonical URL
    state           text NOT NULL CHECK (state IN ('active', 'paused', 'deleted')),
    pause_reason    text NOT NULL DEFAULT '',
    delivered_seq   bigint NOT NULL CHECK (delivered_seq >= 0),
    spec_version    integer NOT NULL DEFAULT 1, -- raised by every change of the row's specification
    applied_version integer NOT NULL DEFAULT 0, -- the newest version that Temporal's schedule equals
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id),
    -- Deleted exports count: their objects stay, and a name used again would mix with them.
    CONSTRAINT export_slug UNIQUE (org_id, slug),
    FOREIGN KEY (org_id, integration_id) REFERENCES integration (org_id, id)
);
CREATE UNIQUE INDEX export_live_name ON export (org_id, name) WHERE state <> 'deleted';
CREATE INDEX export_integration ON export (integration_id, id);
CREATE INDEX export_unapplied ON export (updated_at) WHERE applied_version < spec_version;
SELECT auditferry_protect('export');
GRANT SELECT, INSERT, UPDATE ON export TO auditferry_app;

CREATE TABLE export_window (
    id            uuid PRIMARY KEY,
    org_id        uuid NOT NULL,
    export_id     uuid NOT NULL,
    slug          text NOT NULL,
    first_seq     bigint NOT NULL,
    last_seq      bigint NOT NULL,
    rows_per_part bigint NOT NULL CHECK (rows_per_part > 0),
    format        text NOT NULL,
    compression   text NOT NULL,
    path_template text NOT NULL,
    destination   text NOT NULL, -- canonical URL
    created_at    timestamptz NOT NULL DEFAULT now(),
    delivered_at  timestamptz,
    delivered_by  uuid, -- the run
    UNIQUE (org_id, id),
    CONSTRAINT export_window_first_seq UNIQUE (export_id, first_seq),
    CHECK (0 < first_seq AND first_seq <= last_seq),
    CHECK ((delivered_at IS NULL) = (delivered_by IS NULL)),
    FOREIGN KEY (org_id, export_id) REFERENCES export (org_id, id)
);
CREATE UNIQUE INDEX export_window_undelivered ON export_window (export_id) WHERE delivered_at IS NULL;
SELECT auditferry_protect('export_window');
GRANT SELECT, INSERT, UPDATE ON export_window TO auditferry_app;

CREATE TABLE export_run (
    id              uuid PRIMARY KEY,
    org_id          uuid NOT NULL,
    export_id       uuid NOT NULL,
    window_id       uuid NOT NULL,
    workflow_id     text NOT NULL,
    temporal_run_id text NOT NULL,
    turn            integer NOT NULL,
    status          text NOT NULL CHECK (status IN ('running', 'succeeded', 'failed', 'cancelled')),
    objects         integer NOT NULL DEFAULT 0,
    rows            bigint NOT NULL DEFAULT 0,
    bytes           bigint NOT NULL DEFAULT 0,
    error_kind      text NOT NULL DEFAULT '',
    error           text NOT NULL DEFAULT '',
    started_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    UNIQUE (org_id, id),
    CONSTRAINT export_run_turn UNIQUE (temporal_run_id, turn),
    CHECK ((status = 'running') = (ended_at IS NULL)),
    FOREIGN KEY (org_id, export_id) REFERENCES export (org_id, id),
    FOREIGN KEY (org_id, window_id) REFERENCES export_window (org_id, id)
);
CREATE INDEX export_run_export ON export_run (export_id, id);
CREATE INDEX export_run_running ON export_run (export_id) WHERE status = 'running';
SELECT auditferry_protect('export_run');
GRANT SELECT, INSERT, UPDATE ON export_run TO auditferry_app;

ALTER TABLE export_window ADD FOREIGN KEY (org_id, delivered_by) REFERENCES export_run (org_id, id);

-- What lies in the org's bucket. A window's rows are written once, together,
-- when the window is delivered.
CREATE TABLE export_object (
    org_id    uuid NOT NULL,
    window_id uuid NOT NULL,
    run_id    uuid NOT NULL,
    part      integer NOT NULL,
    key       text NOT NULL,
    first_seq bigint NOT NULL,
    last_seq  bigint NOT NULL,
    rows      bigint NOT NULL,
    bytes     bigint NOT NULL,
    sha256    text NOT NULL,
    PRIMARY KEY (window_id, part),
    UNIQUE (window_id, key),
    FOREIGN KEY (org_id, window_id) REFERENCES export_window (org_id, id),
    FOREIGN KEY (org_id, run_id) REFERENCES export_run (org_id, id)
);
CREATE INDEX export_object_run ON export_object (run_id, part);
SELECT auditferry_protect('export_object');
GRANT SELECT, INSERT ON export_object TO auditferry_app;
