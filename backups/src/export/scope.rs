//! Of whom an export is: of a whole practice, or of one patient who asks for a copy of their data (GDPR, Article 15).
//!
//! Must stay true: every table of the catalogue is named here, so that nobody forgets a new one (a test compares); a patient's copy holds
//! no row of another patient, and so neither messages as they were sent nor what people wrote about reports, in which others can be named;
//! it holds no genetic result that its responsible doctor has not released (GenDG, section 11). What is not in it is said.
use uuid::Uuid;

const REPORT: &str = "report_id IN (SELECT r.id FROM reports r WHERE {reports})";
const PEOPLE: &str = "what people of the practice did with reports and wrote about them; others can be named in it";
const PRACTICE: &str = "about the practice and not about patients";

/// The patient's reports, of `reports r`. What is genetic is theirs once it was released: this is no way around the doctor.
const REPORTS: &str = "r.patient_id = '{patient}'
    AND (r.released_at IS NOT NULL OR NOT (r.genetic OR EXISTS (SELECT FROM genetic_holds h WHERE h.report_id = r.id)))";

/// Which rows of a table are one patient's, or why it is not in their copy.
#[rustfmt::skip]
const ROWS: &[(&str, Result<&str, &str>)] = &[
    ("refinery_schema_history", Err(PRACTICE)),
    ("schema_stamp",            Err(PRACTICE)),
    ("patients",                Ok("id = '{patient}'")),
    ("users",                   Ok("patient_id = '{patient}'")),
    ("doctor_numbers",          Err(PRACTICE)),
    ("raw_messages",            Err("messages as laboratories sent them: results of other people can be in them")),
    ("orders",                  Ok("id IN (SELECT r.order_id FROM reports r WHERE {reports})")),
    ("reports",                 Ok("id IN (SELECT r.id FROM reports r WHERE {reports})")),
    ("observations",            Ok(REPORT)),
    ("documents",               Ok(REPORT)),
    ("matches",                 Err(PEOPLE)),
    ("notices",                 Err(PEOPLE)),
    ("report_events",           Err(PEOPLE)),
    ("genetic_holds",           Err(PEOPLE)),
    ("critical_limits",         Err(PRACTICE)),
    ("alert_steps",             Err(PRACTICE)),
    ("alerts",                  Err(PEOPLE)),
    ("alert_events",            Err(PEOPLE)),
    ("alert_states",            Err(PEOPLE)),
    // Who looked at their record and at these reports; not the patient to whom one of them once was matched.
    ("audit",                   Ok("(object_id = '{patient}' OR object_id IN (SELECT r.id FROM reports r WHERE {reports}))
                                    AND (actor_role <> 'patient' OR actor IN (SELECT u.id::text FROM users u WHERE u.patient_id = '{patient}'))")),
];

/// Of whom an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Practice,
    Patient(Uuid),
}

impl Scope {
    /// SQL that tells which rows of this table are in it, or why none is.
    pub(super) fn rows(self, table: &str) -> Result<String, &'static str> {
        let Self::Patient(patient) = self else { return Ok("true".to_owned()) };
        let known = ROWS.iter().find(|(name, _)| *name == table);
        let rows = known.map_or(
            Err("not known to this version of labor-backup: export it with the one that goes with the schema"),
            |(_, rows)| *rows,
        )?;
        Ok(rows.replace("{reports}", REPORTS).replace("{patient}", &patient.to_string()))
    }

    /// SQL that tells which of `reports r` are in it.
    pub(super) fn reports(self) -> String {
        match self {
            Self::Practice => "true".to_owned(),
            Self::Patient(patient) => REPORTS.replace("{patient}", &patient.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_the_catalogue_is_somebodys_or_nobodys() {
        let mut tables: Vec<_> = labor_catalog::catalogue::TENANT.iter().map(|column| column.table).collect();
        tables.dedup();
        let mut named: Vec<_> = ROWS.iter().map(|(table, _)| *table).collect();
        tables.sort_unstable();
        named.sort_unstable();
        assert_eq!(named, tables);
    }

    #[test]
    fn what_is_not_known_is_not_one_patients() {
        assert!(Scope::Patient(Uuid::nil()).rows("raw_messages").is_err());
        assert!(Scope::Patient(Uuid::nil()).rows("new_table").unwrap_err().contains("not known"));
        assert_eq!(Scope::Practice.rows("new_table").as_deref(), Ok("true"));
    }
}
