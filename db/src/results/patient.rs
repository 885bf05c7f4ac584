//! Which patient of the practice a record is about.
//! Must stay true: two people never become one. A patient is recognised by family name, given name, birth date and sex (a sex
//! that was not sent is a value of its own); when insurance or patient numbers contradict, nobody is chosen and nothing changes.
use uuid::Uuid;

use super::{Subject, chain};
use crate::DbError;
use crate::session::Unit;
use crate::statements::statements;

statements! { Patient {
    FIND_OR_MAKE =
        "INSERT INTO patients (id, identity_key, patient_number, family_name, given_name, birth_date, sex, insurance_number)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (identity_key) DO UPDATE
            SET patient_number   = coalesce(patients.patient_number, EXCLUDED.patient_number),
                insurance_number = coalesce(patients.insurance_number, EXCLUDED.insurance_number)
          WHERE coalesce(patients.patient_number = EXCLUDED.patient_number, true)
            AND coalesce(patients.insurance_number = EXCLUDED.insurance_number, true)
         RETURNING id";
} }

/// The patient, made when there is none. `None`, for a person to decide, when the sender did not say enough or contradicts what
/// is known.
pub(super) async fn find_or_make(unit: &Unit<'_>, subject: &Subject) -> Result<Option<Uuid>, DbError> {
    let (Some(family), Some(given), Some(birth)) = (&subject.family_name, &subject.given_name, subject.birth_date)
    else {
        return Ok(None);
    };
    let sex = subject.sex.unwrap_or("unknown");
    let key = chain::hex_digest(&[&normal(family), &normal(given), &birth.to_string(), sex]);
    // A contradicted row is not updated, so it is not returned.
    let rows = unit
        .query(
            FIND_OR_MAKE,
            &[&Uuid::now_v7(), &key, &subject.patient_number, family, given, &birth, &sex, &subject.insurance_number],
        )
        .await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// A name as it is compared.
pub(super) fn normal(name: &str) -> String {
    name.trim().to_lowercase()
}
