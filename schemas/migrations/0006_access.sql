-- +goose Up

-- Migrations see every org's rows.
SET LOCAL auditferry.scope = 'operator';

-- Whether the identity that the credentials stand for serves this org alone. If
-- not, the org has to show that a destination is its own.
ALTER TABLE integration ADD COLUMN exclusive boolean NOT NULL DEFAULT false;
UPDATE integration SET exclusive = true WHERE cloud = 'aws' AND credentials IS NOT NULL; -- external IDs are

-- What is known of a place. Exports write to verified places only.
ALTER TABLE destination_claim
    ADD COLUMN owner          text,        -- AWS account or Google Cloud project of the bucket, pinned by the first grant
    ADD COLUMN verified_at    timestamptz, -- when a probe with the present credentials was granted
    ADD COLUMN proven_at      timestamptz, -- when the org read the challenge back
    ADD COLUMN challenge_key  text,        -- full key of the challenge in the bucket
    ADD COLUMN challenge_hash bytea,       -- SHA-256 of what it says
    ADD COLUMN released_at    timestamptz; -- given up, and still held because a run may be writing there
-- Places in use need no proof that was never asked for. They are probed once more
-- all the same, by the next export: whose they are was not looked at.
UPDATE destination_claim AS c SET proven_at = now()
FROM integration AS i WHERE i.id = c.integration_id AND i.access = 'granted' AND c.destination = i.destination;
CREATE INDEX destination_claim_released ON destination_claim (released_at) WHERE released_at IS NOT NULL;
GRANT UPDATE ON destination_claim TO auditferry_app;

-- Every attempt of the latest access checks.
CREATE TABLE access_attempt (
    org_id         uuid NOT NULL,
    integration_id uuid NOT NULL,
    access_check   integer NOT NULL,
    attempt        integer NOT NULL,
    report         jsonb NOT NULL,
    PRIMARY KEY (integration_id, access_check, attempt),
    FOREIGN KEY (org_id, integration_id) REFERENCES integration (org_id, id)
);
SELECT auditferry_protect('access_attempt');
GRANT SELECT, INSERT, UPDATE, DELETE ON access_attempt TO auditferry_app;

-- Who writes with which identity, now or ever. Rows stay when integrations go:
-- what a customer granted to an identity may outlive the integration, and must
-- never serve somebody else.
CREATE TABLE cloud_identity (
    identity       text NOT NULL, -- schemas.Credentials.Identity
    integration_id uuid NOT NULL,
    org_id         uuid NOT NULL,
    exclusive      boolean NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (identity, integration_id),
    FOREIGN KEY (org_id, integration_id) REFERENCES integration (org_id, id)
);
SELECT auditferry_protect('cloud_identity');
GRANT SELECT, INSERT, UPDATE ON cloud_identity TO auditferry_app;

-- Those in use, and those that operators handed in since. An app that all orgs
-- share must not pass for unused.
INSERT INTO cloud_identity (identity, integration_id, org_id, exclusive)
SELECT DISTINCT
    CASE
        WHEN c ? 'aws' THEN 'aws-external-id:' || (c->'aws'->>'external_id')
        WHEN c ? 'azure' THEN 'azure-app:' || lower(coalesce(substring(c->'azure'->>'consent_url' FROM '[?&]client_id=([^&#]*)'), ''))
        WHEN c ? 'gcp' THEN 'gcp-service-account:' || (c->'gcp'->>'service_account')
    END,
    id, org_id, c ? 'aws'
FROM (
    SELECT id, org_id, credentials AS c FROM integration
    UNION ALL
    SELECT integration_id, org_id, params->'credentials' FROM operation
    WHERE kind = 'provision' AND status IN ('running', 'succeeded')
) AS given
WHERE c ?| ARRAY['aws', 'azure', 'gcp'];

-- auditferry_identity_use tells who else than an integration uses an identity,
-- or ever did: 'exclusive' or 'shared' for another org, 'own' for another
-- integration of the same org, '' for nobody. Like auditferry_claimed_elsewhere
-- it looks past an org's own rows and says no more than that.
-- +goose StatementBegin
CREATE FUNCTION auditferry_identity_use(identity text, integration uuid, org uuid) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    scope text := coalesce(current_setting('auditferry.scope', true), '');
    used text;
BEGIN
    PERFORM set_config('auditferry.scope', 'operator', true);
    used := (
        SELECT CASE
            WHEN bool_or(c.exclusive AND c.org_id <> $3) THEN 'exclusive'
            WHEN bool_or(c.org_id <> $3) THEN 'shared'
            WHEN bool_or(true) THEN 'own'
            ELSE ''
        END
        FROM cloud_identity AS c WHERE c.identity = $1 AND c.integration_id <> $2
    );
    PERFORM set_config('auditferry.scope', scope, true);
    RETURN used;
END
$$;
-- +goose StatementEnd

-- Operators look for integrations that wait for credentials.
CREATE INDEX integration_provisioning ON integration (id) WHERE status = 'provisioning';
