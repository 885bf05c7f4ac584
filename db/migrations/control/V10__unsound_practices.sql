-- The control schema, version 10: which practices are not served because a check found what weakens their isolation.
-- Why: what a migration leaves is proven before it commits. What somebody changes by hand afterwards (a grant, a row rule that is
--      gone) would be served until a person types `check`.
-- Locks: ACCESS EXCLUSIVE on control.ledger and control.fleet for an instant; columns without defaults rewrite nothing.
-- Previous release: reads none of it, and goes on serving such practices.

ALTER TABLE control.ledger
  ADD COLUMN unsound        jsonb CHECK (jsonb_typeof(unsound) = 'array'),
  ADD COLUMN unsound_at     timestamptz,
  ADD COLUMN served_despite text CHECK (length(served_despite) BETWEEN 1 AND 500),
  ADD CONSTRAINT ledger_unsound CHECK ((unsound IS NULL) = (unsound_at IS NULL) AND (served_despite IS NULL OR unsound IS NOT NULL));
COMMENT ON COLUMN control.ledger.unsound        IS 'What the last check found: kind, object and detail of each. The practice is not served while it is there';
COMMENT ON COLUMN control.ledger.unsound_at     IS 'When just this was found first';
COMMENT ON COLUMN control.ledger.served_despite IS 'Why it is served all the same, as somebody decided of just these findings';

ALTER TABLE control.fleet ADD COLUMN checked_at timestamptz;
COMMENT ON COLUMN control.fleet.checked_at IS 'When `labor-migrator check --enforce` last came to the end of the whole fleet; null: never';
