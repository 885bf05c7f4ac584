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
  created_at       timestamptz NOT NULL DEFAULT now()
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
  CHECK ((state IN ('quarantined', 'failed')) = (reason IS NOT NULL))
);
COMMENT ON TABLE  raw_messages                   IS 'What laboratories sent, byte for byte';
COMMENT ON COLUMN raw_messages.id                IS 'UUIDv7; the message_id that the sender is told';
COMMENT ON COLUMN raw_messages.source_id         IS 'control.sources.id of the sender';
COMMENT ON COLUMN raw_messages.sender_message_id IS 'X-Message-Id of the request, if any';
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
CREATE INDEX raw_messages_open ON raw_messages (received_at) WHERE state <> 'processed';

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
  received_at         timestamptz NOT NULL,
  confirmed_at        timestamptz NOT NULL,
  released_at         timestamptz,
  UNIQUE (raw_message_id, record_index),
  UNIQUE (report_key, version),
  CHECK (NOT (genetic AND released_at IS NOT NULL))
);
COMMENT ON TABLE  reports                     IS 'One version of one laboratory report; versions with the same report_key form a chain';
COMMENT ON COLUMN reports.id                  IS 'UUIDv7';
COMMENT ON COLUMN reports.raw_message_id      IS 'The message it came in';
COMMENT ON COLUMN reports.record_index        IS 'Which record of that message, from 0; with raw_message_id what makes processing idempotent';
COMMENT ON COLUMN reports.order_id            IS 'The order it answers';
COMMENT ON COLUMN reports.patient_id          IS 'Whom it is about; null: not matched, never shown to a patient';
COMMENT ON COLUMN reports.report_key          IS 'SHA-256 of the source, laboratory, record type, order or report number and the person it is about: the same for all versions';
COMMENT ON COLUMN reports.version             IS 'From 1; a correction or a later partial report is the next version';
COMMENT ON COLUMN reports.superseded_by       IS 'The next version; null: this is the current one';
COMMENT ON COLUMN reports.content_sha256      IS 'SHA-256 of the record''s medical content: an unchanged resend makes no new version';
COMMENT ON COLUMN reports.kind                IS 'LDT record type (8201, 8202, 8203, 8204, 8205)';
COMMENT ON COLUMN reports.status              IS 'State of the whole report';
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
COMMENT ON COLUMN reports.genetic             IS 'Genetic examination: GenDG forbids release without the responsible physician';
COMMENT ON COLUMN reports.invalidates_earlier IS 'The laboratory says that all it sent for this order before is invalid (LDT 3 field 8418 = 08)';
COMMENT ON COLUMN reports.notes               IS 'Free text of the report';
COMMENT ON COLUMN reports.unmapped            IS 'Fields that were read but have no column: shown, never dropped';
COMMENT ON COLUMN reports.received_at         IS 'When the message became durable';
COMMENT ON COLUMN reports.confirmed_at        IS 'When the same content arrived last; decides which version is the laboratory''s last word';
COMMENT ON COLUMN reports.released_at         IS 'When a doctor released it to the patient';
CREATE INDEX reports_inbox      ON reports (received_at DESC, id DESC) WHERE superseded_by IS NULL;
CREATE INDEX reports_unmatched  ON reports (received_at DESC, id DESC) WHERE superseded_by IS NULL AND patient_id IS NULL;
CREATE INDEX reports_patient_id ON reports (patient_id);
CREATE INDEX reports_order_id   ON reports (order_id);
CREATE INDEX reports_order_number ON reports (order_number) WHERE order_number IS NOT NULL;
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
  kind         text        NOT NULL CHECK (kind IN ('seen', 'acknowledged', 'told')),
  at           timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor        text        NOT NULL DEFAULT guard.claim_subject(),
  actor_role   text        NOT NULL DEFAULT guard.claim_role(),
  on_behalf_of uuid        REFERENCES users (id),
  comment      text        CHECK (length(comment) BETWEEN 1 AND 1000),
  notice_id    uuid        REFERENCES notices (id),
  CHECK ((kind = 'told') = (notice_id IS NOT NULL)),
  CHECK (kind <> 'acknowledged' OR actor_role = 'doctor'),
  CHECK (kind = 'acknowledged' OR (on_behalf_of IS NULL AND comment IS NULL)),
  UNIQUE NULLS NOT DISTINCT (report_id, kind, actor, on_behalf_of, notice_id)
);
COMMENT ON TABLE  report_events              IS 'What people did with one version of a report; rows are only ever added';
COMMENT ON COLUMN report_events.id           IS 'UUIDv7';
COMMENT ON COLUMN report_events.report_id    IS 'Which version of which report';
COMMENT ON COLUMN report_events.kind         IS 'seen: its values were shown to this person for the first time; acknowledged: a doctor has taken note of it; told: this person has read a notice about it';
COMMENT ON COLUMN report_events.at           IS 'Database time';
COMMENT ON COLUMN report_events.actor        IS 'Subject of the verified claim';
COMMENT ON COLUMN report_events.actor_role   IS 'Role of the verified claim';
COMMENT ON COLUMN report_events.on_behalf_of IS 'The colleague for whom it was acknowledged';
COMMENT ON COLUMN report_events.comment      IS 'What the doctor noted';
COMMENT ON COLUMN report_events.notice_id    IS 'Which notice was read';
CREATE INDEX report_events_on_behalf_of ON report_events (on_behalf_of) WHERE on_behalf_of IS NOT NULL;
CREATE INDEX report_events_notice_id    ON report_events (notice_id) WHERE notice_id IS NOT NULL;

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
ALTER TABLE reports
  ALTER COLUMN subject_family_name SET STATISTICS 0,
  ALTER COLUMN subject_given_name  SET STATISTICS 0,
  ALTER COLUMN subject_birth_date  SET STATISTICS 0,
  ALTER COLUMN subject_birth_text  SET STATISTICS 0,
  ALTER COLUMN subject_insurance_number SET STATISTICS 0,
  ALTER COLUMN subject_patient_number   SET STATISTICS 0;
