//! The rows of a seeded practice: two patients, their users, and reports in every state that matters for who may see them.
use uuid::Uuid;

/// Keys and the mark of a practice's rows.
#[derive(Clone, Debug)]
pub(crate) struct Seeds {
    number: u32,
    /// Stands in every row that only this practice may see.
    pub(crate) mark: String,
}

/// Which row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Row {
    PatientOne = 1,
    PatientTwo = 2,
    Admin = 11,
    Doctor = 12,
    Technician = 13,
    /// The user of patient one.
    UserOne = 14,
    /// The user of patient two.
    UserTwo = 15,
    Message = 21,
    OrderOne = 31,
    OrderTwo = 32,
    /// Of patient one; nothing of it is released.
    OrderThree = 33,
    /// Of patient one, released.
    Released = 41,
    /// Of patient one, not released.
    Unreleased = 42,
    /// Of patient one, genetic.
    Genetic = 43,
    /// Of patient two, released.
    OfTheOther = 44,
    /// Of nobody who was found, although somebody released it.
    Unmatched = 45,
    Audit = 61,
    /// About a value of the unreleased report.
    Alert = 71,
    /// About the same report as a whole: it counts no more, which is not yet noted among the open ones.
    EndedAlert = 72,
    /// That the same value changed much.
    ChangeAlert = 73,
    Limit = 74,
}

/// All reports, with patient, whether released, whether genetic.
const REPORTS: [(Row, Option<Row>, bool, bool); 5] = [
    (Row::Released, Some(Row::PatientOne), true, false),
    (Row::Unreleased, Some(Row::PatientOne), false, false),
    (Row::Genetic, Some(Row::PatientOne), false, true),
    (Row::OfTheOther, Some(Row::PatientTwo), true, false),
    (Row::Unmatched, None, true, false),
];

impl Seeds {
    pub(crate) fn new(number: u32, name: &str) -> Self {
        Self { number, mark: format!("GEHEIM-{name}") }
    }

    /// The key of a row.
    pub(crate) fn id(&self, row: Row) -> Uuid {
        self.key(row as u32)
    }

    /// The key of the one value of a report.
    pub(crate) fn value_of(&self, report: Row) -> Uuid {
        self.key(100 + report as u32)
    }

    /// The key of the one document of a report.
    pub(crate) fn document_of(&self, report: Row) -> Uuid {
        self.key(200 + report as u32)
    }

    /// The key of the notice for a user.
    pub(crate) fn notice_of(&self, user: Row) -> Uuid {
        self.key(300 + user as u32)
    }

    fn key(&self, number: u32) -> Uuid {
        Uuid::from_u128((0x0190_0000_0000_7000_8000 << 48) | (u128::from(self.number) << 32) | u128::from(number))
    }

    /// User name of a user row.
    pub(crate) fn username(row: Row) -> String {
        format!("user{}", row as u32)
    }
}

/// Statements that write the rows, for a superuser: row rules do not bind one.
pub(crate) fn sql(tenant: &str, seeds: &Seeds) -> String {
    let mark = &seeds.mark;
    let id = |row: Row| seeds.id(row);
    let mut text = format!("BEGIN; SET LOCAL search_path = {tenant};\n");
    for (row, order, patient) in [(Row::PatientOne, Row::OrderOne, "Eins"), (Row::PatientTwo, Row::OrderTwo, "Zwei")] {
        text += &format!(
            "INSERT INTO patients (id, identity_key, family_name, given_name, insurance_number)
             VALUES ('{0}', encode(sha256('{0}'), 'hex'), '{mark}', '{patient}', '{mark}');
             INSERT INTO orders (id, laboratory, lab_order_number, patient_id) VALUES ('{1}', '{mark}', '{1}', '{0}');\n",
            id(row),
            id(order)
        );
    }
    text += &format!(
        "INSERT INTO orders (id, laboratory, lab_order_number, patient_id) VALUES ('{0}', '{mark}', '{0}', '{1}');\n",
        id(Row::OrderThree),
        id(Row::PatientOne)
    );
    text += &users(seeds);
    text += &format!(
        "INSERT INTO raw_messages (id, source_id, sha256, body) VALUES ('{0}', '{0}', sha256('{mark}'), '{mark}');
         INSERT INTO audit (id, actor, actor_role, action, object_kind, outcome)
         VALUES ('{1}', '{mark}', 'admin', 'seed', 'reports', 'success');\n",
        id(Row::Message),
        id(Row::Audit)
    );
    for (index, (report, patient, released, genetic)) in REPORTS.into_iter().enumerate() {
        let patient = patient.map_or("NULL".to_owned(), |row| format!("'{}'", id(row)));
        let released = if released { "now()" } else { "NULL" };
        let order = match report {
            Row::Released => format!("'{}'", id(Row::OrderOne)),
            Row::OfTheOther => format!("'{}'", id(Row::OrderTwo)),
            Row::Unreleased => format!("'{}'", id(Row::OrderThree)),
            _ => "NULL".to_owned(),
        };
        text += &format!(
            "INSERT INTO reports (id, raw_message_id, record_index, order_id, patient_id, report_key, version, content_sha256, kind, status,
                                  laboratory_name, genetic, received_at, confirmed_at, released_at)
             VALUES ('{0}', '{1}', {index}, {order}, {patient}, encode(sha256('{0}'), 'hex'), 1, sha256('{0}'), '8205', 'final', '{mark}',
                     {genetic}, now(), now(), {released});
             INSERT INTO observations (id, report_id, position, test_code, status, value_text, effective_at)
             VALUES ('{2}', '{0}', 0, '{mark}', 'final', '{mark}', now());
             INSERT INTO documents (id, report_id, raw_message_id, position, media_type, sha256, size_bytes)
             VALUES ('{3}', '{0}', '{1}', 0, '{mark}', sha256('x'), 1);\n",
            id(report),
            id(Row::Message),
            seeds.value_of(report),
            seeds.document_of(report),
        );
    }
    text += &format!(
        "INSERT INTO report_events (id, report_id, kind, actor, actor_role) VALUES
           (gen_random_uuid(), '{0}', 'seen', '{mark}', 'doctor'), (gen_random_uuid(), '{0}', 'acknowledged', '{mark}', 'doctor'),
           (gen_random_uuid(), '{0}', 'seen', '{1}', 'patient');\n",
        id(Row::Released),
        id(Row::UserOne)
    );
    text += &format!(
        "INSERT INTO matches (id, report_id, kind, patient_id, reasons, comment, actor, actor_role) VALUES
           (gen_random_uuid(), '{0}', 'matched', '{1}', '{{insurance_number}}', NULL, 'worker', 'worker'),
           (gen_random_uuid(), '{2}', 'unmatched', '{1}', '{{}}', '{mark}', '{mark}', 'doctor');\n",
        id(Row::Released),
        id(Row::PatientOne),
        id(Row::Unmatched)
    );
    text += &format!(
        "INSERT INTO doctor_numbers (id, user_id, lanr, ended_at) VALUES (gen_random_uuid(), '{}', '999999900', now());\n",
        id(Row::Doctor)
    );
    for recipient in [Row::Doctor, Row::Technician, Row::UserOne, Row::UserTwo] {
        text += &format!(
            "INSERT INTO notices (id, recipient, report_id, kind, replaced_by) VALUES ('{}', '{}', '{}', 'corrected', '{}');\n",
            seeds.notice_of(recipient),
            id(recipient),
            id(Row::Released),
            id(Row::Unreleased)
        );
    }
    text + &alerts(seeds) + "COMMIT"
}

/// One genetic hold, limit and step of the ladder, and three alerts.
fn alerts(seeds: &Seeds) -> String {
    let (mark, id) = (&seeds.mark, |row: Row| seeds.id(row));
    format!(
        "INSERT INTO genetic_holds (id, report_id, lanr, actor, actor_role) VALUES (gen_random_uuid(), '{genetic}', '999999900', '{mark}', 'worker');
         INSERT INTO critical_limits (id, test_code, unit, tier, high, created_by) VALUES ('{limit}', '{mark}', '', 'phone', 1, '{mark}');
         INSERT INTO alert_steps (id, tier, step, user_id, seconds, created_by) VALUES (gen_random_uuid(), 'phone', 1, '{doctor}', 60, '{mark}');
         INSERT INTO alerts (id, report_id, observation_id, tier, cause, limit_id, test_code, value_text, due_at)
         VALUES ('{alert}', '{report}', '{value}', 'emergency', 'laboratory', NULL, '{mark}', '{mark}', now()),
                ('{ended}', '{report}', NULL, 'emergency', 'laboratory', NULL, NULL, NULL, now()),
                ('{change}', '{report}', '{value}', 'check', 'delta', '{limit}', '{mark}', '{mark}', now());
         INSERT INTO alert_events (id, alert_id, tier, kind, round, step, due_at, actor, actor_role)
         VALUES (gen_random_uuid(), '{alert}', 'emergency', 'raised', 1, 0, now(), '{mark}', 'worker'),
                (gen_random_uuid(), '{ended}', 'emergency', 'superseded', NULL, NULL, NULL, '{mark}', 'worker');
         INSERT INTO alert_states (alert_id) VALUES ('{ended}');\n",
        genetic = id(Row::Genetic),
        doctor = id(Row::Doctor),
        alert = id(Row::Alert),
        ended = id(Row::EndedAlert),
        change = id(Row::ChangeAlert),
        limit = id(Row::Limit),
        report = id(Row::Unreleased),
        value = seeds.value_of(Row::Unreleased),
    )
}

fn users(seeds: &Seeds) -> String {
    let people = [
        (Row::Admin, "admin", None),
        (Row::Doctor, "doctor", None),
        (Row::Technician, "lab_technician", None),
        (Row::UserOne, "patient", Some(Row::PatientOne)),
        (Row::UserTwo, "patient", Some(Row::PatientTwo)),
    ];
    people
        .into_iter()
        .map(|(row, role, patient)| {
            let patient = patient.map_or("NULL".to_owned(), |patient| format!("'{}'", seeds.id(patient)));
            format!(
                "INSERT INTO users (id, username, password_hash, role, display_name, patient_id)
                 VALUES ('{}', '{}', '$argon2id$seed', '{role}', '{}', {patient});\n",
                seeds.id(row),
                Seeds::username(row),
                seeds.mark,
            )
        })
        .collect()
}
