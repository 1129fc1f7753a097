-- +goose Up

CREATE TABLE integration (
    id            uuid PRIMARY KEY,
    org_id        uuid NOT NULL REFERENCES org,
    name          text NOT NULL,
    cloud         text NOT NULL CHECK (cloud IN ('aws', 'azure', 'gcp')),
    destination   text NOT NULL, -- canonical URL
    access_grant  jsonb NOT NULL,
    provisioner   text NOT NULL CHECK (provisioner IN ('auto', 'external')),
    credentials   jsonb,
    status        text NOT NULL CHECK (status IN ('provisioning', 'awaiting_access', 'active', 'deleting', 'deleted')),
    access        text NOT NULL CHECK (access IN ('unknown', 'checking', 'granted', 'denied')),
    access_check  integer NOT NULL DEFAULT 0, -- number of the newest access check; reports of older ones are void
    access_report jsonb,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    deleted_at    timestamptz,
    -- Lets rows that point here name the org as well, so that none can point into another's.
    UNIQUE (org_id, id)
);
SELECT auditferry_protect('integration');
GRANT SELECT, INSERT, UPDATE ON integration TO auditferry_app;

-- Which places integrations write to, or are about to. Rows go when the place
-- is given up, so every row is a live claim.
CREATE TABLE destination_claim (
    integration_id uuid NOT NULL,
    org_id         uuid NOT NULL,
    destination    text NOT NULL, -- canonical URL
    location       text NOT NULL, -- the URL without its folder: the bucket or container
    PRIMARY KEY (integration_id, destination),
    FOREIGN KEY (org_id, integration_id) REFERENCES integration (org_id, id)
);
CREATE INDEX destination_claim_location ON destination_claim (location);
SELECT auditferry_protect('destination_claim');
GRANT SELECT, INSERT, DELETE ON destination_claim TO auditferry_app;

-- auditferry_claimed_elsewhere tells whether another integration, of any org,
-- claims a place that holds the destination or lies in it. It is the one look
-- past an org's own rows, so it says no more than yes or no.
-- +goose StatementBegin
CREATE FUNCTION auditferry_claimed_elsewhere(integration uuid, location text, destination text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    scope text := coalesce(current_setting('auditferry.scope', true), '');
    claimed boolean;
BEGIN
    PERFORM set_config('auditferry.scope', 'operator', true);
    claimed := EXISTS (
        SELECT FROM destination_claim AS c
        WHERE c.location = $2 AND c.integration_id <> $1
          -- Canonical URLs end in a slash, so a common beginning is a common folder.
          AND (starts_with(c.destination, $3) OR starts_with($3, c.destination))
    );
    PERFORM set_config('auditferry.scope', scope, true);
    RETURN claimed;
END
$$;
-- +goose StatementEnd
