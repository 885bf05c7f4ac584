-- The schema of one practice, version 1.
-- Why: everything that belongs to one practice lives here, so that it can be migrated, backed up, restored, exported and
--      deleted alone. Foreign keys stay inside the schema. Keys are UUIDv7 made by the application: no sequences, fewer objects.
-- Locks: new tables only. Previous release: there is none.
-- Row rules are in db/rls/tenant.sql; the class of each column (identity, health, billing, technical) in db/catalog.

CREATE TABLE schema_stamp (
  singleton      boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
  tenant         text        NOT NULL,
  version        integer     NOT NULL,
  chain_checksum text        NOT NULL,
  stamped_at     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  schema_stamp                IS 'Which version this schema has, so that a restored copy knows it without the control schema';
COMMENT ON COLUMN schema_stamp.singleton      IS 'Always true: there is one row';
COMMENT ON COLUMN schema_stamp.tenant         IS 'Opaque database name of the practice';
COMMENT ON COLUMN schema_stamp.version        IS 'Number of the last migration applied';
COMMENT ON COLUMN schema_stamp.chain_checksum IS 'SHA-256 over names and texts of all migrations applied and of the row rules';
COMMENT ON COLUMN schema_stamp.stamped_at     IS 'When the stamp was written';

CREATE TABLE patients (
  id               uuid        PRIMARY KEY,
  identity_key     text        NOT NULL UNIQUE CHECK (length(identity_key) = 64),
  patient_number   text,
  family_name      text        NOT NULL,
  given_name       text,
  name_key         text        COLLATE "C",
  birth_date       date,
  birth_date_text  text,
  sex              text        NOT NULL DEFAULT 'unknown' CHECK (sex IN ('male', 'female', 'other', 'unknown')),
  insurance_number text,
  created_at       timestamptz NOT NULL DEFAULT now(),
  -- An infinite day, or one that no program can name, would stop whoever reads it; so for reports.
  CHECK (birth_date > '-infinity' AND birth_date < '10000-01-01'),
  CHECK (created_at > '-infinity' AND created_at < to_timestamp(253402300800))
);
COMMENT ON TABLE  patients                  IS 'Patients of the practice';
COMMENT ON COLUMN patients.id               IS 'UUIDv7';
COMMENT ON COLUMN patients.identity_key     IS 'SHA-256 of family name, given name, birth date and sex as they are compared: the same person sent twice meets the same row; of the id alone where a person decided that it is somebody else';
COMMENT ON COLUMN patients.patient_number   IS 'The practice''s own number (LDT 3 field 3000)';
COMMENT ON COLUMN patients.family_name      IS 'LDT field 3101';
COMMENT ON COLUMN patients.given_name       IS 'LDT field 3102; null when nobody sent one';
COMMENT ON COLUMN patients.name_key         IS 'Family name as it is compared and searched for: small letters, ä as ae, without accents, hyphens and spaces; null: not found by name';
COMMENT ON COLUMN patients.birth_date       IS 'LDT field 3103; null when the sender gave only a part of it';
COMMENT ON COLUMN patients.birth_date_text  IS 'The part of the birth date that was sent, such as 1966-10; null when it is complete or nothing was sent';
COMMENT ON COLUMN patients.sex              IS 'Administrative sex as FHIR names it (LDT field 3110)';
COMMENT ON COLUMN patients.insurance_number IS 'Versicherten-ID (LDT field 3119)';
COMMENT ON COLUMN patients.created_at       IS 'When the row was written';
CREATE INDEX patients_insurance_number ON patients (insurance_number) WHERE insurance_number IS NOT NULL;
CREATE INDEX patients_patient_number   ON patients (patient_number) WHERE patient_number IS NOT NULL;
CREATE INDEX patients_birth_date       ON patients (birth_date);
CREATE INDEX patients_name             ON patients (name_key, birth_date);

CREATE TABLE users (
  id            uuid        PRIMARY KEY,
  username      text        NOT NULL UNIQUE CHECK (username = lower(username) AND length(username) BETWEEN 1 AND 120),
  password_hash text        NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
  role          text        NOT NULL CHECK (role IN ('admin', 'doctor', 'lab_technician', 'patient')),
  display_name  text        NOT NULL,
  patient_id    uuid        REFERENCES patients (id),
  active        boolean     NOT NULL DEFAULT true,
  created_at    timestamptz NOT NULL DEFAULT now(),
  CHECK ((role = 'patient') = (patient_id IS NOT NULL))
);
COMMENT ON TABLE  users               IS 'People who sign in to this practice; they are backed up, exported and deleted with it';
COMMENT ON COLUMN users.id            IS 'UUIDv7; the subject of tokens and claims';
COMMENT ON COLUMN users.username      IS 'Lower case; unique within the practice';
COMMENT ON COLUMN users.password_hash IS 'Argon2id in PHC string format';
COMMENT ON COLUMN users.role          IS 'What the user may do (db/rls/tenant.sql)';
COMMENT ON COLUMN users.display_name  IS 'How colleagues see the user';
COMMENT ON COLUMN users.patient_id    IS 'For role patient: whose results the user may see';
COMMENT ON COLUMN users.active        IS 'False: can no longer sign in';
COMMENT ON COLUMN users.created_at    IS 'When the row was written';
CREATE INDEX users_patient_id ON users (patient_id) WHERE patient_id IS NOT NULL;

CREATE TABLE doctor_numbers (
  id         uuid        PRIMARY KEY,
  user_id    uuid        NOT NULL REFERENCES users (id),
  lanr       text        NOT NULL CHECK (lanr ~ '^[0-9]{9}$'),
  started_at timestamptz NOT NULL DEFAULT now(),
  ended_at   timestamptz
);
COMMENT ON TABLE  doctor_numbers            IS 'Which doctor has which number; set by operators alone, because whoever has it releases genetic results';
COMMENT ON COLUMN doctor_numbers.id         IS 'UUIDv7';
COMMENT ON COLUMN doctor_numbers.user_id    IS 'Whose';
COMMENT ON COLUMN doctor_numbers.lanr       IS 'LANR: the genetic results of this doctor are released by this user alone';
COMMENT ON COLUMN doctor_numbers.started_at IS 'Valid from then on';
COMMENT ON COLUMN doctor_numbers.ended_at   IS 'Valid until then; null: still';
CREATE INDEX        doctor_numbers_user_id ON doctor_numbers (user_id);
CREATE UNIQUE INDEX doctor_numbers_user    ON doctor_numbers (user_id) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX doctor_numbers_lanr    ON doctor_numbers (lanr) WHERE ended_at IS NULL;

CREATE TABLE raw_messages (
  id                uuid        PRIMARY KEY,
  source_id         uuid        NOT NULL,
  sender_message_id text,
  sha256            bytea       NOT NULL CHECK (octet_length(sha256) = 32),
  body              bytea       NOT NULL,
  content_type      text,
  state             text        NOT NULL DEFAULT 'received'
                    CHECK (state IN ('received', 'processed', 'quarantined', 'failed')),
  reason            text,
  format            text        CHECK (format IN ('LDT2', 'LDT3', 'HL7')),
  charset           text,
  warnings          jsonb       NOT NULL DEFAULT '[]',
  received_at       timestamptz NOT NULL DEFAULT now(),
  processed_at      timestamptz,
  UNIQUE (source_id, sha256),
  CHECK ((state IN ('quarantined', 'failed')) = (reason IS NOT NULL)),
  -- Nobody changes the digest, so nobody changes the bytes; the intake gives away what it handed on.
  CHECK (octet_length(body) = 0 OR sha256 = sha256(body))
);
COMMENT ON TABLE  raw_messages                   IS 'What laboratories sent, byte for byte';
COMMENT ON COLUMN raw_messages.id                IS 'UUIDv7; the message_id that the sender is told';
COMMENT ON COLUMN raw_messages.source_id         IS 'control.sources.id of the sender';
COMMENT ON COLUMN raw_messages.sender_message_id IS 'X-Message-Id of the request, if any; its first 200 characters';
COMMENT ON COLUMN raw_messages.sha256            IS 'SHA-256 of body; with source_id the idempotency key: a retry meets the same row';
COMMENT ON COLUMN raw_messages.body              IS 'The bytes as received';
COMMENT ON COLUMN raw_messages.content_type      IS 'Content-Type of the request';
COMMENT ON COLUMN raw_messages.state             IS 'received: waits for a worker; processed; quarantined: cannot be understood or routed; failed: gave up after retries';
COMMENT ON COLUMN raw_messages.reason            IS 'Code and place of the fault, without content of the message';
COMMENT ON COLUMN raw_messages.format            IS 'What the reader recognised';
COMMENT ON COLUMN raw_messages.charset           IS 'Character set the text was read with';
COMMENT ON COLUMN raw_messages.warnings          IS 'Codes and places of what the reader tolerated';
COMMENT ON COLUMN raw_messages.received_at       IS 'When the bytes became durable';
COMMENT ON COLUMN raw_messages.processed_at      IS 'When a worker finished with it';
-- Whether a sender gave its id to other bytes before is asked with every message.
CREATE INDEX raw_messages_sender_id ON raw_messages (source_id, sender_message_id) WHERE sender_message_id IS NOT NULL;
CREATE INDEX raw_messages_open ON raw_messages (received_at) WHERE state <> 'processed';
-- All messages in the order of their arrival, page by page (labor reparse).
CREATE INDEX raw_messages_arrived ON raw_messages (received_at, id);

CREATE TABLE orders (
  id               uuid        PRIMARY KEY,
  laboratory       text        NOT NULL,
  lab_order_number text        NOT NULL,
  order_number     text,
  patient_id       uuid        REFERENCES patients (id),
  created_at       timestamptz NOT NULL DEFAULT now(),
  UNIQUE (laboratory, lab_order_number)
);
COMMENT ON TABLE  orders                  IS 'What was asked of a laboratory; known here through its reports';
COMMENT ON COLUMN orders.id               IS 'UUIDv7';
COMMENT ON COLUMN orders.laboratory       IS 'BSNR of the laboratory, else its name as sent';
COMMENT ON COLUMN orders.lab_order_number IS 'The laboratory''s number (LDT field 8311)';
COMMENT ON COLUMN orders.order_number     IS 'The practice''s number (LDT field 8310), if it was sent along';
COMMENT ON COLUMN orders.patient_id       IS 'Whom the order is about; null until matched';
COMMENT ON COLUMN orders.created_at       IS 'When the row was written';
CREATE INDEX orders_patient_id ON orders (patient_id);

CREATE TABLE reports (
  id                  uuid        PRIMARY KEY,
  raw_message_id      uuid        NOT NULL REFERENCES raw_messages (id),
  record_index        integer     NOT NULL CHECK (record_index >= 0),
  order_id            uuid        REFERENCES orders (id),
  patient_id          uuid        REFERENCES patients (id),
  report_key          text        NOT NULL CHECK (length(report_key) = 64),
  version             integer     NOT NULL CHECK (version >= 1),
  superseded_by       uuid        REFERENCES reports (id) DEFERRABLE INITIALLY DEFERRED,
  content_sha256      bytea       NOT NULL CHECK (octet_length(content_sha256) = 32),
  kind                text        NOT NULL,
  status              text        NOT NULL CHECK (status IN ('registered', 'partial', 'preliminary', 'final', 'corrected', 'cancelled')),
  laboratory          text        NOT NULL DEFAULT '',
  laboratory_name     text        NOT NULL,
  subject_family_name text,
  subject_given_name  text,
  subject_birth_date  date,
  subject_birth_text  text,
  subject_sex         text        CHECK (subject_sex IN ('male', 'female', 'other', 'unknown')),
  subject_insurance_number text,
  subject_patient_number   text,
  order_number        text,
  lab_order_number    text,
  reported_on         date,
  critical            boolean     NOT NULL DEFAULT false,
  genetic             boolean     NOT NULL DEFAULT false,
  invalidates_earlier boolean     NOT NULL DEFAULT false,
  notes               text[]      NOT NULL DEFAULT '{}',
  unmapped            jsonb       NOT NULL DEFAULT '[]',
  not_judged          integer     NOT NULL DEFAULT 0 CHECK (not_judged >= 0),
  received_at         timestamptz NOT NULL,
  confirmed_at        timestamptz NOT NULL,
  released_at         timestamptz,
  released_by         uuid        REFERENCES users (id),
  release_id          uuid,
  reading             integer     NOT NULL DEFAULT 1 CHECK (reading >= 1),
  reread_with         text,
  reread_at           timestamptz,
  UNIQUE (raw_message_id, record_index, reading),
  UNIQUE (report_key, version),
  CHECK (released_by IS NULL OR released_at IS NOT NULL),
  CHECK (release_id IS NULL OR released_at IS NOT NULL),
  CHECK (confirmed_at > '-infinity' AND confirmed_at < to_timestamp(253402300800)
         AND released_at > '-infinity' AND released_at < to_timestamp(253402300800)),
  CHECK ((reading > 1) = (reread_with IS NOT NULL)),
  CHECK ((reading > 1) = (reread_at IS NOT NULL))
);
COMMENT ON TABLE  reports                     IS 'One version of one laboratory report; versions with the same report_key form a chain';
COMMENT ON COLUMN reports.id                  IS 'UUIDv7';
COMMENT ON COLUMN reports.raw_message_id      IS 'The message it came in';
COMMENT ON COLUMN reports.record_index        IS 'Which record of that message, from 0; with raw_message_id and reading what makes processing idempotent';
COMMENT ON COLUMN reports.order_id            IS 'The order it answers';
COMMENT ON COLUMN reports.patient_id          IS 'Whom it is about; null: not matched, never shown to a patient';
COMMENT ON COLUMN reports.report_key          IS 'SHA-256 of the source, laboratory, record type, order or report number and the person it is about: the same for all versions';
COMMENT ON COLUMN reports.version             IS 'From 1; a correction or a later partial report is the next version';
COMMENT ON COLUMN reports.superseded_by       IS 'The next version; null: this is the current one';
COMMENT ON COLUMN reports.content_sha256      IS 'SHA-256 of the record''s medical content: an unchanged resend makes no new version';
COMMENT ON COLUMN reports.kind                IS 'LDT record type (8201, 8202, 8203, 8204, 8205)';
COMMENT ON COLUMN reports.status              IS 'State of the whole report';
COMMENT ON COLUMN reports.laboratory          IS 'BSNR of the laboratory, else its name as sent; as in orders';
COMMENT ON COLUMN reports.laboratory_name     IS 'Name of the laboratory as sent';
COMMENT ON COLUMN reports.subject_family_name IS 'Patient as sent, also when not matched';
COMMENT ON COLUMN reports.subject_given_name  IS 'Patient as sent, also when not matched';
COMMENT ON COLUMN reports.subject_birth_date  IS 'Patient as sent, also when not matched';
COMMENT ON COLUMN reports.subject_birth_text  IS 'The part of the birth date that was sent, such as 1966-10; null when it is complete or nothing was sent';
COMMENT ON COLUMN reports.subject_sex         IS 'Patient as sent; null: nothing was sent';
COMMENT ON COLUMN reports.subject_insurance_number IS 'Patient as sent, also when not matched';
COMMENT ON COLUMN reports.subject_patient_number   IS 'Patient as sent, also when not matched';
COMMENT ON COLUMN reports.order_number        IS 'LDT field 8310 as sent';
COMMENT ON COLUMN reports.lab_order_number    IS 'LDT field 8311 as sent';
COMMENT ON COLUMN reports.reported_on         IS 'Date of the report as sent';
COMMENT ON COLUMN reports.critical            IS 'The laboratory marked something as life-threatening';
COMMENT ON COLUMN reports.genetic             IS 'Genetic examination: only the responsible doctor releases it (GenDG, section 11); see genetic_holds';
COMMENT ON COLUMN reports.invalidates_earlier IS 'The laboratory says that all it sent for this order before is invalid (LDT 3 field 8418 = 08)';
COMMENT ON COLUMN reports.notes               IS 'Free text of the report';
COMMENT ON COLUMN reports.unmapped            IS 'Fields that were read but have no column: shown, never dropped';
COMMENT ON COLUMN reports.not_judged          IS 'Values that a limit of the practice names and could not be held against: another unit, no number, or a bound that leaves it open';
COMMENT ON COLUMN reports.received_at         IS 'When the message became durable';
COMMENT ON COLUMN reports.confirmed_at        IS 'When the same content arrived last; decides which version is the laboratory''s last word';
COMMENT ON COLUMN reports.released_at         IS 'When a doctor released it to the patient';
COMMENT ON COLUMN reports.released_by         IS 'Who released it';
COMMENT ON COLUMN reports.release_id          IS 'Which row of report_events is this release; the worker writes to the report only as long as nothing ended that';
COMMENT ON COLUMN reports.reading             IS '1: read when the message came; from 2: the message was read again, with a later reader (labor reparse)';
COMMENT ON COLUMN reports.reread_with         IS 'Reader and version that read the message again; null: read when it came';
COMMENT ON COLUMN reports.reread_at           IS 'When the message was read again; null: read when it came. By whom is in the audit (message.reparse)';
CREATE INDEX reports_inbox      ON reports (received_at DESC, id DESC) WHERE superseded_by IS NULL;
CREATE INDEX reports_unmatched  ON reports (received_at DESC, id DESC) WHERE superseded_by IS NULL AND patient_id IS NULL;
CREATE INDEX reports_patient_id ON reports (patient_id);
CREATE INDEX reports_order_id   ON reports (order_id);
CREATE INDEX reports_order_number ON reports (order_number) WHERE order_number IS NOT NULL;
CREATE INDEX reports_released_by ON reports (released_by) WHERE released_by IS NOT NULL;
CREATE INDEX reports_superseded ON reports (superseded_by) WHERE superseded_by IS NOT NULL;

CREATE TABLE observations (
  id                uuid        PRIMARY KEY,
  report_id         uuid        NOT NULL REFERENCES reports (id),
  position          integer     NOT NULL CHECK (position >= 0),
  test_code         text        NOT NULL,
  test_name         text,
  loinc             text,
  specimen          text,
  status            text        NOT NULL CHECK (status IN ('registered', 'preliminary', 'final', 'corrected', 'cancelled', 'unknown')),
  status_code       text,
  value_text        text,
  value_comparator  text        CHECK (value_comparator IN ('<', '<=', '>', '>=')),
  value_number      numeric,
  unit              text,
  reference_text    text,
  reference_low     text,
  reference_high    text,
  reference_unit    text,
  flag              text,
  interpretation    text        CHECK (interpretation IN ('N', 'L', 'LU', 'LL', 'H', 'HU', 'HH', 'A', 'AA')),
  critical          boolean     NOT NULL DEFAULT false,
  collected_at      text,
  effective_at      timestamptz NOT NULL,
  notes             text[]      NOT NULL DEFAULT '{}',
  UNIQUE (report_id, position)
);
COMMENT ON TABLE  observations                  IS 'One value of one test in one version of a report; a test with two units has two rows';
COMMENT ON COLUMN observations.id               IS 'UUIDv7';
COMMENT ON COLUMN observations.report_id        IS 'The report version it belongs to';
COMMENT ON COLUMN observations.position         IS 'Order within the report, from 0';
COMMENT ON COLUMN observations.test_code        IS 'LDT field 8410 (or 7260/7365): the laboratory''s own code, unique only with the laboratory';
COMMENT ON COLUMN observations.test_name        IS 'LDT field 8411';
COMMENT ON COLUMN observations.loinc            IS 'LOINC code if the laboratory sent one';
COMMENT ON COLUMN observations.specimen         IS 'Material as sent (LDT 8430, else its code 8428): blood and urine of one test are two things';
COMMENT ON COLUMN observations.status           IS 'As FHIR names it, from LDT field 8418';
COMMENT ON COLUMN observations.status_code      IS 'LDT field 8418 as sent';
COMMENT ON COLUMN observations.value_text       IS 'The value exactly as sent (LDT field 8420); null: no value yet';
COMMENT ON COLUMN observations.value_comparator IS 'Comparator of a bounded value such as <0.6';
COMMENT ON COLUMN observations.value_number     IS 'The value as a number, if it is one';
COMMENT ON COLUMN observations.unit             IS 'LDT field 8421 as sent';
COMMENT ON COLUMN observations.reference_text   IS 'Reference range as text (LDT field 8460)';
COMMENT ON COLUMN observations.reference_low    IS 'Lower reference limit as sent (LDT field 8461)';
COMMENT ON COLUMN observations.reference_high   IS 'Upper reference limit as sent (LDT field 8462)';
COMMENT ON COLUMN observations.reference_unit   IS 'Unit of the limits, where the sender gave one of their own';
COMMENT ON COLUMN observations.flag             IS 'LDT field 8422 as sent';
COMMENT ON COLUMN observations.interpretation   IS 'HL7 ObservationInterpretation; ++ is HU, only !H is HH (critical)';
COMMENT ON COLUMN observations.critical         IS 'Marked life-threatening by the laboratory';
COMMENT ON COLUMN observations.collected_at     IS 'Time of collection as sent, ISO 8601 with the precision given';
COMMENT ON COLUMN observations.effective_at     IS 'For ordering a trend: collection if known, else report date, else receipt';
COMMENT ON COLUMN observations.notes            IS 'Free text of the result';

CREATE TABLE documents (
  id             uuid        PRIMARY KEY,
  report_id      uuid        NOT NULL REFERENCES reports (id),
  raw_message_id uuid        NOT NULL REFERENCES raw_messages (id),
  position       integer     NOT NULL CHECK (position >= 0),
  media_type     text        NOT NULL,
  sha256         bytea       NOT NULL CHECK (octet_length(sha256) = 32),
  size_bytes     bigint      NOT NULL CHECK (size_bytes >= 0),
  scan_state     text        NOT NULL DEFAULT 'not_scanned' CHECK (scan_state IN ('not_scanned', 'clean', 'infected')),
  created_at     timestamptz NOT NULL DEFAULT now(),
  UNIQUE (report_id, position)
);
COMMENT ON TABLE  documents                IS 'Attachments of reports; the bytes are in the raw message and are not served before a virus scan';
COMMENT ON COLUMN documents.id             IS 'UUIDv7';
COMMENT ON COLUMN documents.report_id      IS 'The report it is attached to';
COMMENT ON COLUMN documents.raw_message_id IS 'The message that holds its bytes';
COMMENT ON COLUMN documents.position       IS 'Order within the report, from 0';
COMMENT ON COLUMN documents.media_type     IS 'Media type as derived from the sender''s declaration';
COMMENT ON COLUMN documents.sha256         IS 'SHA-256 of the decoded bytes';
COMMENT ON COLUMN documents.size_bytes     IS 'Length of the decoded bytes';
COMMENT ON COLUMN documents.scan_state     IS 'Only clean documents may be opened';
COMMENT ON COLUMN documents.created_at     IS 'When the row was written';
CREATE INDEX documents_raw_message_id ON documents (raw_message_id);

CREATE TABLE audit (
  id          uuid        PRIMARY KEY,
  at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor       text        NOT NULL DEFAULT guard.claim_subject(),
  actor_role  text        NOT NULL DEFAULT guard.claim_role(),
  action      text        NOT NULL,
  object_kind text        NOT NULL,
  object_id   uuid,
  outcome     text        NOT NULL CHECK (outcome IN ('success', 'refused', 'not_found')),
  request_id  uuid
);
COMMENT ON TABLE  audit             IS 'Who did what to which record, written in the same transaction; rows are only ever added';
COMMENT ON COLUMN audit.id          IS 'UUIDv7';
COMMENT ON COLUMN audit.at          IS 'Database time of the action';
COMMENT ON COLUMN audit.actor       IS 'Subject of the verified claim';
COMMENT ON COLUMN audit.actor_role  IS 'Role of the verified claim';
COMMENT ON COLUMN audit.action      IS 'Verb, such as report.read';
COMMENT ON COLUMN audit.object_kind IS 'Table the object is in';
COMMENT ON COLUMN audit.object_id   IS 'Key of the object; null for lists';
COMMENT ON COLUMN audit.outcome     IS 'What came of it';
COMMENT ON COLUMN audit.request_id  IS 'Id of the HTTP request or job, as in the logs';
CREATE INDEX audit_object ON audit (object_id) WHERE object_id IS NOT NULL;
-- What is new since the last seal (labor-backup audit seal).
CREATE INDEX audit_at ON audit (at);

CREATE TABLE matches (
  id         uuid        PRIMARY KEY,
  report_id  uuid        NOT NULL REFERENCES reports (id),
  kind       text        NOT NULL CHECK (kind IN ('matched', 'unmatched')),
  patient_id uuid        NOT NULL REFERENCES patients (id),
  score      integer     CHECK (score BETWEEN 0 AND 100),
  reasons    text[]      NOT NULL DEFAULT '{}',
  comment    text        CHECK (length(comment) BETWEEN 1 AND 1000),
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor      text        NOT NULL DEFAULT guard.claim_subject(),
  actor_role text        NOT NULL DEFAULT guard.claim_role(),
  CHECK (kind = 'matched' OR (comment IS NOT NULL AND score IS NULL AND reasons = '{}')),
  CHECK (actor_role <> 'worker' OR (kind = 'matched' AND reasons <> '{}'))
);
COMMENT ON TABLE  matches            IS 'Who was taken for whom, when and why: one version of a report was matched to a patient or taken away from one; rows are only ever added';
COMMENT ON COLUMN matches.id         IS 'UUIDv7';
COMMENT ON COLUMN matches.report_id  IS 'Which version of which report';
COMMENT ON COLUMN matches.kind       IS 'matched, or unmatched: a person said that it is not this patient';
COMMENT ON COLUMN matches.patient_id IS 'To whom it was matched, or from whom it was taken away';
COMMENT ON COLUMN matches.score      IS 'What the reasons add up to; null when a person decided or the patient was new';
COMMENT ON COLUMN matches.reasons    IS 'Codes of what agreed and what did not; empty when a person decided';
COMMENT ON COLUMN matches.comment    IS 'What the person noted; why, when it was taken away';
COMMENT ON COLUMN matches.at         IS 'Database time';
COMMENT ON COLUMN matches.actor      IS 'Subject of the verified claim';
COMMENT ON COLUMN matches.actor_role IS 'Role of the verified claim; worker: it was matched automatically';
CREATE INDEX matches_report_id  ON matches (report_id);
CREATE INDEX matches_patient_id ON matches (patient_id);

CREATE TABLE notices (
  id          uuid        PRIMARY KEY,
  recipient   text        NOT NULL,
  report_id   uuid        NOT NULL REFERENCES reports (id),
  kind        text        NOT NULL CHECK (kind IN ('corrected', 'invalidated', 'unmatched')),
  replaced_by uuid        REFERENCES reports (id),
  match_id    uuid        REFERENCES matches (id),
  written_at  timestamptz NOT NULL DEFAULT now(),
  CHECK ((kind = 'unmatched') = (replaced_by IS NULL)),
  CHECK ((kind = 'unmatched') = (match_id IS NOT NULL)),
  UNIQUE NULLS NOT DISTINCT (recipient, report_id, kind, replaced_by, match_id)
);
COMMENT ON TABLE  notices             IS 'What somebody has to be told because they saw a value that does not count any more, or that was somebody else''s; rows are only ever added';
COMMENT ON COLUMN notices.id          IS 'UUIDv7';
COMMENT ON COLUMN notices.recipient   IS 'Subject of the claims of whoever saw it: a user''s id';
COMMENT ON COLUMN notices.report_id   IS 'The version that was seen';
COMMENT ON COLUMN notices.kind        IS 'corrected: a value is another now, or gone; invalidated: the laboratory says that nothing of it counts; unmatched: it was assigned to the wrong patient';
COMMENT ON COLUMN notices.replaced_by IS 'The version that came instead; null: none did, it was unmatched';
COMMENT ON COLUMN notices.match_id    IS 'The row that took it away from the patient; null: it was not unmatched';
COMMENT ON COLUMN notices.written_at  IS 'When it was written';
CREATE INDEX notices_report_id   ON notices (report_id);
CREATE INDEX notices_replaced_by ON notices (replaced_by);
CREATE INDEX notices_match_id    ON notices (match_id) WHERE match_id IS NOT NULL;

CREATE TABLE report_events (
  id           uuid        PRIMARY KEY,
  report_id    uuid        NOT NULL REFERENCES reports (id),
  kind         text        NOT NULL CHECK (kind IN ('seen', 'acknowledged', 'told', 'released', 'withdrawn')),
  at           timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor        text        NOT NULL DEFAULT guard.claim_subject(),
  actor_role   text        NOT NULL DEFAULT guard.claim_role(),
  on_behalf_of uuid        REFERENCES users (id),
  comment      text        CHECK (length(comment) BETWEEN 1 AND 1000),
  notice_id    uuid        REFERENCES notices (id),
  patient_id   uuid        REFERENCES patients (id),
  ends         uuid        REFERENCES report_events (id),
  CHECK ((kind = 'told') = (notice_id IS NOT NULL)),
  CHECK (kind NOT IN ('acknowledged', 'released') OR actor_role = 'doctor'),
  CHECK (kind <> 'withdrawn' OR actor_role IN ('doctor', 'admin', 'worker')),
  CHECK (actor_role <> 'worker' OR kind = 'withdrawn'),
  CHECK (kind IN ('released', 'withdrawn') OR ends IS NULL),
  CHECK (kind = 'acknowledged' OR (on_behalf_of IS NULL AND comment IS NULL)),
  CHECK ((kind = 'released') = (patient_id IS NOT NULL))
);
COMMENT ON TABLE  report_events              IS 'What people did with one version of a report, and which releases the worker took back; rows are only ever added';
COMMENT ON COLUMN report_events.id           IS 'UUIDv7';
COMMENT ON COLUMN report_events.report_id    IS 'Which version of which report';
COMMENT ON COLUMN report_events.kind         IS 'seen: its values were shown to this person for the first time; acknowledged: a doctor has taken note of it; told: this person has read a notice about it; released, withdrawn: to and from the patient, each time';
COMMENT ON COLUMN report_events.at           IS 'Database time';
COMMENT ON COLUMN report_events.actor        IS 'Subject of the verified claim';
COMMENT ON COLUMN report_events.actor_role   IS 'Role of the verified claim';
COMMENT ON COLUMN report_events.on_behalf_of IS 'The colleague for whom it was acknowledged';
COMMENT ON COLUMN report_events.comment      IS 'What the doctor noted';
COMMENT ON COLUMN report_events.notice_id    IS 'Which notice was read';
COMMENT ON COLUMN report_events.patient_id   IS 'For kind released: to whom';
COMMENT ON COLUMN report_events.ends         IS 'For kinds released and withdrawn: the release that is over with it';
-- Each is said once, but what was released may be withdrawn and released again: the last of both counts.
CREATE UNIQUE INDEX report_events_once  ON report_events (report_id, kind, actor, on_behalf_of, notice_id, (CASE WHEN kind IN ('released', 'withdrawn') THEN id END)) NULLS NOT DISTINCT;
CREATE INDEX report_events_patient_id   ON report_events (patient_id) WHERE patient_id IS NOT NULL;
CREATE INDEX report_events_on_behalf_of ON report_events (on_behalf_of) WHERE on_behalf_of IS NOT NULL;
CREATE INDEX report_events_notice_id    ON report_events (notice_id) WHERE notice_id IS NOT NULL;
CREATE INDEX report_events_ends         ON report_events (ends) WHERE ends IS NOT NULL;

CREATE TABLE genetic_holds (
  id         uuid        PRIMARY KEY,
  report_id  uuid        NOT NULL REFERENCES reports (id),
  lanr       text        CHECK (lanr ~ '^[0-9]{9}$'),
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor      text        NOT NULL DEFAULT guard.claim_subject(),
  actor_role text        NOT NULL DEFAULT guard.claim_role(),
  CHECK (actor_role = 'worker' OR lanr IS NOT NULL)
);
COMMENT ON TABLE  genetic_holds            IS 'Which reports are genetic examinations, and who alone may release each (GenDG, section 11); rows are only ever added';
COMMENT ON COLUMN genetic_holds.id         IS 'UUIDv7';
COMMENT ON COLUMN genetic_holds.report_id  IS 'The version that is held';
COMMENT ON COLUMN genetic_holds.lanr       IS 'Number of the responsible doctor: as sent (LDT 8615, 0212; HL7 OBR-16), else as an admin named it; null: not sent';
COMMENT ON COLUMN genetic_holds.at         IS 'Database time';
COMMENT ON COLUMN genetic_holds.actor      IS 'Subject of the verified claim';
COMMENT ON COLUMN genetic_holds.actor_role IS 'worker: as the laboratory sent it; admin: named in the practice';
CREATE INDEX        genetic_holds_report_id ON genetic_holds (report_id);
-- There is one responsible doctor, and nobody puts another in the place.
CREATE UNIQUE INDEX genetic_holds_doctor    ON genetic_holds (report_id) WHERE lanr IS NOT NULL;

CREATE TABLE critical_limits (
  id             uuid        PRIMARY KEY,
  laboratory     text        CHECK (length(laboratory) BETWEEN 1 AND 250),
  test_code      text        NOT NULL CHECK (length(test_code) BETWEEN 1 AND 100),
  unit           text        NOT NULL CHECK (length(unit) <= 60),
  sex            text        CHECK (sex IN ('male', 'female', 'other')),
  age_from_years integer     CHECK (age_from_years BETWEEN 0 AND 150),
  age_to_years   integer     CHECK (age_to_years BETWEEN 0 AND 150),
  tier           text        NOT NULL CHECK (tier IN ('emergency', 'phone', 'check')),
  low            numeric     CHECK (low > -1e15 AND low < 1e15 AND scale(low) <= 15),
  high           numeric     CHECK (high > -1e15 AND high < 1e15 AND scale(high) <= 15),
  delta_percent  numeric     CHECK (delta_percent > 0 AND delta_percent < 1e15 AND scale(delta_percent) <= 15),
  delta_days     integer     CHECK (delta_days BETWEEN 1 AND 3650),
  created_at     timestamptz NOT NULL DEFAULT now(),
  created_by     text        NOT NULL DEFAULT guard.claim_subject(),
  ended_at       timestamptz,
  ended_by       text,
  CHECK (age_from_years <= age_to_years),
  CHECK (low < high),
  CHECK ((tier = 'check') = (delta_percent IS NOT NULL)),
  CHECK ((delta_percent IS NULL) = (delta_days IS NULL)),
  CHECK ((tier = 'check') = (low IS NULL AND high IS NULL)),
  CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
COMMENT ON TABLE  critical_limits                IS 'The practice''s own limits beyond which somebody is alerted; a limit is never changed, it ends and another begins';
COMMENT ON COLUMN critical_limits.id             IS 'UUIDv7';
COMMENT ON COLUMN critical_limits.laboratory     IS 'For whose values, as in reports.laboratory; null: any';
COMMENT ON COLUMN critical_limits.test_code      IS 'As in observations.test_code';
COMMENT ON COLUMN critical_limits.unit           IS 'Only values in exactly this unit are judged; empty: the laboratory sends none';
COMMENT ON COLUMN critical_limits.sex            IS 'For whom; null: everybody. A patient whose sex is not known is meant too';
COMMENT ON COLUMN critical_limits.age_from_years IS 'From this age on, in completed years at collection. A patient whose age is not known is meant too';
COMMENT ON COLUMN critical_limits.age_to_years   IS 'Up to and including this age';
COMMENT ON COLUMN critical_limits.tier           IS 'emergency: at once, also at night; phone: the same day; check: an unlikely change, may be dismissed';
COMMENT ON COLUMN critical_limits.low            IS 'Critical at or below it';
COMMENT ON COLUMN critical_limits.high           IS 'Critical at or above it';
COMMENT ON COLUMN critical_limits.delta_percent  IS 'For tier check: changed by at least so much against the value before';
COMMENT ON COLUMN critical_limits.delta_days     IS 'How old the value before may be';
COMMENT ON COLUMN critical_limits.created_at     IS 'Valid from then on';
COMMENT ON COLUMN critical_limits.created_by     IS 'Subject of the claim of whoever set it';
COMMENT ON COLUMN critical_limits.ended_at       IS 'Valid until then; null: still';
COMMENT ON COLUMN critical_limits.ended_by       IS 'Subject of the claim of whoever ended it';
CREATE INDEX critical_limits_test ON critical_limits (test_code) WHERE ended_at IS NULL;

CREATE TABLE alert_steps (
  id         uuid        PRIMARY KEY,
  tier       text        NOT NULL CHECK (tier IN ('emergency', 'phone', 'check')),
  step       integer     NOT NULL CHECK (step BETWEEN 1 AND 20),
  user_id    uuid        NOT NULL REFERENCES users (id),
  deputy_id  uuid        REFERENCES users (id),
  seconds    integer     NOT NULL CHECK (seconds BETWEEN 1 AND 604800),
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text        NOT NULL DEFAULT guard.claim_subject(),
  ended_at   timestamptz,
  ended_by   text,
  CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
COMMENT ON TABLE  alert_steps            IS 'The ladder: who is asked to see to an alert, one after the other; replaced as a whole';
COMMENT ON COLUMN alert_steps.id         IS 'UUIDv7';
COMMENT ON COLUMN alert_steps.tier       IS 'For which alerts';
COMMENT ON COLUMN alert_steps.step       IS 'From 1';
COMMENT ON COLUMN alert_steps.user_id    IS 'Whose turn it is';
COMMENT ON COLUMN alert_steps.deputy_id  IS 'Whose turn it is if that user can''t sign in any more';
COMMENT ON COLUMN alert_steps.seconds    IS 'After so long without an end the next step takes over';
COMMENT ON COLUMN alert_steps.created_at IS 'Valid from then on';
COMMENT ON COLUMN alert_steps.created_by IS 'Subject of the claim of whoever set it';
COMMENT ON COLUMN alert_steps.ended_at   IS 'Valid until then; null: still';
COMMENT ON COLUMN alert_steps.ended_by   IS 'Subject of the claim of whoever replaced it';
CREATE UNIQUE INDEX alert_steps_ladder    ON alert_steps (tier, step) WHERE ended_at IS NULL;
CREATE INDEX        alert_steps_user_id   ON alert_steps (user_id);
CREATE INDEX        alert_steps_deputy_id ON alert_steps (deputy_id) WHERE deputy_id IS NOT NULL;

CREATE TABLE alerts (
  id             uuid        PRIMARY KEY,
  report_id      uuid        NOT NULL REFERENCES reports (id),
  observation_id uuid        REFERENCES observations (id),
  tier           text        NOT NULL CHECK (tier IN ('emergency', 'phone', 'check')),
  cause          text        NOT NULL CHECK (cause IN ('laboratory', 'limit', 'delta')),
  limit_id       uuid        REFERENCES critical_limits (id),
  test_code      text,
  test_name      text,
  specimen       text,
  collected_at   text,
  value_text     text,
  unit           text,
  former_value   text,
  former_at      timestamptz,
  raised_at      timestamptz NOT NULL DEFAULT now(),
  due_at         timestamptz NOT NULL,
  UNIQUE (id, tier),
  CHECK ((cause = 'laboratory') = (limit_id IS NULL)),
  CHECK ((cause = 'delta') = (tier = 'check')),
  CHECK ((observation_id IS NULL) = (test_code IS NULL))
);
COMMENT ON TABLE  alerts                IS 'A value, or a whole report, that somebody has to be told of and to confirm; what it was raised for stays as it was; rows are only ever added';
COMMENT ON COLUMN alerts.id             IS 'UUIDv7';
COMMENT ON COLUMN alerts.report_id      IS 'The version that it was raised for';
COMMENT ON COLUMN alerts.observation_id IS 'The value; null: the report as a whole';
COMMENT ON COLUMN alerts.tier           IS 'emergency: at once, also at night; phone: the same day; check: may be dismissed with a comment';
COMMENT ON COLUMN alerts.cause          IS 'laboratory: it said so itself; limit: beyond a limit of the practice; delta: changed much against the value before';
COMMENT ON COLUMN alerts.limit_id       IS 'Which limit';
COMMENT ON COLUMN alerts.test_code      IS 'As in observations, at that time';
COMMENT ON COLUMN alerts.test_name      IS 'As in observations, at that time';
COMMENT ON COLUMN alerts.specimen       IS 'As in observations, at that time';
COMMENT ON COLUMN alerts.collected_at   IS 'As in observations, at that time: as sent';
COMMENT ON COLUMN alerts.value_text     IS 'As in observations, at that time';
COMMENT ON COLUMN alerts.unit           IS 'As in observations, at that time';
COMMENT ON COLUMN alerts.former_value   IS 'For cause delta: the value before';
COMMENT ON COLUMN alerts.former_at      IS 'For cause delta: when that was';
COMMENT ON COLUMN alerts.raised_at      IS 'When it was raised: with the report, in one transaction';
COMMENT ON COLUMN alerts.due_at         IS 'The first time limit: confirmed until then is in time';
CREATE INDEX alerts_report_id      ON alerts (report_id);
CREATE INDEX alerts_observation_id ON alerts (observation_id) WHERE observation_id IS NOT NULL;
CREATE INDEX alerts_limit_id       ON alerts (limit_id) WHERE limit_id IS NOT NULL;
CREATE INDEX alerts_raised_at      ON alerts (raised_at);

CREATE TABLE alert_events (
  id         uuid        PRIMARY KEY,
  alert_id   uuid        NOT NULL,
  tier       text        NOT NULL,
  kind       text        NOT NULL CHECK (kind IN ('raised', 'escalated', 'unanswered', 'confirmed', 'reached_without_read_back', 'unreachable', 'dismissed', 'superseded')),
  round      integer     CHECK (round >= 1),
  step       integer     CHECK (step >= 0),
  holder     text,
  deputy     text,
  due_at     timestamptz,
  reached    text        CHECK (length(reached) BETWEEN 1 AND 200),
  read_back  text        CHECK (length(read_back) BETWEEN 1 AND 200),
  comment    text        CHECK (length(comment) BETWEEN 1 AND 1000),
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor      text        NOT NULL DEFAULT guard.claim_subject(),
  actor_role text        NOT NULL DEFAULT guard.claim_role(),
  -- A turn is the worker's to give: what people add has no part of one.
  CHECK ((kind IN ('raised', 'escalated', 'unanswered')) = (round IS NOT NULL)),
  CHECK ((round IS NULL) = (step IS NULL)),
  CHECK (round IS NOT NULL OR (holder IS NULL AND deputy IS NULL)),
  CHECK ((kind IN ('raised', 'escalated')) = (due_at IS NOT NULL)),
  CHECK ((kind IN ('raised', 'escalated', 'unanswered', 'superseded')) = (actor_role = 'worker')
         OR (kind = 'superseded' AND tier = 'check' AND actor_role IN ('doctor', 'admin'))),
  CHECK (actor_role IN ('worker', 'doctor', 'lab_technician') OR (actor_role = 'admin' AND kind = 'superseded')),
  CHECK ((kind IN ('confirmed', 'reached_without_read_back', 'unreachable')) = (reached IS NOT NULL)),
  CHECK ((kind = 'confirmed') = (read_back IS NOT NULL)),
  CHECK (kind <> 'dismissed' OR (comment IS NOT NULL AND tier = 'check')),
  FOREIGN KEY (alert_id, tier) REFERENCES alerts (id, tier),
  UNIQUE (alert_id, round)
);
COMMENT ON TABLE  alert_events            IS 'What became of an alert; it is open until it is confirmed, dismissed or superseded; rows are only ever added';
COMMENT ON COLUMN alert_events.id         IS 'UUID';
COMMENT ON COLUMN alert_events.alert_id   IS 'Which alert';
COMMENT ON COLUMN alert_events.tier       IS 'The alert''s: only an unlikely change is dismissed';
COMMENT ON COLUMN alert_events.kind       IS 'raised, escalated: it is somebody''s turn; unanswered: nobody''s any more, and still open; confirmed: read back; reached_without_read_back; unreachable; dismissed; superseded: the value counts no more, or was compared with another person''s';
COMMENT ON COLUMN alert_events.round      IS 'The how many-th turn it is, from 1';
COMMENT ON COLUMN alert_events.step       IS 'Step of the ladder; 0: everybody''s turn';
COMMENT ON COLUMN alert_events.holder     IS 'Id of the user whose turn it is; null: everybody''s';
COMMENT ON COLUMN alert_events.deputy     IS 'Id of the user whose turn it is if that one can''t sign in any more';
COMMENT ON COLUMN alert_events.due_at     IS 'Until when; then it is the next one''s turn';
COMMENT ON COLUMN alert_events.reached    IS 'Who was reached, or should have been';
COMMENT ON COLUMN alert_events.read_back  IS 'What they repeated: the value is in it';
COMMENT ON COLUMN alert_events.comment    IS 'What was noted';
COMMENT ON COLUMN alert_events.at         IS 'Database time';
COMMENT ON COLUMN alert_events.actor      IS 'Subject of the verified claim';
COMMENT ON COLUMN alert_events.actor_role IS 'Role of the verified claim';
-- People end an alert once; that its value counts no more may be said besides.
CREATE UNIQUE INDEX alert_events_ended      ON alert_events (alert_id) WHERE kind IN ('confirmed', 'dismissed');
CREATE UNIQUE INDEX alert_events_superseded ON alert_events (alert_id) WHERE kind = 'superseded';

CREATE TABLE alert_states (
  alert_id uuid        PRIMARY KEY REFERENCES alerts (id),
  ended_at timestamptz
);
COMMENT ON TABLE  alert_states          IS 'Which alerts are open, so that they are found among all that ever were; what ended one is its event';
COMMENT ON COLUMN alert_states.alert_id IS 'Which alert';
COMMENT ON COLUMN alert_states.ended_at IS 'When it was confirmed, dismissed or superseded; null: it is open';
CREATE INDEX alert_states_open ON alert_states (alert_id) WHERE ended_at IS NULL;

-- No statistics of what identifies a person: EXPLAIN estimates from them, also for rows that the row rules hide. No plan needs
-- them; what is looked up by value has an index.
ALTER TABLE patients
  ALTER COLUMN identity_key     SET STATISTICS 0,
  ALTER COLUMN patient_number   SET STATISTICS 0,
  ALTER COLUMN family_name      SET STATISTICS 0,
  ALTER COLUMN given_name       SET STATISTICS 0,
  ALTER COLUMN name_key         SET STATISTICS 0,
  ALTER COLUMN birth_date       SET STATISTICS 0,
  ALTER COLUMN birth_date_text  SET STATISTICS 0,
  ALTER COLUMN insurance_number SET STATISTICS 0;
ALTER TABLE users
  ALTER COLUMN username      SET STATISTICS 0,
  ALTER COLUMN password_hash SET STATISTICS 0,
  ALTER COLUMN display_name  SET STATISTICS 0;
ALTER TABLE doctor_numbers
  ALTER COLUMN lanr SET STATISTICS 0;
ALTER TABLE reports
  ALTER COLUMN subject_family_name SET STATISTICS 0,
  ALTER COLUMN subject_given_name  SET STATISTICS 0,
  ALTER COLUMN subject_birth_date  SET STATISTICS 0,
  ALTER COLUMN subject_birth_text  SET STATISTICS 0,
  ALTER COLUMN subject_insurance_number SET STATISTICS 0,
  ALTER COLUMN subject_patient_number   SET STATISTICS 0;
ALTER TABLE genetic_holds
  ALTER COLUMN lanr  SET STATISTICS 0,
  ALTER COLUMN actor SET STATISTICS 0;
ALTER TABLE critical_limits
  ALTER COLUMN created_by SET STATISTICS 0,
  ALTER COLUMN ended_by   SET STATISTICS 0;
ALTER TABLE alert_steps
  ALTER COLUMN created_by SET STATISTICS 0,
  ALTER COLUMN ended_by   SET STATISTICS 0;
ALTER TABLE alert_events
  ALTER COLUMN holder    SET STATISTICS 0,
  ALTER COLUMN deputy    SET STATISTICS 0,
  ALTER COLUMN reached   SET STATISTICS 0,
  ALTER COLUMN read_back SET STATISTICS 0,
  ALTER COLUMN actor     SET STATISTICS 0;
