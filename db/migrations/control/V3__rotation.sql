-- The control schema, version 3: which keys are in use.
-- Why: claim keys and master secrets are changed while everybody is served. All processes learn from here which key claims are signed
--      with; which login and which laboratory's secret still comes out of which master secret tells when the old one may go.
-- Locks: ACCESS EXCLUSIVE on control.fleet, tenants and sources for an instant; the constant defaults rewrite nothing.
-- Previous release: reads none of it and signs with key 1, which stays until the first rotation; rotate only when no process of it runs.

ALTER TABLE control.fleet
  ADD COLUMN claim_key        integer NOT NULL DEFAULT 1 CHECK (claim_key BETWEEN 1 AND 998999 AND claim_key % 1000 > 0),
  ADD COLUMN former_claim_key integer CHECK (former_claim_key BETWEEN 1 AND 998999 AND former_claim_key % 1000 > 0),
  ADD COLUMN former_ends_at   timestamptz,
  ADD CONSTRAINT fleet_former CHECK (former_claim_key < claim_key AND (former_ends_at IS NULL OR former_claim_key IS NOT NULL));
COMMENT ON COLUMN control.fleet.claim_key        IS 'Key that claims are signed with: (number of the master secret - 1) * 1000 + how-manieth of that secret. Births lock the row FOR SHARE and take that secret, so that none is missed by the run that changes it';
COMMENT ON COLUMN control.fleet.former_claim_key IS 'Key before it, accepted for a while; null: none';
COMMENT ON COLUMN control.fleet.former_ends_at   IS 'Until when the key before is accepted, and what else comes out of its master secret; null: a rotation is under way, or there is none';

ALTER TABLE control.tenants ADD COLUMN secret_number integer NOT NULL DEFAULT 1 CHECK (secret_number BETWEEN 1 AND 999);
COMMENT ON COLUMN control.tenants.secret_number IS 'Number of the master secret that the password of its login comes out of';

ALTER TABLE control.sources
  ADD COLUMN secret_number        integer NOT NULL DEFAULT 1 CHECK (secret_number BETWEEN 1 AND 999),
  ADD COLUMN former_secret_number integer NOT NULL DEFAULT 1 CHECK (former_secret_number BETWEEN 1 AND 999);
COMMENT ON COLUMN control.sources.secret_number        IS 'Number of the master secret that the current version of the signing secret comes out of';
COMMENT ON COLUMN control.sources.former_secret_number IS 'Number of the master secret that the version before comes out of';
