-- What an operator makes before the first migration, in the database
-- auditferry. It may run again: it finishes what an interrupted start left.
DO $$ BEGIN
  IF to_regrole('auditferry_app') IS NULL THEN
    CREATE ROLE auditferry_app NOLOGIN;
  END IF;
  IF to_regrole('auditferry_owner') IS NULL THEN
    CREATE ROLE auditferry_owner LOGIN CREATEROLE;
  END IF;
  IF to_regrole('auditferry') IS NULL THEN
    CREATE ROLE auditferry LOGIN IN ROLE auditferry_app;
  END IF;
END $$;
ALTER DATABASE auditferry OWNER TO auditferry_owner;
