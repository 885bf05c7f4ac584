-- What the Node contender keeps: one schema for all practices, told apart by tenant_id, as is usual with that stack. The tables hold
-- what Labor's hold for the same question: what came, and patients, reports and values. There are no row rules, no versions of reports
-- and no audit.
CREATE TABLE raw_messages (
  id           uuid        PRIMARY KEY,
  tenant_id    integer     NOT NULL,
  source_id    uuid        NOT NULL,
  sha256       bytea       NOT NULL,
  body         bytea       NOT NULL,
  state        text        NOT NULL DEFAULT 'received',
  received_at  timestamptz NOT NULL DEFAULT now(),
  processed_at timestamptz,
  UNIQUE (source_id, sha256)
);

CREATE TABLE patients (
  id          uuid    PRIMARY KEY,
  tenant_id   integer NOT NULL,
  family_name text    NOT NULL,
  given_name  text    NOT NULL,
  birth_date  text    NOT NULL,
  sex         text    NOT NULL,
  UNIQUE (tenant_id, family_name, given_name, birth_date, sex)
);

CREATE TABLE reports (
  id               uuid        PRIMARY KEY,
  tenant_id        integer     NOT NULL,
  raw_message_id   uuid        NOT NULL REFERENCES raw_messages (id),
  patient_id       uuid        NOT NULL REFERENCES patients (id),
  status           text        NOT NULL,
  laboratory_name  text        NOT NULL,
  order_number     text,
  lab_order_number text,
  reported_on      text,
  received_at      timestamptz NOT NULL
);
CREATE INDEX reports_inbox ON reports (tenant_id, received_at DESC, id DESC);
CREATE INDEX reports_patient_id ON reports (patient_id);
CREATE INDEX reports_raw_message_id ON reports (raw_message_id);

CREATE TABLE observations (
  id             uuid    PRIMARY KEY,
  tenant_id      integer NOT NULL,
  report_id      uuid    NOT NULL REFERENCES reports (id),
  patient_id     uuid    NOT NULL REFERENCES patients (id),
  position       integer NOT NULL,
  test_code      text    NOT NULL,
  test_name      text,
  value_text     text,
  unit           text,
  reference_low  text,
  reference_high text,
  flag           text,
  UNIQUE (report_id, position)
);
CREATE INDEX observations_patient_id ON observations (patient_id);

CREATE TABLE documents (
  id         uuid   PRIMARY KEY,
  report_id  uuid   NOT NULL REFERENCES reports (id),
  media_type text   NOT NULL,
  size_bytes bigint NOT NULL
);
