-- Repeatable: run by the migrator as labor_guard whenever its text changes.
-- Why: the second key (ARCHITECTURE.md, "The two keys"). A request proves with a signed, short-lived claim which tenant, user
--      and role it acts for; every row policy asks these functions. This is the only schema with SECURITY DEFINER functions.
-- Must stay true: plpgsql (as an SQL function it is 2.5–5 times slower), pinned search_path, built-in sha256 only.
-- Locks: none that readers notice. Previous release: function signatures may be added, never changed.

COMMENT ON SCHEMA guard IS 'Verification of signed claims; the only schema with SECURITY DEFINER functions';
GRANT USAGE ON SCHEMA guard TO labor_tenants, labor_owner, labor_backup;

CREATE TABLE IF NOT EXISTS guard.claim_keys (
  key_id    integer PRIMARY KEY,
  inner_pad bytea NOT NULL,
  outer_pad bytea NOT NULL,
  not_after timestamptz
);
-- No rule lets anybody see a row; its owner, as whom the guard's functions run, is not bound by them. Not for speed, and not instead of
-- rights: whoever is given all tables to read (pg_read_all_data) could sign claims for every practice else.
ALTER TABLE guard.claim_keys ENABLE ROW LEVEL SECURITY;
COMMENT ON TABLE  guard.claim_keys           IS 'HMAC-SHA256 keys that claims are signed with, two of them during a rotation';
COMMENT ON COLUMN guard.claim_keys.inner_pad IS 'key XOR 0x36 repeated (RFC 2104), so that plain sha256() is enough to verify';
COMMENT ON COLUMN guard.claim_keys.outer_pad IS 'key XOR 0x5c repeated (RFC 2104)';

-- The verified claim of this transaction: {key id, tenant, subject, role, expiry as Unix seconds, signature}.
-- Raises 28000 when there is none, when it is forged or expired, or when it belongs to another tenant's login.
-- No part of it is converted before it is known to be well-formed: a conversion's error would not be 28000. Every table of every
-- statement pays for this (ADR 0013), so what needs no look at the form has none: a key's number and a signature are compared as text.
CREATE OR REPLACE FUNCTION guard.claim() RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  token   text   := current_setting('labor.claim', true);
  part    text[] := string_to_array(token, '.');
  genuine boolean;
BEGIN
  IF array_length(part, 1) IS DISTINCT FROM 6 THEN
    RAISE EXCEPTION 'no claim is bound to this transaction' USING ERRCODE = '28000';
  END IF;
  IF part[2] || '_app' <> session_user THEN
    RAISE EXCEPTION 'the claim belongs to another tenant' USING ERRCODE = '28000';
  END IF;
  -- Compared by hash: equal time for every wrong signature. What is no signature at all has another hash, too.
  SELECT sha256(convert_to(encode(sha256(k.outer_pad || sha256(k.inner_pad || convert_to(left(token, -65), 'UTF8'))), 'hex'), 'UTF8'))
         = sha256(convert_to(part[6], 'UTF8')) INTO genuine
    FROM guard.claim_keys k
   WHERE k.key_id::text = part[1] AND (k.not_after IS NULL OR k.not_after > now());
  IF genuine IS NOT TRUE THEN
    RAISE EXCEPTION 'the claim is not genuine' USING ERRCODE = '28000';
  END IF;
  IF (CASE WHEN part[5] ~ '^[0-9]{1,12}$' THEN to_timestamp(part[5]::float8) < clock_timestamp() ELSE true END) THEN
    RAISE EXCEPTION 'the claim has expired' USING ERRCODE = '28000';
  END IF;
  RETURN part;
END $$;
COMMENT ON FUNCTION guard.claim() IS 'The verified claim of this transaction, or error 28000';

-- Whether the claim is for this tenant and one of these roles. Policies call it, wrapped in (SELECT …) so that it runs once a
-- statement instead of once a row.
CREATE OR REPLACE FUNCTION guard.permits(tenant text, roles text[]) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE claim text[] := guard.claim();
BEGIN
  RETURN claim[2] = tenant AND claim[4] = ANY (roles);
END $$;
COMMENT ON FUNCTION guard.permits(text, text[]) IS 'True when the verified claim names this tenant and one of these roles';

-- The same for a row that says who acts, in one verification.
CREATE OR REPLACE FUNCTION guard.permits_actor(tenant text, roles text[], actor text, actor_role text) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE claim text[] := guard.claim();
BEGIN
  RETURN claim[2] = tenant AND claim[4] = ANY (roles) AND claim[3] = actor AND claim[4] = actor_role;
END $$;
COMMENT ON FUNCTION guard.permits_actor(text, text[], text, text) IS 'True when guard.permits() is, and the verified claim is this actor''s in this role';

CREATE OR REPLACE FUNCTION guard.claim_role() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE claim text[] := guard.claim();
BEGIN
  RETURN claim[4];
END $$;
COMMENT ON FUNCTION guard.claim_role() IS 'Role of the verified claim: admin, doctor, lab_technician, patient, worker, receiver, sign_in';

CREATE OR REPLACE FUNCTION guard.claim_subject() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE claim text[] := guard.claim();
BEGIN
  RETURN claim[3];
END $$;
COMMENT ON FUNCTION guard.claim_subject() IS 'Subject of the verified claim: a user id, a service name, or the SHA-256 of the user name at sign-in';

-- Puts (tenant, message id) into the queue, in the caller's transaction. The tenant is the claim's, so nothing can be
-- enqueued for another one; the payload holds two opaque ids and never health data.
CREATE OR REPLACE FUNCTION guard.enqueue(message_id uuid) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  claim text[] := guard.claim();
  id    bigint;
BEGIN
  IF claim[4] <> ALL (ARRAY['receiver', 'worker']) THEN
    RAISE EXCEPTION 'this role may not enqueue messages' USING ERRCODE = '42501';
  END IF;
  SELECT s INTO id
    FROM pgmq.send('messages', jsonb_build_object('tenant', claim[2], 'message_id', message_id)) AS s;
  RETURN id;
END $$;
COMMENT ON FUNCTION guard.enqueue(uuid) IS 'Enqueues a stored raw message of the claim''s tenant for the workers';

-- Lets a worker look at an alert of the claim's tenant again when a turn's time is over: the timer of the ladder, in the caller's
-- transaction. Two opaque ids as above, of which the name of the second says what it is, and the time, which tells the turn.
CREATE OR REPLACE FUNCTION guard.enqueue_alert(alert_id uuid, due timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  claim text[] := guard.claim();
  id    bigint;
BEGIN
  IF claim[4] <> 'worker' THEN
    RAISE EXCEPTION 'this role may not enqueue alerts' USING ERRCODE = '42501';
  END IF;
  SELECT s INTO id
    FROM pgmq.send('messages', jsonb_build_object('tenant', claim[2], 'alert_id', alert_id, 'due', due),
                   greatest(due, clock_timestamp())) AS s;
  RETURN id;
END $$;
COMMENT ON FUNCTION guard.enqueue_alert(uuid, timestamptz) IS 'Lets a worker look at an alert of the claim''s tenant at that time';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA guard FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guard.claim(), guard.permits(text, text[]), guard.permits_actor(text, text[], text, text),
                          guard.claim_role(), guard.claim_subject(), guard.enqueue(uuid), guard.enqueue_alert(uuid, timestamptz) TO labor_tenants;
