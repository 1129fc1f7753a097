-- +goose Up

-- Who made a key: the name of the person or the key. Empty for keys that are
-- older than this, and for the first operator's, which the program makes.
ALTER TABLE api_key ADD COLUMN created_by text NOT NULL DEFAULT '';
