
CREATE SCHEMA example;

ALTER SCHEMA example OWNER TO labor_owner;

CREATE TABLE example.alert_events (
    id uuid NOT NULL,
    alert_id uuid NOT NULL,
    tier text NOT NULL,
    kind text NOT NULL,
    round integer,
    step integer,
    holder text,
    deputy text,
    due_at timestamp with time zone,
    reached text,
    read_back text,
    comment text,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text DEFAULT guard.claim_subject() NOT NULL,
    actor_role text DEFAULT guard.claim_role() NOT NULL,
    CONSTRAINT alert_events_check CHECK (((kind = ANY (ARRAY['raised'::text, 'escalated'::text, 'unanswered'::text])) = (round IS NOT NULL))),
    CONSTRAINT alert_events_check1 CHECK (((round IS NULL) = (step IS NULL))),
    CONSTRAINT alert_events_check2 CHECK (((round IS NOT NULL) OR ((holder IS NULL) AND (deputy IS NULL)))),
    CONSTRAINT alert_events_check3 CHECK (((kind = ANY (ARRAY['raised'::text, 'escalated'::text])) = (due_at IS NOT NULL))),
    CONSTRAINT alert_events_check4 CHECK ((((kind = ANY (ARRAY['raised'::text, 'escalated'::text, 'unanswered'::text, 'superseded'::text])) = (actor_role = 'worker'::text)) OR ((kind = 'superseded'::text) AND (tier = 'check'::text) AND (actor_role = ANY (ARRAY['doctor'::text, 'admin'::text]))))),
    CONSTRAINT alert_events_check5 CHECK (((actor_role = ANY (ARRAY['worker'::text, 'doctor'::text, 'lab_technician'::text])) OR ((actor_role = 'admin'::text) AND (kind = 'superseded'::text)))),
    CONSTRAINT alert_events_check6 CHECK (((kind = ANY (ARRAY['confirmed'::text, 'reached_without_read_back'::text, 'unreachable'::text])) = (reached IS NOT NULL))),
    CONSTRAINT alert_events_check7 CHECK (((kind = 'confirmed'::text) = (read_back IS NOT NULL))),
    CONSTRAINT alert_events_check8 CHECK (((kind <> 'dismissed'::text) OR ((comment IS NOT NULL) AND (tier = 'check'::text)))),
    CONSTRAINT alert_events_comment_check CHECK (((length(comment) >= 1) AND (length(comment) <= 1000))),
    CONSTRAINT alert_events_kind_check CHECK ((kind = ANY (ARRAY['raised'::text, 'escalated'::text, 'unanswered'::text, 'confirmed'::text, 'reached_without_read_back'::text, 'unreachable'::text, 'dismissed'::text, 'superseded'::text]))),
    CONSTRAINT alert_events_reached_check CHECK (((length(reached) >= 1) AND (length(reached) <= 200))),
    CONSTRAINT alert_events_read_back_check CHECK (((length(read_back) >= 1) AND (length(read_back) <= 200))),
    CONSTRAINT alert_events_round_check CHECK ((round >= 1)),
    CONSTRAINT alert_events_step_check CHECK ((step >= 0))
);
ALTER TABLE ONLY example.alert_events ALTER COLUMN holder SET STATISTICS 0;
ALTER TABLE ONLY example.alert_events ALTER COLUMN deputy SET STATISTICS 0;
ALTER TABLE ONLY example.alert_events ALTER COLUMN reached SET STATISTICS 0;
ALTER TABLE ONLY example.alert_events ALTER COLUMN read_back SET STATISTICS 0;
ALTER TABLE ONLY example.alert_events ALTER COLUMN actor SET STATISTICS 0;

ALTER TABLE ONLY example.alert_events FORCE ROW LEVEL SECURITY;

ALTER TABLE example.alert_events OWNER TO labor_owner;

COMMENT ON TABLE example.alert_events IS 'What became of an alert; it is open until it is confirmed, dismissed or superseded; rows are only ever added';

COMMENT ON COLUMN example.alert_events.id IS 'UUID';

COMMENT ON COLUMN example.alert_events.alert_id IS 'Which alert';

COMMENT ON COLUMN example.alert_events.tier IS 'The alert''s: only an unlikely change is dismissed';

COMMENT ON COLUMN example.alert_events.kind IS 'raised, escalated: it is somebody''s turn; unanswered: nobody''s any more, and still open; confirmed: read back; reached_without_read_back; unreachable; dismissed; superseded: the value counts no more, or was compared with another person''s';

COMMENT ON COLUMN example.alert_events.round IS 'The how many-th turn it is, from 1';

COMMENT ON COLUMN example.alert_events.step IS 'Step of the ladder; 0: everybody''s turn';

COMMENT ON COLUMN example.alert_events.holder IS 'Id of the user whose turn it is; null: everybody''s';

COMMENT ON COLUMN example.alert_events.deputy IS 'Id of the user whose turn it is if that one can''t sign in any more';

COMMENT ON COLUMN example.alert_events.due_at IS 'Until when; then it is the next one''s turn';

COMMENT ON COLUMN example.alert_events.reached IS 'Who was reached, or should have been';

COMMENT ON COLUMN example.alert_events.read_back IS 'What they repeated: the value is in it';

COMMENT ON COLUMN example.alert_events.comment IS 'What was noted';

COMMENT ON COLUMN example.alert_events.at IS 'Database time';

COMMENT ON COLUMN example.alert_events.actor IS 'Subject of the verified claim';

COMMENT ON COLUMN example.alert_events.actor_role IS 'Role of the verified claim';

CREATE TABLE example.alert_states (
    alert_id uuid NOT NULL,
    ended_at timestamp with time zone
);

ALTER TABLE ONLY example.alert_states FORCE ROW LEVEL SECURITY;

ALTER TABLE example.alert_states OWNER TO labor_owner;

COMMENT ON TABLE example.alert_states IS 'Which alerts are open, so that they are found among all that ever were; what ended one is its event';

COMMENT ON COLUMN example.alert_states.alert_id IS 'Which alert';

COMMENT ON COLUMN example.alert_states.ended_at IS 'When it was confirmed, dismissed or superseded; null: it is open';

CREATE TABLE example.alert_steps (
    id uuid NOT NULL,
    tier text NOT NULL,
    step integer NOT NULL,
    user_id uuid NOT NULL,
    deputy_id uuid,
    seconds integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text DEFAULT guard.claim_subject() NOT NULL,
    ended_at timestamp with time zone,
    ended_by text,
    CONSTRAINT alert_steps_check CHECK (((ended_at IS NULL) = (ended_by IS NULL))),
    CONSTRAINT alert_steps_seconds_check CHECK (((seconds >= 1) AND (seconds <= 604800))),
    CONSTRAINT alert_steps_step_check CHECK (((step >= 1) AND (step <= 20))),
    CONSTRAINT alert_steps_tier_check CHECK ((tier = ANY (ARRAY['emergency'::text, 'phone'::text, 'check'::text])))
);
ALTER TABLE ONLY example.alert_steps ALTER COLUMN created_by SET STATISTICS 0;
ALTER TABLE ONLY example.alert_steps ALTER COLUMN ended_by SET STATISTICS 0;

ALTER TABLE ONLY example.alert_steps FORCE ROW LEVEL SECURITY;

ALTER TABLE example.alert_steps OWNER TO labor_owner;

COMMENT ON TABLE example.alert_steps IS 'The ladder: who is asked to see to an alert, one after the other; replaced as a whole';

COMMENT ON COLUMN example.alert_steps.id IS 'UUIDv7';

COMMENT ON COLUMN example.alert_steps.tier IS 'For which alerts';

COMMENT ON COLUMN example.alert_steps.step IS 'From 1';

COMMENT ON COLUMN example.alert_steps.user_id IS 'Whose turn it is';

COMMENT ON COLUMN example.alert_steps.deputy_id IS 'Whose turn it is if that user can''t sign in any more';

COMMENT ON COLUMN example.alert_steps.seconds IS 'After so long without an end the next step takes over';

COMMENT ON COLUMN example.alert_steps.created_at IS 'Valid from then on';

COMMENT ON COLUMN example.alert_steps.created_by IS 'Subject of the claim of whoever set it';

COMMENT ON COLUMN example.alert_steps.ended_at IS 'Valid until then; null: still';

COMMENT ON COLUMN example.alert_steps.ended_by IS 'Subject of the claim of whoever replaced it';

CREATE TABLE example.alerts (
    id uuid NOT NULL,
    report_id uuid NOT NULL,
    observation_id uuid,
    tier text NOT NULL,
    cause text NOT NULL,
    limit_id uuid,
    test_code text,
    test_name text,
    specimen text,
    collected_at text,
    value_text text,
    unit text,
    former_value text,
    former_at timestamp with time zone,
    raised_at timestamp with time zone DEFAULT now() NOT NULL,
    due_at timestamp with time zone NOT NULL,
    CONSTRAINT alerts_cause_check CHECK ((cause = ANY (ARRAY['laboratory'::text, 'limit'::text, 'delta'::text]))),
    CONSTRAINT alerts_check CHECK (((cause = 'laboratory'::text) = (limit_id IS NULL))),
    CONSTRAINT alerts_check1 CHECK (((cause = 'delta'::text) = (tier = 'check'::text))),
    CONSTRAINT alerts_check2 CHECK (((observation_id IS NULL) = (test_code IS NULL))),
    CONSTRAINT alerts_tier_check CHECK ((tier = ANY (ARRAY['emergency'::text, 'phone'::text, 'check'::text])))
);

ALTER TABLE ONLY example.alerts FORCE ROW LEVEL SECURITY;

ALTER TABLE example.alerts OWNER TO labor_owner;

COMMENT ON TABLE example.alerts IS 'A value, or a whole report, that somebody has to be told of and to confirm; what it was raised for stays as it was; rows are only ever added';

COMMENT ON COLUMN example.alerts.id IS 'UUIDv7';

COMMENT ON COLUMN example.alerts.report_id IS 'The version that it was raised for';

COMMENT ON COLUMN example.alerts.observation_id IS 'The value; null: the report as a whole';

COMMENT ON COLUMN example.alerts.tier IS 'emergency: at once, also at night; phone: the same day; check: may be dismissed with a comment';

COMMENT ON COLUMN example.alerts.cause IS 'laboratory: it said so itself; limit: beyond a limit of the practice; delta: changed much against the value before';

COMMENT ON COLUMN example.alerts.limit_id IS 'Which limit';

COMMENT ON COLUMN example.alerts.test_code IS 'As in observations, at that time';

COMMENT ON COLUMN example.alerts.test_name IS 'As in observations, at that time';

COMMENT ON COLUMN example.alerts.specimen IS 'As in observations, at that time';

COMMENT ON COLUMN example.alerts.collected_at IS 'As in observations, at that time: as sent';

COMMENT ON COLUMN example.alerts.value_text IS 'As in observations, at that time';

COMMENT ON COLUMN example.alerts.unit IS 'As in observations, at that time';

COMMENT ON COLUMN example.alerts.former_value IS 'For cause delta: the value before';

COMMENT ON COLUMN example.alerts.former_at IS 'For cause delta: when that was';

COMMENT ON COLUMN example.alerts.raised_at IS 'When it was raised: with the report, in one transaction';

COMMENT ON COLUMN example.alerts.due_at IS 'The first time limit: confirmed until then is in time';

CREATE TABLE example.audit (
    id uuid NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text DEFAULT guard.claim_subject() NOT NULL,
    actor_role text DEFAULT guard.claim_role() NOT NULL,
    action text NOT NULL,
    object_kind text NOT NULL,
    object_id uuid,
    outcome text NOT NULL,
    request_id uuid,
    CONSTRAINT audit_outcome_check CHECK ((outcome = ANY (ARRAY['success'::text, 'refused'::text, 'not_found'::text])))
);

ALTER TABLE ONLY example.audit FORCE ROW LEVEL SECURITY;

ALTER TABLE example.audit OWNER TO labor_owner;

COMMENT ON TABLE example.audit IS 'Who did what to which record, written in the same transaction; rows are only ever added';

COMMENT ON COLUMN example.audit.id IS 'UUIDv7';

COMMENT ON COLUMN example.audit.at IS 'Database time of the action';

COMMENT ON COLUMN example.audit.actor IS 'Subject of the verified claim';

COMMENT ON COLUMN example.audit.actor_role IS 'Role of the verified claim';

COMMENT ON COLUMN example.audit.action IS 'Verb, such as report.read';

COMMENT ON COLUMN example.audit.object_kind IS 'Table the object is in';

COMMENT ON COLUMN example.audit.object_id IS 'Key of the object; null for lists';

COMMENT ON COLUMN example.audit.outcome IS 'What came of it';

COMMENT ON COLUMN example.audit.request_id IS 'Id of the HTTP request or job, as in the logs';

CREATE TABLE example.critical_limits (
    id uuid NOT NULL,
    laboratory text,
    test_code text NOT NULL,
    unit text NOT NULL,
    sex text,
    age_from_years integer,
    age_to_years integer,
    tier text NOT NULL,
    low numeric,
    high numeric,
    delta_percent numeric,
    delta_days integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by text DEFAULT guard.claim_subject() NOT NULL,
    ended_at timestamp with time zone,
    ended_by text,
    CONSTRAINT critical_limits_age_from_years_check CHECK (((age_from_years >= 0) AND (age_from_years <= 150))),
    CONSTRAINT critical_limits_age_to_years_check CHECK (((age_to_years >= 0) AND (age_to_years <= 150))),
    CONSTRAINT critical_limits_check CHECK ((age_from_years <= age_to_years)),
    CONSTRAINT critical_limits_check1 CHECK ((low < high)),
    CONSTRAINT critical_limits_check2 CHECK (((tier = 'check'::text) = (delta_percent IS NOT NULL))),
    CONSTRAINT critical_limits_check3 CHECK (((delta_percent IS NULL) = (delta_days IS NULL))),
    CONSTRAINT critical_limits_check4 CHECK (((tier = 'check'::text) = ((low IS NULL) AND (high IS NULL)))),
    CONSTRAINT critical_limits_check5 CHECK (((ended_at IS NULL) = (ended_by IS NULL))),
    CONSTRAINT critical_limits_delta_days_check CHECK (((delta_days >= 1) AND (delta_days <= 3650))),
    CONSTRAINT critical_limits_delta_percent_check CHECK (((delta_percent > (0)::numeric) AND (delta_percent < '1000000000000000'::numeric) AND (scale(delta_percent) <= 15))),
    CONSTRAINT critical_limits_high_check CHECK (((high > '-1000000000000000'::numeric) AND (high < '1000000000000000'::numeric) AND (scale(high) <= 15))),
    CONSTRAINT critical_limits_laboratory_check CHECK (((length(laboratory) >= 1) AND (length(laboratory) <= 250))),
    CONSTRAINT critical_limits_low_check CHECK (((low > '-1000000000000000'::numeric) AND (low < '1000000000000000'::numeric) AND (scale(low) <= 15))),
    CONSTRAINT critical_limits_sex_check CHECK ((sex = ANY (ARRAY['male'::text, 'female'::text, 'other'::text]))),
    CONSTRAINT critical_limits_test_code_check CHECK (((length(test_code) >= 1) AND (length(test_code) <= 100))),
    CONSTRAINT critical_limits_tier_check CHECK ((tier = ANY (ARRAY['emergency'::text, 'phone'::text, 'check'::text]))),
    CONSTRAINT critical_limits_unit_check CHECK ((length(unit) <= 60))
);
ALTER TABLE ONLY example.critical_limits ALTER COLUMN created_by SET STATISTICS 0;
ALTER TABLE ONLY example.critical_limits ALTER COLUMN ended_by SET STATISTICS 0;

ALTER TABLE ONLY example.critical_limits FORCE ROW LEVEL SECURITY;

ALTER TABLE example.critical_limits OWNER TO labor_owner;

COMMENT ON TABLE example.critical_limits IS 'The practice''s own limits beyond which somebody is alerted; a limit is never changed, it ends and another begins';

COMMENT ON COLUMN example.critical_limits.id IS 'UUIDv7';

COMMENT ON COLUMN example.critical_limits.laboratory IS 'For whose values, as in reports.laboratory; null: any';

COMMENT ON COLUMN example.critical_limits.test_code IS 'As in observations.test_code';

COMMENT ON COLUMN example.critical_limits.unit IS 'Only values in exactly this unit are judged; empty: the laboratory sends none';

COMMENT ON COLUMN example.critical_limits.sex IS 'For whom; null: everybody. A patient whose sex is not known is meant too';

COMMENT ON COLUMN example.critical_limits.age_from_years IS 'From this age on, in completed years at collection. A patient whose age is not known is meant too';

COMMENT ON COLUMN example.critical_limits.age_to_years IS 'Up to and including this age';

COMMENT ON COLUMN example.critical_limits.tier IS 'emergency: at once, also at night; phone: the same day; check: an unlikely change, may be dismissed';

COMMENT ON COLUMN example.critical_limits.low IS 'Critical at or below it';

COMMENT ON COLUMN example.critical_limits.high IS 'Critical at or above it';

COMMENT ON COLUMN example.critical_limits.delta_percent IS 'For tier check: changed by at least so much against the value before';

COMMENT ON COLUMN example.critical_limits.delta_days IS 'How old the value before may be';

COMMENT ON COLUMN example.critical_limits.created_at IS 'Valid from then on';

COMMENT ON COLUMN example.critical_limits.created_by IS 'Subject of the claim of whoever set it';

COMMENT ON COLUMN example.critical_limits.ended_at IS 'Valid until then; null: still';

COMMENT ON COLUMN example.critical_limits.ended_by IS 'Subject of the claim of whoever ended it';

CREATE TABLE example.doctor_numbers (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    lanr text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT doctor_numbers_lanr_check CHECK ((lanr ~ '^[0-9]{9}$'::text))
);
ALTER TABLE ONLY example.doctor_numbers ALTER COLUMN lanr SET STATISTICS 0;

ALTER TABLE ONLY example.doctor_numbers FORCE ROW LEVEL SECURITY;

ALTER TABLE example.doctor_numbers OWNER TO labor_owner;

COMMENT ON TABLE example.doctor_numbers IS 'Which doctor has which number; set by operators alone, because whoever has it releases genetic results';

COMMENT ON COLUMN example.doctor_numbers.id IS 'UUIDv7';

COMMENT ON COLUMN example.doctor_numbers.user_id IS 'Whose';

COMMENT ON COLUMN example.doctor_numbers.lanr IS 'LANR: the genetic results of this doctor are released by this user alone';

COMMENT ON COLUMN example.doctor_numbers.started_at IS 'Valid from then on';

COMMENT ON COLUMN example.doctor_numbers.ended_at IS 'Valid until then; null: still';

CREATE TABLE example.documents (
    id uuid NOT NULL,
    report_id uuid NOT NULL,
    raw_message_id uuid NOT NULL,
    "position" integer NOT NULL,
    media_type text NOT NULL,
    sha256 bytea NOT NULL,
    size_bytes bigint NOT NULL,
    scan_state text DEFAULT 'not_scanned'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT documents_position_check CHECK (("position" >= 0)),
    CONSTRAINT documents_scan_state_check CHECK ((scan_state = ANY (ARRAY['not_scanned'::text, 'clean'::text, 'infected'::text]))),
    CONSTRAINT documents_sha256_check CHECK ((octet_length(sha256) = 32)),
    CONSTRAINT documents_size_bytes_check CHECK ((size_bytes >= 0))
);

ALTER TABLE ONLY example.documents FORCE ROW LEVEL SECURITY;

ALTER TABLE example.documents OWNER TO labor_owner;

COMMENT ON TABLE example.documents IS 'Attachments of reports; the bytes are in the raw message and are not served before a virus scan';

COMMENT ON COLUMN example.documents.id IS 'UUIDv7';

COMMENT ON COLUMN example.documents.report_id IS 'The report it is attached to';

COMMENT ON COLUMN example.documents.raw_message_id IS 'The message that holds its bytes';

COMMENT ON COLUMN example.documents."position" IS 'Order within the report, from 0';

COMMENT ON COLUMN example.documents.media_type IS 'Media type as derived from the sender''s declaration';

COMMENT ON COLUMN example.documents.sha256 IS 'SHA-256 of the decoded bytes';

COMMENT ON COLUMN example.documents.size_bytes IS 'Length of the decoded bytes';

COMMENT ON COLUMN example.documents.scan_state IS 'Only clean documents may be opened';

COMMENT ON COLUMN example.documents.created_at IS 'When the row was written';

CREATE TABLE example.genetic_holds (
    id uuid NOT NULL,
    report_id uuid NOT NULL,
    lanr text,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text DEFAULT guard.claim_subject() NOT NULL,
    actor_role text DEFAULT guard.claim_role() NOT NULL,
    CONSTRAINT genetic_holds_check CHECK (((actor_role = 'worker'::text) OR (lanr IS NOT NULL))),
    CONSTRAINT genetic_holds_lanr_check CHECK ((lanr ~ '^[0-9]{9}$'::text))
);
ALTER TABLE ONLY example.genetic_holds ALTER COLUMN lanr SET STATISTICS 0;
ALTER TABLE ONLY example.genetic_holds ALTER COLUMN actor SET STATISTICS 0;

ALTER TABLE ONLY example.genetic_holds FORCE ROW LEVEL SECURITY;

ALTER TABLE example.genetic_holds OWNER TO labor_owner;

COMMENT ON TABLE example.genetic_holds IS 'Which reports are genetic examinations, and who alone may release each (GenDG, section 11); rows are only ever added';

COMMENT ON COLUMN example.genetic_holds.id IS 'UUIDv7';

COMMENT ON COLUMN example.genetic_holds.report_id IS 'The version that is held';

COMMENT ON COLUMN example.genetic_holds.lanr IS 'Number of the responsible doctor: as sent (LDT 8615, 0212; HL7 OBR-16), else as an admin named it; null: not sent';

COMMENT ON COLUMN example.genetic_holds.at IS 'Database time';

COMMENT ON COLUMN example.genetic_holds.actor IS 'Subject of the verified claim';

COMMENT ON COLUMN example.genetic_holds.actor_role IS 'worker: as the laboratory sent it; admin: named in the practice';

CREATE TABLE example.matches (
    id uuid NOT NULL,
    report_id uuid NOT NULL,
    kind text NOT NULL,
    patient_id uuid NOT NULL,
    score integer,
    reasons text[] DEFAULT '{}'::text[] NOT NULL,
    comment text,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text DEFAULT guard.claim_subject() NOT NULL,
    actor_role text DEFAULT guard.claim_role() NOT NULL,
    CONSTRAINT matches_check CHECK (((kind = 'matched'::text) OR ((comment IS NOT NULL) AND (score IS NULL) AND (reasons = '{}'::text[])))),
    CONSTRAINT matches_check1 CHECK (((actor_role <> 'worker'::text) OR ((kind = 'matched'::text) AND (reasons <> '{}'::text[])))),
    CONSTRAINT matches_comment_check CHECK (((length(comment) >= 1) AND (length(comment) <= 1000))),
    CONSTRAINT matches_kind_check CHECK ((kind = ANY (ARRAY['matched'::text, 'unmatched'::text]))),
    CONSTRAINT matches_score_check CHECK (((score >= 0) AND (score <= 100)))
);

ALTER TABLE ONLY example.matches FORCE ROW LEVEL SECURITY;

ALTER TABLE example.matches OWNER TO labor_owner;

COMMENT ON TABLE example.matches IS 'Who was taken for whom, when and why: one version of a report was matched to a patient or taken away from one; rows are only ever added';

COMMENT ON COLUMN example.matches.id IS 'UUIDv7';

COMMENT ON COLUMN example.matches.report_id IS 'Which version of which report';

COMMENT ON COLUMN example.matches.kind IS 'matched, or unmatched: a person said that it is not this patient';

COMMENT ON COLUMN example.matches.patient_id IS 'To whom it was matched, or from whom it was taken away';

COMMENT ON COLUMN example.matches.score IS 'What the reasons add up to; null when a person decided or the patient was new';

COMMENT ON COLUMN example.matches.reasons IS 'Codes of what agreed and what did not; empty when a person decided';

COMMENT ON COLUMN example.matches.comment IS 'What the person noted; why, when it was taken away';

COMMENT ON COLUMN example.matches.at IS 'Database time';

COMMENT ON COLUMN example.matches.actor IS 'Subject of the verified claim';

COMMENT ON COLUMN example.matches.actor_role IS 'Role of the verified claim; worker: it was matched automatically';

CREATE TABLE example.notices (
    id uuid NOT NULL,
    recipient text NOT NULL,
    report_id uuid NOT NULL,
    kind text NOT NULL,
    replaced_by uuid,
    match_id uuid,
    written_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT notices_check CHECK (((kind = 'unmatched'::text) = (replaced_by IS NULL))),
    CONSTRAINT notices_check1 CHECK (((kind = 'unmatched'::text) = (match_id IS NOT NULL))),
    CONSTRAINT notices_kind_check CHECK ((kind = ANY (ARRAY['corrected'::text, 'invalidated'::text, 'unmatched'::text])))
);

ALTER TABLE ONLY example.notices FORCE ROW LEVEL SECURITY;

ALTER TABLE example.notices OWNER TO labor_owner;

COMMENT ON TABLE example.notices IS 'What somebody has to be told because they saw a value that does not count any more, or that was somebody else''s; rows are only ever added';

COMMENT ON COLUMN example.notices.id IS 'UUIDv7';

COMMENT ON COLUMN example.notices.recipient IS 'Subject of the claims of whoever saw it: a user''s id';

COMMENT ON COLUMN example.notices.report_id IS 'The version that was seen';

COMMENT ON COLUMN example.notices.kind IS 'corrected: a value is another now, or gone; invalidated: the laboratory says that nothing of it counts; unmatched: it was assigned to the wrong patient';

COMMENT ON COLUMN example.notices.replaced_by IS 'The version that came instead; null: none did, it was unmatched';

COMMENT ON COLUMN example.notices.match_id IS 'The row that took it away from the patient; null: it was not unmatched';

COMMENT ON COLUMN example.notices.written_at IS 'When it was written';

CREATE TABLE example.observations (
    id uuid NOT NULL,
    report_id uuid NOT NULL,
    "position" integer NOT NULL,
    test_code text NOT NULL,
    test_name text,
    loinc text,
    specimen text,
    status text NOT NULL,
    status_code text,
    value_text text,
    value_comparator text,
    value_number numeric,
    unit text,
    reference_text text,
    reference_low text,
    reference_high text,
    reference_unit text,
    flag text,
    interpretation text,
    critical boolean DEFAULT false NOT NULL,
    collected_at text,
    effective_at timestamp with time zone NOT NULL,
    notes text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT observations_interpretation_check CHECK ((interpretation = ANY (ARRAY['N'::text, 'L'::text, 'LU'::text, 'LL'::text, 'H'::text, 'HU'::text, 'HH'::text, 'A'::text, 'AA'::text]))),
    CONSTRAINT observations_position_check CHECK (("position" >= 0)),
    CONSTRAINT observations_status_check CHECK ((status = ANY (ARRAY['registered'::text, 'preliminary'::text, 'final'::text, 'corrected'::text, 'cancelled'::text, 'unknown'::text]))),
    CONSTRAINT observations_value_comparator_check CHECK ((value_comparator = ANY (ARRAY['<'::text, '<='::text, '>'::text, '>='::text])))
);

ALTER TABLE ONLY example.observations FORCE ROW LEVEL SECURITY;

ALTER TABLE example.observations OWNER TO labor_owner;

COMMENT ON TABLE example.observations IS 'One value of one test in one version of a report; a test with two units has two rows';

COMMENT ON COLUMN example.observations.id IS 'UUIDv7';

COMMENT ON COLUMN example.observations.report_id IS 'The report version it belongs to';

COMMENT ON COLUMN example.observations."position" IS 'Order within the report, from 0';

COMMENT ON COLUMN example.observations.test_code IS 'LDT field 8410 (or 7260/7365): the laboratory''s own code, unique only with the laboratory';

COMMENT ON COLUMN example.observations.test_name IS 'LDT field 8411';

COMMENT ON COLUMN example.observations.loinc IS 'LOINC code if the laboratory sent one';

COMMENT ON COLUMN example.observations.specimen IS 'Material as sent (LDT 8430, else its code 8428): blood and urine of one test are two things';

COMMENT ON COLUMN example.observations.status IS 'As FHIR names it, from LDT field 8418';

COMMENT ON COLUMN example.observations.status_code IS 'LDT field 8418 as sent';

COMMENT ON COLUMN example.observations.value_text IS 'The value exactly as sent (LDT field 8420); null: no value yet';

COMMENT ON COLUMN example.observations.value_comparator IS 'Comparator of a bounded value such as <0.6';

COMMENT ON COLUMN example.observations.value_number IS 'The value as a number, if it is one';

COMMENT ON COLUMN example.observations.unit IS 'LDT field 8421 as sent';

COMMENT ON COLUMN example.observations.reference_text IS 'Reference range as text (LDT field 8460)';

COMMENT ON COLUMN example.observations.reference_low IS 'Lower reference limit as sent (LDT field 8461)';

COMMENT ON COLUMN example.observations.reference_high IS 'Upper reference limit as sent (LDT field 8462)';

COMMENT ON COLUMN example.observations.reference_unit IS 'Unit of the limits, where the sender gave one of their own';

COMMENT ON COLUMN example.observations.flag IS 'LDT field 8422 as sent';

COMMENT ON COLUMN example.observations.interpretation IS 'HL7 ObservationInterpretation; ++ is HU, only !H is HH (critical)';

COMMENT ON COLUMN example.observations.critical IS 'Marked life-threatening by the laboratory';

COMMENT ON COLUMN example.observations.collected_at IS 'Time of collection as sent, ISO 8601 with the precision given';

COMMENT ON COLUMN example.observations.effective_at IS 'For ordering a trend: collection if known, else report date, else receipt';

COMMENT ON COLUMN example.observations.notes IS 'Free text of the result';

CREATE TABLE example.orders (
    id uuid NOT NULL,
    laboratory text NOT NULL,
    lab_order_number text NOT NULL,
    order_number text,
    patient_id uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY example.orders FORCE ROW LEVEL SECURITY;

ALTER TABLE example.orders OWNER TO labor_owner;

COMMENT ON TABLE example.orders IS 'What was asked of a laboratory; known here through its reports';

COMMENT ON COLUMN example.orders.id IS 'UUIDv7';

COMMENT ON COLUMN example.orders.laboratory IS 'BSNR of the laboratory, else its name as sent';

COMMENT ON COLUMN example.orders.lab_order_number IS 'The laboratory''s number (LDT field 8311)';

COMMENT ON COLUMN example.orders.order_number IS 'The practice''s number (LDT field 8310), if it was sent along';

COMMENT ON COLUMN example.orders.patient_id IS 'Whom the order is about; null until matched';

COMMENT ON COLUMN example.orders.created_at IS 'When the row was written';

CREATE TABLE example.patients (
    id uuid NOT NULL,
    identity_key text NOT NULL,
    patient_number text,
    family_name text NOT NULL,
    given_name text,
    name_key text COLLATE pg_catalog."C",
    birth_date date,
    birth_date_text text,
    sex text DEFAULT 'unknown'::text NOT NULL,
    insurance_number text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT patients_birth_date_check CHECK (((birth_date > '-infinity'::date) AND (birth_date < '10000-01-01'::date))),
    CONSTRAINT patients_created_at_check CHECK (((created_at > '-infinity'::timestamp with time zone) AND (created_at < to_timestamp(('253402300800'::bigint)::double precision)))),
    CONSTRAINT patients_identity_key_check CHECK ((length(identity_key) = 64)),
    CONSTRAINT patients_sex_check CHECK ((sex = ANY (ARRAY['male'::text, 'female'::text, 'other'::text, 'unknown'::text])))
);
ALTER TABLE ONLY example.patients ALTER COLUMN identity_key SET STATISTICS 0;
ALTER TABLE ONLY example.patients ALTER COLUMN patient_number SET STATISTICS 0;
ALTER TABLE ONLY example.patients ALTER COLUMN family_name SET STATISTICS 0;
ALTER TABLE ONLY example.patients ALTER COLUMN given_name SET STATISTICS 0;
ALTER TABLE ONLY example.patients ALTER COLUMN name_key SET STATISTICS 0;
ALTER TABLE ONLY example.patients ALTER COLUMN birth_date SET STATISTICS 0;
ALTER TABLE ONLY example.patients ALTER COLUMN birth_date_text SET STATISTICS 0;
ALTER TABLE ONLY example.patients ALTER COLUMN insurance_number SET STATISTICS 0;

ALTER TABLE ONLY example.patients FORCE ROW LEVEL SECURITY;

ALTER TABLE example.patients OWNER TO labor_owner;

COMMENT ON TABLE example.patients IS 'Patients of the practice';

COMMENT ON COLUMN example.patients.id IS 'UUIDv7';

COMMENT ON COLUMN example.patients.identity_key IS 'SHA-256 of family name, given name, birth date and sex as they are compared: the same person sent twice meets the same row; of the id alone where a person decided that it is somebody else';

COMMENT ON COLUMN example.patients.patient_number IS 'The practice''s own number (LDT 3 field 3000)';

COMMENT ON COLUMN example.patients.family_name IS 'LDT field 3101';

COMMENT ON COLUMN example.patients.given_name IS 'LDT field 3102; null when nobody sent one';

COMMENT ON COLUMN example.patients.name_key IS 'Family name as it is compared and searched for: small letters, ä as ae, without accents, hyphens and spaces; null: not found by name';

COMMENT ON COLUMN example.patients.birth_date IS 'LDT field 3103; null when the sender gave only a part of it';

COMMENT ON COLUMN example.patients.birth_date_text IS 'The part of the birth date that was sent, such as 1966-10; null when it is complete or nothing was sent';

COMMENT ON COLUMN example.patients.sex IS 'Administrative sex as FHIR names it (LDT field 3110)';

COMMENT ON COLUMN example.patients.insurance_number IS 'Versicherten-ID (LDT field 3119)';

COMMENT ON COLUMN example.patients.created_at IS 'When the row was written';

CREATE TABLE example.raw_messages (
    id uuid NOT NULL,
    source_id uuid NOT NULL,
    sender_message_id text,
    sha256 bytea NOT NULL,
    body bytea NOT NULL,
    content_type text,
    state text DEFAULT 'received'::text NOT NULL,
    reason text,
    format text,
    charset text,
    warnings jsonb DEFAULT '[]'::jsonb NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL,
    processed_at timestamp with time zone,
    reader_version text,
    CONSTRAINT raw_messages_check CHECK (((state = ANY (ARRAY['quarantined'::text, 'failed'::text])) = (reason IS NOT NULL))),
    CONSTRAINT raw_messages_check1 CHECK (((octet_length(body) = 0) OR (sha256 = sha256(body)))),
    CONSTRAINT raw_messages_format_check CHECK ((format = ANY (ARRAY['LDT2'::text, 'LDT3'::text, 'HL7'::text]))),
    CONSTRAINT raw_messages_sha256_check CHECK ((octet_length(sha256) = 32)),
    CONSTRAINT raw_messages_state_check CHECK ((state = ANY (ARRAY['received'::text, 'processed'::text, 'quarantined'::text, 'failed'::text])))
);

ALTER TABLE ONLY example.raw_messages FORCE ROW LEVEL SECURITY;

ALTER TABLE example.raw_messages OWNER TO labor_owner;

COMMENT ON TABLE example.raw_messages IS 'What laboratories sent, byte for byte';

COMMENT ON COLUMN example.raw_messages.id IS 'UUIDv7; the message_id that the sender is told';

COMMENT ON COLUMN example.raw_messages.source_id IS 'control.sources.id of the sender';

COMMENT ON COLUMN example.raw_messages.sender_message_id IS 'X-Message-Id of the request, if any; its first 200 characters';

COMMENT ON COLUMN example.raw_messages.sha256 IS 'SHA-256 of body; with source_id the idempotency key: a retry meets the same row';

COMMENT ON COLUMN example.raw_messages.body IS 'The bytes as received';

COMMENT ON COLUMN example.raw_messages.content_type IS 'Content-Type of the request';

COMMENT ON COLUMN example.raw_messages.state IS 'received: waits for a worker; processed; quarantined: cannot be understood or routed; failed: gave up after retries';

COMMENT ON COLUMN example.raw_messages.reason IS 'Code and place of the fault, without content of the message';

COMMENT ON COLUMN example.raw_messages.format IS 'What the reader recognised';

COMMENT ON COLUMN example.raw_messages.charset IS 'Character set the text was read with';

COMMENT ON COLUMN example.raw_messages.warnings IS 'Codes and places of what the reader tolerated';

COMMENT ON COLUMN example.raw_messages.received_at IS 'When the bytes became durable';

COMMENT ON COLUMN example.raw_messages.processed_at IS 'When a worker finished with it';

COMMENT ON COLUMN example.raw_messages.reader_version IS 'Version of the reader that understood it; null: not processed, or processed before this was recorded';

CREATE TABLE example.refinery_schema_history (
    version integer NOT NULL,
    name character varying(255),
    applied_on character varying(255),
    checksum character varying(255)
);

ALTER TABLE example.refinery_schema_history OWNER TO labor_owner;

CREATE TABLE example.report_events (
    id uuid NOT NULL,
    report_id uuid NOT NULL,
    kind text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text DEFAULT guard.claim_subject() NOT NULL,
    actor_role text DEFAULT guard.claim_role() NOT NULL,
    on_behalf_of uuid,
    comment text,
    notice_id uuid,
    patient_id uuid,
    ends uuid,
    CONSTRAINT report_events_check CHECK (((kind = 'told'::text) = (notice_id IS NOT NULL))),
    CONSTRAINT report_events_check1 CHECK (((kind <> ALL (ARRAY['acknowledged'::text, 'released'::text])) OR (actor_role = 'doctor'::text))),
    CONSTRAINT report_events_check2 CHECK (((kind <> 'withdrawn'::text) OR (actor_role = ANY (ARRAY['doctor'::text, 'admin'::text, 'worker'::text])))),
    CONSTRAINT report_events_check3 CHECK (((actor_role <> 'worker'::text) OR (kind = 'withdrawn'::text))),
    CONSTRAINT report_events_check4 CHECK (((kind = ANY (ARRAY['released'::text, 'withdrawn'::text])) OR (ends IS NULL))),
    CONSTRAINT report_events_check5 CHECK (((kind = 'acknowledged'::text) OR ((on_behalf_of IS NULL) AND (comment IS NULL)))),
    CONSTRAINT report_events_check6 CHECK (((kind = 'released'::text) = (patient_id IS NOT NULL))),
    CONSTRAINT report_events_comment_check CHECK (((length(comment) >= 1) AND (length(comment) <= 1000))),
    CONSTRAINT report_events_kind_check CHECK ((kind = ANY (ARRAY['seen'::text, 'acknowledged'::text, 'told'::text, 'released'::text, 'withdrawn'::text])))
);

ALTER TABLE ONLY example.report_events FORCE ROW LEVEL SECURITY;

ALTER TABLE example.report_events OWNER TO labor_owner;

COMMENT ON TABLE example.report_events IS 'What people did with one version of a report, and which releases the worker took back; rows are only ever added';

COMMENT ON COLUMN example.report_events.id IS 'UUIDv7';

COMMENT ON COLUMN example.report_events.report_id IS 'Which version of which report';

COMMENT ON COLUMN example.report_events.kind IS 'seen: its values were shown to this person for the first time; acknowledged: a doctor has taken note of it; told: this person has read a notice about it; released, withdrawn: to and from the patient, each time';

COMMENT ON COLUMN example.report_events.at IS 'Database time';

COMMENT ON COLUMN example.report_events.actor IS 'Subject of the verified claim';

COMMENT ON COLUMN example.report_events.actor_role IS 'Role of the verified claim';

COMMENT ON COLUMN example.report_events.on_behalf_of IS 'The colleague for whom it was acknowledged';

COMMENT ON COLUMN example.report_events.comment IS 'What the doctor noted';

COMMENT ON COLUMN example.report_events.notice_id IS 'Which notice was read';

COMMENT ON COLUMN example.report_events.patient_id IS 'For kind released: to whom';

COMMENT ON COLUMN example.report_events.ends IS 'For kinds released and withdrawn: the release that is over with it';

CREATE TABLE example.reports (
    id uuid NOT NULL,
    raw_message_id uuid NOT NULL,
    record_index integer NOT NULL,
    order_id uuid,
    patient_id uuid,
    report_key text NOT NULL,
    version integer NOT NULL,
    superseded_by uuid,
    content_sha256 bytea NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    laboratory text DEFAULT ''::text NOT NULL,
    laboratory_name text NOT NULL,
    subject_family_name text,
    subject_given_name text,
    subject_birth_date date,
    subject_birth_text text,
    subject_sex text,
    subject_insurance_number text,
    subject_patient_number text,
    order_number text,
    lab_order_number text,
    reported_on date,
    critical boolean DEFAULT false NOT NULL,
    genetic boolean DEFAULT false NOT NULL,
    invalidates_earlier boolean DEFAULT false NOT NULL,
    notes text[] DEFAULT '{}'::text[] NOT NULL,
    unmapped jsonb DEFAULT '[]'::jsonb NOT NULL,
    not_judged integer DEFAULT 0 NOT NULL,
    received_at timestamp with time zone NOT NULL,
    confirmed_at timestamp with time zone NOT NULL,
    released_at timestamp with time zone,
    released_by uuid,
    release_id uuid,
    reading integer DEFAULT 1 NOT NULL,
    reread_with text,
    reread_at timestamp with time zone,
    CONSTRAINT reports_check CHECK (((released_by IS NULL) OR (released_at IS NOT NULL))),
    CONSTRAINT reports_check1 CHECK (((release_id IS NULL) OR (released_at IS NOT NULL))),
    CONSTRAINT reports_check2 CHECK (((confirmed_at > '-infinity'::timestamp with time zone) AND (confirmed_at < to_timestamp(('253402300800'::bigint)::double precision)) AND (released_at > '-infinity'::timestamp with time zone) AND (released_at < to_timestamp(('253402300800'::bigint)::double precision)))),
    CONSTRAINT reports_check3 CHECK (((reading > 1) = (reread_with IS NOT NULL))),
    CONSTRAINT reports_check4 CHECK (((reading > 1) = (reread_at IS NOT NULL))),
    CONSTRAINT reports_content_sha256_check CHECK ((octet_length(content_sha256) = 32)),
    CONSTRAINT reports_not_judged_check CHECK ((not_judged >= 0)),
    CONSTRAINT reports_reading_check CHECK ((reading >= 1)),
    CONSTRAINT reports_record_index_check CHECK ((record_index >= 0)),
    CONSTRAINT reports_report_key_check CHECK ((length(report_key) = 64)),
    CONSTRAINT reports_status_check CHECK ((status = ANY (ARRAY['registered'::text, 'partial'::text, 'preliminary'::text, 'final'::text, 'corrected'::text, 'cancelled'::text]))),
    CONSTRAINT reports_subject_sex_check CHECK ((subject_sex = ANY (ARRAY['male'::text, 'female'::text, 'other'::text, 'unknown'::text]))),
    CONSTRAINT reports_version_check CHECK ((version >= 1))
);
ALTER TABLE ONLY example.reports ALTER COLUMN subject_family_name SET STATISTICS 0;
ALTER TABLE ONLY example.reports ALTER COLUMN subject_given_name SET STATISTICS 0;
ALTER TABLE ONLY example.reports ALTER COLUMN subject_birth_date SET STATISTICS 0;
ALTER TABLE ONLY example.reports ALTER COLUMN subject_birth_text SET STATISTICS 0;
ALTER TABLE ONLY example.reports ALTER COLUMN subject_insurance_number SET STATISTICS 0;
ALTER TABLE ONLY example.reports ALTER COLUMN subject_patient_number SET STATISTICS 0;

ALTER TABLE ONLY example.reports FORCE ROW LEVEL SECURITY;

ALTER TABLE example.reports OWNER TO labor_owner;

COMMENT ON TABLE example.reports IS 'One version of one laboratory report; versions with the same report_key form a chain';

COMMENT ON COLUMN example.reports.id IS 'UUIDv7';

COMMENT ON COLUMN example.reports.raw_message_id IS 'The message it came in';

COMMENT ON COLUMN example.reports.record_index IS 'Which record of that message, from 0; with raw_message_id and reading what makes processing idempotent';

COMMENT ON COLUMN example.reports.order_id IS 'The order it answers';

COMMENT ON COLUMN example.reports.patient_id IS 'Whom it is about; null: not matched, never shown to a patient';

COMMENT ON COLUMN example.reports.report_key IS 'SHA-256 of the source, laboratory, record type, order or report number and the person it is about: the same for all versions';

COMMENT ON COLUMN example.reports.version IS 'From 1; a correction or a later partial report is the next version';

COMMENT ON COLUMN example.reports.superseded_by IS 'The next version; null: this is the current one';

COMMENT ON COLUMN example.reports.content_sha256 IS 'SHA-256 of the record''s medical content: an unchanged resend makes no new version';

COMMENT ON COLUMN example.reports.kind IS 'LDT record type (8201, 8202, 8203, 8204, 8205)';

COMMENT ON COLUMN example.reports.status IS 'State of the whole report';

COMMENT ON COLUMN example.reports.laboratory IS 'BSNR of the laboratory, else its name as sent; as in orders';

COMMENT ON COLUMN example.reports.laboratory_name IS 'Name of the laboratory as sent';

COMMENT ON COLUMN example.reports.subject_family_name IS 'Patient as sent, also when not matched';

COMMENT ON COLUMN example.reports.subject_given_name IS 'Patient as sent, also when not matched';

COMMENT ON COLUMN example.reports.subject_birth_date IS 'Patient as sent, also when not matched';

COMMENT ON COLUMN example.reports.subject_birth_text IS 'The part of the birth date that was sent, such as 1966-10; null when it is complete or nothing was sent';

COMMENT ON COLUMN example.reports.subject_sex IS 'Patient as sent; null: nothing was sent';

COMMENT ON COLUMN example.reports.subject_insurance_number IS 'Patient as sent, also when not matched';

COMMENT ON COLUMN example.reports.subject_patient_number IS 'Patient as sent, also when not matched';

COMMENT ON COLUMN example.reports.order_number IS 'LDT field 8310 as sent';

COMMENT ON COLUMN example.reports.lab_order_number IS 'LDT field 8311 as sent';

COMMENT ON COLUMN example.reports.reported_on IS 'Date of the report as sent';

COMMENT ON COLUMN example.reports.critical IS 'The laboratory marked something as life-threatening';

COMMENT ON COLUMN example.reports.genetic IS 'Genetic examination: only the responsible doctor releases it (GenDG, section 11); see genetic_holds';

COMMENT ON COLUMN example.reports.invalidates_earlier IS 'The laboratory says that all it sent for this order before is invalid (LDT 3 field 8418 = 08)';

COMMENT ON COLUMN example.reports.notes IS 'Free text of the report';

COMMENT ON COLUMN example.reports.unmapped IS 'Fields that were read but have no column: shown, never dropped';

COMMENT ON COLUMN example.reports.not_judged IS 'Values that a limit of the practice names and could not be held against: another unit, no number, or a bound that leaves it open';

COMMENT ON COLUMN example.reports.received_at IS 'When the message became durable';

COMMENT ON COLUMN example.reports.confirmed_at IS 'When the same content arrived last; decides which version is the laboratory''s last word';

COMMENT ON COLUMN example.reports.released_at IS 'When a doctor released it to the patient';

COMMENT ON COLUMN example.reports.released_by IS 'Who released it';

COMMENT ON COLUMN example.reports.release_id IS 'Which row of report_events is this release; the worker writes to the report only as long as nothing ended that';

COMMENT ON COLUMN example.reports.reading IS '1: read when the message came; from 2: the message was read again, with a later reader (labor reparse)';

COMMENT ON COLUMN example.reports.reread_with IS 'Reader and version that read the message again; null: read when it came';

COMMENT ON COLUMN example.reports.reread_at IS 'When the message was read again; null: read when it came. By whom is in the audit (message.reparse)';

CREATE TABLE example.schema_stamp (
    singleton boolean DEFAULT true NOT NULL,
    tenant text NOT NULL,
    version integer NOT NULL,
    chain_checksum text NOT NULL,
    stamped_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT schema_stamp_singleton_check CHECK (singleton)
);

ALTER TABLE example.schema_stamp OWNER TO labor_owner;

COMMENT ON TABLE example.schema_stamp IS 'Which version this schema has, so that a restored copy knows it without the control schema';

COMMENT ON COLUMN example.schema_stamp.singleton IS 'Always true: there is one row';

COMMENT ON COLUMN example.schema_stamp.tenant IS 'Opaque database name of the practice';

COMMENT ON COLUMN example.schema_stamp.version IS 'Number of the last migration applied';

COMMENT ON COLUMN example.schema_stamp.chain_checksum IS 'SHA-256 over names and texts of all migrations applied and of the row rules';

COMMENT ON COLUMN example.schema_stamp.stamped_at IS 'When the stamp was written';

CREATE TABLE example.users (
    id uuid NOT NULL,
    username text NOT NULL,
    password_hash text NOT NULL,
    role text NOT NULL,
    display_name text NOT NULL,
    patient_id uuid,
    active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT users_check CHECK (((role = 'patient'::text) = (patient_id IS NOT NULL))),
    CONSTRAINT users_password_hash_check CHECK ((password_hash ~~ '$argon2id$%'::text)),
    CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'doctor'::text, 'lab_technician'::text, 'patient'::text]))),
    CONSTRAINT users_username_check CHECK (((username = lower(username)) AND ((length(username) >= 1) AND (length(username) <= 120))))
);
ALTER TABLE ONLY example.users ALTER COLUMN username SET STATISTICS 0;
ALTER TABLE ONLY example.users ALTER COLUMN password_hash SET STATISTICS 0;
ALTER TABLE ONLY example.users ALTER COLUMN display_name SET STATISTICS 0;

ALTER TABLE ONLY example.users FORCE ROW LEVEL SECURITY;

ALTER TABLE example.users OWNER TO labor_owner;

COMMENT ON TABLE example.users IS 'People who sign in to this practice; they are backed up, exported and deleted with it';

COMMENT ON COLUMN example.users.id IS 'UUIDv7; the subject of tokens and claims';

COMMENT ON COLUMN example.users.username IS 'Lower case; unique within the practice';

COMMENT ON COLUMN example.users.password_hash IS 'Argon2id in PHC string format';

COMMENT ON COLUMN example.users.role IS 'What the user may do (db/rls/tenant.sql)';

COMMENT ON COLUMN example.users.display_name IS 'How colleagues see the user';

COMMENT ON COLUMN example.users.patient_id IS 'For role patient: whose results the user may see';

COMMENT ON COLUMN example.users.active IS 'False: can no longer sign in';

COMMENT ON COLUMN example.users.created_at IS 'When the row was written';

ALTER TABLE ONLY example.alert_events
    ADD CONSTRAINT alert_events_alert_id_round_key UNIQUE (alert_id, round);

ALTER TABLE ONLY example.alert_events
    ADD CONSTRAINT alert_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.alert_states
    ADD CONSTRAINT alert_states_pkey PRIMARY KEY (alert_id);

ALTER TABLE ONLY example.alert_steps
    ADD CONSTRAINT alert_steps_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.alerts
    ADD CONSTRAINT alerts_id_tier_key UNIQUE (id, tier);

ALTER TABLE ONLY example.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.critical_limits
    ADD CONSTRAINT critical_limits_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.doctor_numbers
    ADD CONSTRAINT doctor_numbers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.documents
    ADD CONSTRAINT documents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.documents
    ADD CONSTRAINT documents_report_id_position_key UNIQUE (report_id, "position");

ALTER TABLE ONLY example.genetic_holds
    ADD CONSTRAINT genetic_holds_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.matches
    ADD CONSTRAINT matches_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.notices
    ADD CONSTRAINT notices_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.notices
    ADD CONSTRAINT notices_recipient_report_id_kind_replaced_by_match_id_key UNIQUE NULLS NOT DISTINCT (recipient, report_id, kind, replaced_by, match_id);

ALTER TABLE ONLY example.observations
    ADD CONSTRAINT observations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.observations
    ADD CONSTRAINT observations_report_id_position_key UNIQUE (report_id, "position");

ALTER TABLE ONLY example.orders
    ADD CONSTRAINT orders_laboratory_lab_order_number_key UNIQUE (laboratory, lab_order_number);

ALTER TABLE ONLY example.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.patients
    ADD CONSTRAINT patients_identity_key_key UNIQUE (identity_key);

ALTER TABLE ONLY example.patients
    ADD CONSTRAINT patients_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.raw_messages
    ADD CONSTRAINT raw_messages_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.raw_messages
    ADD CONSTRAINT raw_messages_source_id_sha256_key UNIQUE (source_id, sha256);

ALTER TABLE ONLY example.refinery_schema_history
    ADD CONSTRAINT refinery_schema_history_pkey PRIMARY KEY (version);

ALTER TABLE ONLY example.report_events
    ADD CONSTRAINT report_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.reports
    ADD CONSTRAINT reports_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.reports
    ADD CONSTRAINT reports_raw_message_id_record_index_reading_key UNIQUE (raw_message_id, record_index, reading);

ALTER TABLE ONLY example.reports
    ADD CONSTRAINT reports_report_key_version_key UNIQUE (report_key, version);

ALTER TABLE ONLY example.schema_stamp
    ADD CONSTRAINT schema_stamp_pkey PRIMARY KEY (singleton);

ALTER TABLE ONLY example.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY example.users
    ADD CONSTRAINT users_username_key UNIQUE (username);

CREATE UNIQUE INDEX alert_events_ended ON example.alert_events USING btree (alert_id) WHERE (kind = ANY (ARRAY['confirmed'::text, 'dismissed'::text]));

CREATE UNIQUE INDEX alert_events_superseded ON example.alert_events USING btree (alert_id) WHERE (kind = 'superseded'::text);

CREATE INDEX alert_states_open ON example.alert_states USING btree (alert_id) WHERE (ended_at IS NULL);

CREATE INDEX alert_steps_deputy_id ON example.alert_steps USING btree (deputy_id) WHERE (deputy_id IS NOT NULL);

CREATE UNIQUE INDEX alert_steps_ladder ON example.alert_steps USING btree (tier, step) WHERE (ended_at IS NULL);

CREATE INDEX alert_steps_user_id ON example.alert_steps USING btree (user_id);

CREATE INDEX alerts_limit_id ON example.alerts USING btree (limit_id) WHERE (limit_id IS NOT NULL);

CREATE INDEX alerts_observation_id ON example.alerts USING btree (observation_id) WHERE (observation_id IS NOT NULL);

CREATE INDEX alerts_raised_at ON example.alerts USING btree (raised_at);

CREATE INDEX alerts_report_id ON example.alerts USING btree (report_id);

CREATE INDEX audit_at ON example.audit USING btree (at);

CREATE INDEX audit_object ON example.audit USING btree (object_id) WHERE (object_id IS NOT NULL);

CREATE INDEX critical_limits_test ON example.critical_limits USING btree (test_code) WHERE (ended_at IS NULL);

CREATE UNIQUE INDEX doctor_numbers_lanr ON example.doctor_numbers USING btree (lanr) WHERE (ended_at IS NULL);

CREATE UNIQUE INDEX doctor_numbers_user ON example.doctor_numbers USING btree (user_id) WHERE (ended_at IS NULL);

CREATE INDEX doctor_numbers_user_id ON example.doctor_numbers USING btree (user_id);

CREATE INDEX documents_raw_message_id ON example.documents USING btree (raw_message_id);

CREATE UNIQUE INDEX genetic_holds_doctor ON example.genetic_holds USING btree (report_id) WHERE (lanr IS NOT NULL);

CREATE INDEX genetic_holds_report_id ON example.genetic_holds USING btree (report_id);

CREATE INDEX matches_patient_id ON example.matches USING btree (patient_id);

CREATE INDEX matches_report_id ON example.matches USING btree (report_id);

CREATE INDEX notices_match_id ON example.notices USING btree (match_id) WHERE (match_id IS NOT NULL);

CREATE INDEX notices_replaced_by ON example.notices USING btree (replaced_by);

CREATE INDEX notices_report_id ON example.notices USING btree (report_id);

CREATE INDEX orders_patient_id ON example.orders USING btree (patient_id);

CREATE INDEX patients_birth_date ON example.patients USING btree (birth_date);

CREATE INDEX patients_insurance_number ON example.patients USING btree (insurance_number) WHERE (insurance_number IS NOT NULL);

CREATE INDEX patients_name ON example.patients USING btree (name_key, birth_date);

CREATE INDEX patients_patient_number ON example.patients USING btree (patient_number) WHERE (patient_number IS NOT NULL);

CREATE INDEX raw_messages_arrived ON example.raw_messages USING btree (received_at, id);

CREATE INDEX raw_messages_open ON example.raw_messages USING btree (received_at) WHERE (state <> 'processed'::text);

CREATE INDEX raw_messages_sender_id ON example.raw_messages USING btree (source_id, sender_message_id) WHERE (sender_message_id IS NOT NULL);

CREATE INDEX report_events_ends ON example.report_events USING btree (ends) WHERE (ends IS NOT NULL);

CREATE INDEX report_events_notice_id ON example.report_events USING btree (notice_id) WHERE (notice_id IS NOT NULL);

CREATE INDEX report_events_on_behalf_of ON example.report_events USING btree (on_behalf_of) WHERE (on_behalf_of IS NOT NULL);

CREATE UNIQUE INDEX report_events_once ON example.report_events USING btree (report_id, kind, actor, on_behalf_of, notice_id, (
CASE
    WHEN (kind = ANY (ARRAY['released'::text, 'withdrawn'::text])) THEN id
    ELSE NULL::uuid
END)) NULLS NOT DISTINCT;

CREATE INDEX report_events_patient_id ON example.report_events USING btree (patient_id) WHERE (patient_id IS NOT NULL);

CREATE INDEX reports_inbox ON example.reports USING btree (received_at DESC, id DESC) WHERE (superseded_by IS NULL);

CREATE INDEX reports_order_id ON example.reports USING btree (order_id);

CREATE INDEX reports_order_number ON example.reports USING btree (order_number) WHERE (order_number IS NOT NULL);

CREATE INDEX reports_patient_id ON example.reports USING btree (patient_id);

CREATE INDEX reports_released_by ON example.reports USING btree (released_by) WHERE (released_by IS NOT NULL);

CREATE INDEX reports_superseded ON example.reports USING btree (superseded_by) WHERE (superseded_by IS NOT NULL);

CREATE INDEX reports_unmatched ON example.reports USING btree (received_at DESC, id DESC) WHERE ((superseded_by IS NULL) AND (patient_id IS NULL));

CREATE INDEX users_patient_id ON example.users USING btree (patient_id) WHERE (patient_id IS NOT NULL);

ALTER TABLE ONLY example.alert_events
    ADD CONSTRAINT alert_events_alert_id_tier_fkey FOREIGN KEY (alert_id, tier) REFERENCES example.alerts(id, tier);

ALTER TABLE ONLY example.alert_states
    ADD CONSTRAINT alert_states_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES example.alerts(id);

ALTER TABLE ONLY example.alert_steps
    ADD CONSTRAINT alert_steps_deputy_id_fkey FOREIGN KEY (deputy_id) REFERENCES example.users(id);

ALTER TABLE ONLY example.alert_steps
    ADD CONSTRAINT alert_steps_user_id_fkey FOREIGN KEY (user_id) REFERENCES example.users(id);

ALTER TABLE ONLY example.alerts
    ADD CONSTRAINT alerts_limit_id_fkey FOREIGN KEY (limit_id) REFERENCES example.critical_limits(id);

ALTER TABLE ONLY example.alerts
    ADD CONSTRAINT alerts_observation_id_fkey FOREIGN KEY (observation_id) REFERENCES example.observations(id);

ALTER TABLE ONLY example.alerts
    ADD CONSTRAINT alerts_report_id_fkey FOREIGN KEY (report_id) REFERENCES example.reports(id);

ALTER TABLE ONLY example.doctor_numbers
    ADD CONSTRAINT doctor_numbers_user_id_fkey FOREIGN KEY (user_id) REFERENCES example.users(id);

ALTER TABLE ONLY example.documents
    ADD CONSTRAINT documents_raw_message_id_fkey FOREIGN KEY (raw_message_id) REFERENCES example.raw_messages(id);

ALTER TABLE ONLY example.documents
    ADD CONSTRAINT documents_report_id_fkey FOREIGN KEY (report_id) REFERENCES example.reports(id);

ALTER TABLE ONLY example.genetic_holds
    ADD CONSTRAINT genetic_holds_report_id_fkey FOREIGN KEY (report_id) REFERENCES example.reports(id);

ALTER TABLE ONLY example.matches
    ADD CONSTRAINT matches_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES example.patients(id);

ALTER TABLE ONLY example.matches
    ADD CONSTRAINT matches_report_id_fkey FOREIGN KEY (report_id) REFERENCES example.reports(id);

ALTER TABLE ONLY example.notices
    ADD CONSTRAINT notices_match_id_fkey FOREIGN KEY (match_id) REFERENCES example.matches(id);

ALTER TABLE ONLY example.notices
    ADD CONSTRAINT notices_replaced_by_fkey FOREIGN KEY (replaced_by) REFERENCES example.reports(id);

ALTER TABLE ONLY example.notices
    ADD CONSTRAINT notices_report_id_fkey FOREIGN KEY (report_id) REFERENCES example.reports(id);

ALTER TABLE ONLY example.observations
    ADD CONSTRAINT observations_report_id_fkey FOREIGN KEY (report_id) REFERENCES example.reports(id);

ALTER TABLE ONLY example.orders
    ADD CONSTRAINT orders_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES example.patients(id);

ALTER TABLE ONLY example.report_events
    ADD CONSTRAINT report_events_ends_fkey FOREIGN KEY (ends) REFERENCES example.report_events(id);

ALTER TABLE ONLY example.report_events
    ADD CONSTRAINT report_events_notice_id_fkey FOREIGN KEY (notice_id) REFERENCES example.notices(id);

ALTER TABLE ONLY example.report_events
    ADD CONSTRAINT report_events_on_behalf_of_fkey FOREIGN KEY (on_behalf_of) REFERENCES example.users(id);

ALTER TABLE ONLY example.report_events
    ADD CONSTRAINT report_events_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES example.patients(id);

ALTER TABLE ONLY example.report_events
    ADD CONSTRAINT report_events_report_id_fkey FOREIGN KEY (report_id) REFERENCES example.reports(id);

ALTER TABLE ONLY example.reports
    ADD CONSTRAINT reports_order_id_fkey FOREIGN KEY (order_id) REFERENCES example.orders(id);

ALTER TABLE ONLY example.reports
    ADD CONSTRAINT reports_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES example.patients(id);

ALTER TABLE ONLY example.reports
    ADD CONSTRAINT reports_raw_message_id_fkey FOREIGN KEY (raw_message_id) REFERENCES example.raw_messages(id);

ALTER TABLE ONLY example.reports
    ADD CONSTRAINT reports_released_by_fkey FOREIGN KEY (released_by) REFERENCES example.users(id);

ALTER TABLE ONLY example.reports
    ADD CONSTRAINT reports_superseded_by_fkey FOREIGN KEY (superseded_by) REFERENCES example.reports(id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY example.users
    ADD CONSTRAINT users_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES example.patients(id);

ALTER TABLE example.alert_events ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.alert_states ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.alert_steps ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.alerts ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.audit ENABLE ROW LEVEL SECURITY;

CREATE POLICY claim_insert ON example.alert_events AS RESTRICTIVE FOR INSERT WITH CHECK ((guard.permits_actor('example'::text, '{admin,doctor,lab_technician,worker}'::text[], actor, actor_role) AND (at >= now()) AND (at <= clock_timestamp())));

CREATE POLICY claim_insert ON example.alert_states AS RESTRICTIVE FOR INSERT WITH CHECK ((( SELECT guard.permits('example'::text, '{worker}'::text[]) AS permits) AND (ended_at IS NULL)));

CREATE POLICY claim_insert ON example.alert_steps AS RESTRICTIVE FOR INSERT WITH CHECK ((( SELECT guard.permits('example'::text, '{admin,doctor}'::text[]) AS permits) AND (created_by = guard.claim_subject()) AND (created_at >= now()) AND (created_at <= clock_timestamp()) AND (ended_at IS NULL)));

CREATE POLICY claim_insert ON example.alerts AS RESTRICTIVE FOR INSERT WITH CHECK (( SELECT guard.permits('example'::text, '{worker}'::text[]) AS permits));

CREATE POLICY claim_insert ON example.audit AS RESTRICTIVE FOR INSERT WITH CHECK ((guard.permits_actor('example'::text, '{admin,doctor,lab_technician,patient,worker,receiver,sign_in}'::text[], actor, actor_role) AND (at >= now()) AND (at <= clock_timestamp())));

CREATE POLICY claim_insert ON example.critical_limits AS RESTRICTIVE FOR INSERT WITH CHECK ((( SELECT guard.permits('example'::text, '{admin,doctor}'::text[]) AS permits) AND (created_by = guard.claim_subject()) AND (created_at >= now()) AND (created_at <= clock_timestamp()) AND (ended_at IS NULL)));

CREATE POLICY claim_insert ON example.doctor_numbers AS RESTRICTIVE FOR INSERT WITH CHECK ((( SELECT guard.permits('example'::text, '{admin}'::text[]) AS permits) AND (guard.claim_subject() = 'operator'::text)));

CREATE POLICY claim_insert ON example.documents AS RESTRICTIVE FOR INSERT WITH CHECK ((( SELECT guard.permits('example'::text, '{worker}'::text[]) AS permits) AND (EXISTS ( SELECT
   FROM example.reports r
  WHERE ((r.id = documents.report_id) AND (r.released_at IS NULL))))));

CREATE POLICY claim_insert ON example.genetic_holds AS RESTRICTIVE FOR INSERT WITH CHECK ((guard.permits_actor('example'::text, '{admin,worker}'::text[], actor, actor_role) AND (at >= now()) AND (at <= clock_timestamp())));

CREATE POLICY claim_insert ON example.matches AS RESTRICTIVE FOR INSERT WITH CHECK ((guard.permits_actor('example'::text, '{admin,doctor,worker}'::text[], actor, actor_role) AND (at >= now()) AND (at <= clock_timestamp())));

CREATE POLICY claim_insert ON example.notices AS RESTRICTIVE FOR INSERT WITH CHECK ((( SELECT guard.permits('example'::text, '{admin,doctor,worker}'::text[]) AS permits) AND (written_at = now())));

CREATE POLICY claim_insert ON example.observations AS RESTRICTIVE FOR INSERT WITH CHECK ((( SELECT guard.permits('example'::text, '{worker}'::text[]) AS permits) AND (EXISTS ( SELECT
   FROM example.reports r
  WHERE ((r.id = observations.report_id) AND (r.released_at IS NULL))))));

CREATE POLICY claim_insert ON example.orders AS RESTRICTIVE FOR INSERT WITH CHECK (( SELECT guard.permits('example'::text, '{worker}'::text[]) AS permits));

CREATE POLICY claim_insert ON example.patients AS RESTRICTIVE FOR INSERT WITH CHECK (( SELECT guard.permits('example'::text, '{admin,doctor,worker}'::text[]) AS permits));

CREATE POLICY claim_insert ON example.raw_messages AS RESTRICTIVE FOR INSERT WITH CHECK (( SELECT guard.permits('example'::text, '{worker,receiver}'::text[]) AS permits));

CREATE POLICY claim_insert ON example.report_events AS RESTRICTIVE FOR INSERT WITH CHECK ((guard.permits_actor('example'::text, '{admin,doctor,lab_technician,patient,worker}'::text[], actor, actor_role) AND (at >= now()) AND (at <= clock_timestamp())));

CREATE POLICY claim_insert ON example.reports AS RESTRICTIVE FOR INSERT WITH CHECK ((( SELECT guard.permits('example'::text, '{worker}'::text[]) AS permits) AND (released_at IS NULL) AND (released_by IS NULL) AND (release_id IS NULL)));

CREATE POLICY claim_insert ON example.users AS RESTRICTIVE FOR INSERT WITH CHECK ((( SELECT guard.permits('example'::text, '{admin}'::text[]) AS permits) AND (guard.claim_subject() = 'operator'::text)));

CREATE POLICY claim_select ON example.alert_events AS RESTRICTIVE FOR SELECT USING (( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits));

CREATE POLICY claim_select ON example.alert_states AS RESTRICTIVE FOR SELECT USING (( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits));

CREATE POLICY claim_select ON example.alert_steps AS RESTRICTIVE FOR SELECT USING (( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits));

CREATE POLICY claim_select ON example.alerts AS RESTRICTIVE FOR SELECT USING (( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits));

CREATE POLICY claim_select ON example.audit AS RESTRICTIVE FOR SELECT USING (( SELECT guard.permits('example'::text, '{admin}'::text[]) AS permits));

CREATE POLICY claim_select ON example.critical_limits AS RESTRICTIVE FOR SELECT USING (( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits));

CREATE POLICY claim_select ON example.doctor_numbers AS RESTRICTIVE FOR SELECT USING (( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits));

CREATE POLICY claim_select ON example.documents AS RESTRICTIVE FOR SELECT USING ((( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits) OR (( SELECT guard.permits('example'::text, '{patient}'::text[]) AS permits) AND (EXISTS ( SELECT
   FROM example.reports r
  WHERE (r.id = documents.report_id))))));

CREATE POLICY claim_select ON example.genetic_holds AS RESTRICTIVE FOR SELECT USING (( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits));

CREATE POLICY claim_select ON example.matches AS RESTRICTIVE FOR SELECT USING (( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits));

CREATE POLICY claim_select ON example.notices AS RESTRICTIVE FOR SELECT USING ((( SELECT guard.permits('example'::text, '{admin,worker}'::text[]) AS permits) OR (( SELECT guard.permits('example'::text, '{doctor,lab_technician,patient}'::text[]) AS permits) AND (recipient = ( SELECT guard.claim_subject() AS claim_subject)))));

CREATE POLICY claim_select ON example.observations AS RESTRICTIVE FOR SELECT USING ((( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits) OR (( SELECT guard.permits('example'::text, '{patient}'::text[]) AS permits) AND (EXISTS ( SELECT
   FROM example.reports r
  WHERE (r.id = observations.report_id))))));

CREATE POLICY claim_select ON example.orders AS RESTRICTIVE FOR SELECT USING ((( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits) OR (( SELECT guard.permits('example'::text, '{patient}'::text[]) AS permits) AND (patient_id = ( SELECT u.patient_id
   FROM example.users u
  WHERE ((u.id)::text = ( SELECT guard.claim_subject() AS claim_subject)))) AND (EXISTS ( SELECT
   FROM example.reports r
  WHERE (r.order_id = orders.id))))));

CREATE POLICY claim_select ON example.patients AS RESTRICTIVE FOR SELECT USING ((( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits) OR (( SELECT guard.permits('example'::text, '{patient}'::text[]) AS permits) AND (id = ( SELECT u.patient_id
   FROM example.users u
  WHERE ((u.id)::text = ( SELECT guard.claim_subject() AS claim_subject)))))));

CREATE POLICY claim_select ON example.raw_messages AS RESTRICTIVE FOR SELECT USING (( SELECT guard.permits('example'::text, '{admin,worker,receiver}'::text[]) AS permits));

CREATE POLICY claim_select ON example.report_events AS RESTRICTIVE FOR SELECT USING ((( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits) OR (( SELECT guard.permits('example'::text, '{patient}'::text[]) AS permits) AND (actor = ( SELECT guard.claim_subject() AS claim_subject)))));

CREATE POLICY claim_select ON example.reports AS RESTRICTIVE FOR SELECT USING ((( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits) OR (( SELECT guard.permits('example'::text, '{patient}'::text[]) AS permits) AND (released_at IS NOT NULL) AND (patient_id = ( SELECT u.patient_id
   FROM example.users u
  WHERE ((u.id)::text = ( SELECT guard.claim_subject() AS claim_subject)))))));

CREATE POLICY claim_select ON example.users AS RESTRICTIVE FOR SELECT USING ((( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician}'::text[]) AS permits) OR (( SELECT guard.permits('example'::text, '{patient}'::text[]) AS permits) AND ((id)::text = ( SELECT guard.claim_subject() AS claim_subject))) OR (( SELECT guard.permits('example'::text, '{sign_in}'::text[]) AS permits) AND (encode(sha256(convert_to(username, 'UTF8'::name)), 'hex'::text) = ( SELECT guard.claim_subject() AS claim_subject)))));

CREATE POLICY claim_update ON example.alert_states AS RESTRICTIVE FOR UPDATE USING (( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits)) WITH CHECK ((( SELECT guard.permits('example'::text, '{admin,doctor,lab_technician,worker}'::text[]) AS permits) AND (ended_at <= clock_timestamp()) AND (EXISTS ( SELECT
   FROM example.alert_events e
  WHERE ((e.alert_id = alert_states.alert_id) AND (e.kind = ANY (ARRAY['confirmed'::text, 'dismissed'::text, 'superseded'::text])))))));

CREATE POLICY claim_update ON example.alert_steps AS RESTRICTIVE FOR UPDATE USING ((( SELECT guard.permits('example'::text, '{admin,doctor}'::text[]) AS permits) AND (ended_at IS NULL))) WITH CHECK ((( SELECT guard.permits('example'::text, '{admin,doctor}'::text[]) AS permits) AND (ended_by = ( SELECT guard.claim_subject() AS claim_subject)) AND (ended_at >= now()) AND (ended_at <= clock_timestamp())));

CREATE POLICY claim_update ON example.critical_limits AS RESTRICTIVE FOR UPDATE USING ((( SELECT guard.permits('example'::text, '{admin,doctor}'::text[]) AS permits) AND (ended_at IS NULL))) WITH CHECK ((( SELECT guard.permits('example'::text, '{admin,doctor}'::text[]) AS permits) AND (ended_by = ( SELECT guard.claim_subject() AS claim_subject)) AND (ended_at >= now()) AND (ended_at <= clock_timestamp())));

CREATE POLICY claim_update ON example.doctor_numbers AS RESTRICTIVE FOR UPDATE USING (( SELECT guard.permits('example'::text, '{admin}'::text[]) AS permits)) WITH CHECK ((( SELECT guard.permits('example'::text, '{admin}'::text[]) AS permits) AND (( SELECT guard.claim_subject() AS claim_subject) = 'operator'::text)));

CREATE POLICY claim_update ON example.documents AS RESTRICTIVE FOR UPDATE USING (( SELECT guard.permits('example'::text, '{worker}'::text[]) AS permits)) WITH CHECK (( SELECT guard.permits('example'::text, '{worker}'::text[]) AS permits));

CREATE POLICY claim_update ON example.orders AS RESTRICTIVE FOR UPDATE USING (( SELECT guard.permits('example'::text, '{admin,doctor,worker}'::text[]) AS permits)) WITH CHECK (( SELECT guard.permits('example'::text, '{admin,doctor,worker}'::text[]) AS permits));

CREATE POLICY claim_update ON example.patients AS RESTRICTIVE FOR UPDATE USING (( SELECT guard.permits('example'::text, '{admin,doctor,worker}'::text[]) AS permits)) WITH CHECK (( SELECT guard.permits('example'::text, '{admin,doctor,worker}'::text[]) AS permits));

CREATE POLICY claim_update ON example.raw_messages AS RESTRICTIVE FOR UPDATE USING (( SELECT guard.permits('example'::text, '{worker}'::text[]) AS permits)) WITH CHECK ((( SELECT guard.permits('example'::text, '{worker}'::text[]) AS permits) AND ((octet_length(body) > 0) OR (NOT (EXISTS ( SELECT
   FROM example.reports r
  WHERE (r.raw_message_id = raw_messages.id)))))));

CREATE POLICY claim_update ON example.reports AS RESTRICTIVE FOR UPDATE USING (( SELECT guard.permits('example'::text, '{admin,doctor,worker}'::text[]) AS permits)) WITH CHECK ((( SELECT guard.permits('example'::text, '{admin,doctor,worker}'::text[]) AS permits) AND (((released_at IS NULL) AND ((NOT ( SELECT guard.permits('example'::text, '{worker}'::text[]) AS permits)) OR (NOT (EXISTS ( SELECT
   FROM example.report_events e
  WHERE ((e.report_id = reports.id) AND (e.kind = 'released'::text) AND (NOT (EXISTS ( SELECT
           FROM example.report_events f
          WHERE (f.ends = e.id)))))))))) OR (( SELECT guard.permits('example'::text, '{doctor}'::text[]) AS permits) AND ((released_by)::text = ( SELECT guard.claim_subject() AS claim_subject)) AND (patient_id IS NOT NULL) AND ((NOT (genetic OR (EXISTS ( SELECT
   FROM example.genetic_holds h
  WHERE (h.report_id = reports.id))))) OR (EXISTS ( SELECT
   FROM ((example.genetic_holds h
     JOIN example.doctor_numbers n ON ((n.lanr = h.lanr)))
     JOIN example.users u ON ((u.id = n.user_id)))
  WHERE ((h.report_id = reports.id) AND (u.id = reports.released_by) AND (n.ended_at IS NULL) AND (u.role = 'doctor'::text) AND u.active))))) OR (( SELECT guard.permits('example'::text, '{worker}'::text[]) AS permits) AND (EXISTS ( SELECT
   FROM example.report_events e
  WHERE ((e.id = reports.release_id) AND (e.report_id = reports.id) AND (e.kind = 'released'::text) AND (e.actor = (reports.released_by)::text) AND (e.patient_id = reports.patient_id) AND (NOT (EXISTS ( SELECT
           FROM example.report_events f
          WHERE (f.ends = e.id))))))) AND ((NOT (genetic OR (EXISTS ( SELECT
   FROM example.genetic_holds h
  WHERE (h.report_id = reports.id))))) OR (EXISTS ( SELECT
   FROM (example.genetic_holds h
     JOIN example.doctor_numbers n ON ((n.lanr = h.lanr)))
  WHERE ((h.report_id = reports.id) AND (n.user_id = reports.released_by))))))) AND (( SELECT guard.permits('example'::text, '{worker}'::text[]) AS permits) OR (confirmed_at <= (now() + '00:05:00'::interval)))));

CREATE POLICY claim_update ON example.users AS RESTRICTIVE FOR UPDATE USING (( SELECT guard.permits('example'::text, '{admin}'::text[]) AS permits)) WITH CHECK ((( SELECT guard.permits('example'::text, '{admin}'::text[]) AS permits) AND (( SELECT guard.claim_subject() AS claim_subject) = 'operator'::text)));

ALTER TABLE example.critical_limits ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.doctor_numbers ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.documents ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.genetic_holds ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.matches ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.notices ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.observations ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.orders ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.patients ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.raw_messages ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.refinery_schema_history ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.report_events ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.reports ENABLE ROW LEVEL SECURITY;

ALTER TABLE example.schema_stamp ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_login ON example.alert_events USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.alert_states USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.alert_steps USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.alerts USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.audit USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.critical_limits USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.doctor_numbers USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.documents USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.genetic_holds USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.matches USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.notices USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.observations USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.orders USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.patients USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.raw_messages USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.report_events USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.reports USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

CREATE POLICY tenant_login ON example.users USING ((SESSION_USER = 'example_app'::name)) WITH CHECK ((SESSION_USER = 'example_app'::name));

ALTER TABLE example.users ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA example TO example_app;
GRANT USAGE ON SCHEMA example TO labor_backup;

REVOKE ALL ON LANGUAGE plpgsql FROM PUBLIC;
GRANT ALL ON LANGUAGE plpgsql TO labor_owner;
GRANT ALL ON LANGUAGE plpgsql TO labor_guard;

GRANT SELECT,INSERT ON TABLE example.alert_events TO example_app;
GRANT SELECT ON TABLE example.alert_events TO labor_backup;

GRANT SELECT,INSERT ON TABLE example.alert_states TO example_app;
GRANT SELECT ON TABLE example.alert_states TO labor_backup;

GRANT UPDATE(ended_at) ON TABLE example.alert_states TO example_app;

GRANT SELECT,INSERT ON TABLE example.alert_steps TO example_app;
GRANT SELECT ON TABLE example.alert_steps TO labor_backup;

GRANT UPDATE(ended_at) ON TABLE example.alert_steps TO example_app;

GRANT UPDATE(ended_by) ON TABLE example.alert_steps TO example_app;

GRANT SELECT,INSERT ON TABLE example.alerts TO example_app;
GRANT SELECT ON TABLE example.alerts TO labor_backup;

GRANT SELECT,INSERT ON TABLE example.audit TO example_app;
GRANT SELECT ON TABLE example.audit TO labor_backup;

GRANT SELECT,INSERT ON TABLE example.critical_limits TO example_app;
GRANT SELECT ON TABLE example.critical_limits TO labor_backup;

GRANT UPDATE(ended_at) ON TABLE example.critical_limits TO example_app;

GRANT UPDATE(ended_by) ON TABLE example.critical_limits TO example_app;

GRANT SELECT,INSERT ON TABLE example.doctor_numbers TO example_app;
GRANT SELECT ON TABLE example.doctor_numbers TO labor_backup;

GRANT UPDATE(ended_at) ON TABLE example.doctor_numbers TO example_app;

GRANT SELECT,INSERT ON TABLE example.documents TO example_app;
GRANT SELECT ON TABLE example.documents TO labor_backup;

GRANT UPDATE(scan_state) ON TABLE example.documents TO example_app;

GRANT SELECT,INSERT ON TABLE example.genetic_holds TO example_app;
GRANT SELECT ON TABLE example.genetic_holds TO labor_backup;

GRANT SELECT,INSERT ON TABLE example.matches TO example_app;
GRANT SELECT ON TABLE example.matches TO labor_backup;

GRANT SELECT,INSERT ON TABLE example.notices TO example_app;
GRANT SELECT ON TABLE example.notices TO labor_backup;

GRANT SELECT,INSERT ON TABLE example.observations TO example_app;
GRANT SELECT ON TABLE example.observations TO labor_backup;

GRANT SELECT,INSERT,UPDATE ON TABLE example.orders TO example_app;
GRANT SELECT ON TABLE example.orders TO labor_backup;

GRANT SELECT,INSERT,UPDATE ON TABLE example.patients TO example_app;
GRANT SELECT ON TABLE example.patients TO labor_backup;

GRANT SELECT,INSERT ON TABLE example.raw_messages TO example_app;
GRANT SELECT ON TABLE example.raw_messages TO labor_backup;

GRANT UPDATE(body) ON TABLE example.raw_messages TO example_app;

GRANT UPDATE(state) ON TABLE example.raw_messages TO example_app;

GRANT UPDATE(reason) ON TABLE example.raw_messages TO example_app;

GRANT UPDATE(format) ON TABLE example.raw_messages TO example_app;

GRANT UPDATE(charset) ON TABLE example.raw_messages TO example_app;

GRANT UPDATE(warnings) ON TABLE example.raw_messages TO example_app;

GRANT UPDATE(processed_at) ON TABLE example.raw_messages TO example_app;

GRANT SELECT ON TABLE example.refinery_schema_history TO labor_backup;

GRANT SELECT,INSERT ON TABLE example.report_events TO example_app;
GRANT SELECT ON TABLE example.report_events TO labor_backup;

GRANT SELECT,INSERT ON TABLE example.reports TO example_app;
GRANT SELECT ON TABLE example.reports TO labor_backup;

GRANT UPDATE(patient_id) ON TABLE example.reports TO example_app;

GRANT UPDATE(superseded_by) ON TABLE example.reports TO example_app;

GRANT UPDATE(invalidates_earlier) ON TABLE example.reports TO example_app;

GRANT UPDATE(confirmed_at) ON TABLE example.reports TO example_app;

GRANT UPDATE(released_at) ON TABLE example.reports TO example_app;

GRANT UPDATE(released_by) ON TABLE example.reports TO example_app;

GRANT UPDATE(release_id) ON TABLE example.reports TO example_app;

GRANT SELECT ON TABLE example.schema_stamp TO labor_backup;

GRANT SELECT,INSERT ON TABLE example.users TO example_app;
GRANT SELECT ON TABLE example.users TO labor_backup;

GRANT UPDATE(username) ON TABLE example.users TO example_app;

GRANT UPDATE(password_hash) ON TABLE example.users TO example_app;

GRANT UPDATE(role) ON TABLE example.users TO example_app;

GRANT UPDATE(display_name) ON TABLE example.users TO example_app;

GRANT UPDATE(patient_id) ON TABLE example.users TO example_app;

GRANT UPDATE(active) ON TABLE example.users TO example_app;

