-- The control schema, version 8: which row rules and which guard came after which.
-- Why: row rules (db/rls/tenant.sql) and guard functions (db/rls/guard.sql) have no version. Without their order an older program would put
--      its own back over those of a newer one, which were made to close something.
-- Locks: ACCESS EXCLUSIVE on control.fleet for an instant; the constant defaults rewrite nothing.
-- Previous release: reads none of it. Its `up` is refused, because it doesn't know this version.

ALTER TABLE control.fleet
  ADD COLUMN rules_order text[] NOT NULL DEFAULT '{}',
  ADD COLUMN guard_order text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN control.fleet.rules_order IS 'SHA-256 of each text of row rules that a run began to apply, in the order in which they came first. One is refused while a tenant has a later one';
COMMENT ON COLUMN control.fleet.guard_order IS 'The same of the guard''s functions; the last is what is there, and those before it are refused';
