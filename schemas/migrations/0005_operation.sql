-- +goose Up

CREATE TABLE operation (
    id             uuid PRIMARY KEY,
    org_id         uuid NOT NULL REFERENCES org,
    kind           text NOT NULL,
    integration_id uuid,
    export_id      uuid,
    params         jsonb NOT NULL,
    status         text NOT NULL CHECK (status IN ('pending', 'running', 'succeeded', 'failed')),
    outcome        jsonb NOT NULL DEFAULT '{}',
    error          text NOT NULL DEFAULT '',
    requested_by   text NOT NULL,
    spec_version   integer NOT NULL DEFAULT 0, -- of the export; ends when this version is applied
    created_at     timestamptz NOT NULL DEFAULT now(),
    sent_at        timestamptz, -- when Temporal last took it
    ended_at       timestamptz,
    CHECK ((status IN ('succeeded', 'failed')) = (ended_at IS NOT NULL)),
    FOREIGN KEY (org_id, integration_id) REFERENCES integration (org_id, id),
    FOREIGN KEY (org_id, export_id) REFERENCES export (org_id, id)
);
CREATE INDEX operation_org ON operation (org_id, id);
CREATE INDEX operation_integration ON operation (integration_id, id);
CREATE INDEX operation_export ON operation (export_id, id);
CREATE INDEX operation_open ON operation (created_at) WHERE ended_at IS NULL;
SELECT auditferry_protect('operation');
GRANT SELECT, INSERT, UPDATE ON operation TO auditferry_app;
