-- +goose Up

-- Sessions of the portal that were ended before their time. A session itself is
-- in its browser's cookie and nowhere else.
CREATE TABLE sign_out (
    subject    text NOT NULL, -- whose session, at the identity provider
    session_id uuid,          -- null: all of them that began before ended_at
    ended_at   timestamptz NOT NULL DEFAULT now(),
    forget_at  timestamptz NOT NULL -- by then the cookies have expired as well
);
CREATE INDEX sign_out_subject ON sign_out (subject);
CREATE INDEX sign_out_forget ON sign_out (forget_at);
-- The rows are people's, who are of no org or of many: no org sees them.
ALTER TABLE sign_out ENABLE ROW LEVEL SECURITY;
ALTER TABLE sign_out FORCE ROW LEVEL SECURITY;
CREATE POLICY operator ON sign_out USING ((SELECT current_setting('auditferry.scope', true) = 'operator'));
GRANT SELECT, INSERT, DELETE ON sign_out TO auditferry_app;
