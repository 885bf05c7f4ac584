//! How well a patient fits what a laboratory sent, and who is chosen without asking anybody.
//! Must stay true: no I/O; the same input gives the same answer. Two people never become one: whoever contradicts in birth date, given name,
//! sex or numbers is never chosen here, nor whose number alone agrees, and between two who both could be meant nobody is.
use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Subject;
use super::name::{self, Likeness};

/// From here on somebody is matched automatically.
pub(crate) const ENOUGH: u8 = 80;
/// From here on somebody could be meant, so nobody else is chosen and no new patient is made.
pub(crate) const POSSIBLE: u8 = 60;

/// What agrees or contradicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A report of the same order is this patient's.
    OrderNumber,
    /// Another version of the report is this patient's.
    SameReport,
    /// A person matched the very same data of the same source to this patient.
    DecidedBefore,
    /// The same Versicherten-ID.
    InsuranceNumber,
    /// The same number of the practice.
    PatientNumber,
    /// The same family name.
    FamilyName,
    /// A part of a double name.
    FamilyNameSimilar,
    /// The same given name.
    GivenName,
    /// One of several given names, or its initial.
    GivenNameSimilar,
    /// The same complete birth date.
    BirthDate,
    /// Of one birth date only a part is known, and it fits.
    BirthDatePartly,
    /// The same sex.
    Sex,
    /// On neither side a sex is known.
    SexNotKnown,
    /// Nobody fitted: the patient was made from this report.
    NewPatient,
    /// Another Versicherten-ID.
    InsuranceNumberDiffers,
    /// Another number of the practice.
    PatientNumberDiffers,
    /// Another birth date.
    BirthDateDiffers,
    /// Another family name.
    FamilyNameDiffers,
    /// Another given name.
    GivenNameDiffers,
    /// Another sex.
    SexDiffers,
    /// A person said that this report is not this patient's.
    UnmatchedBefore,
}

impl Reason {
    /// All of them, for what is read from the database.
    const ALL: [Self; 21] = [
        Self::OrderNumber,
        Self::SameReport,
        Self::DecidedBefore,
        Self::InsuranceNumber,
        Self::PatientNumber,
        Self::FamilyName,
        Self::FamilyNameSimilar,
        Self::GivenName,
        Self::GivenNameSimilar,
        Self::BirthDate,
        Self::BirthDatePartly,
        Self::Sex,
        Self::SexNotKnown,
        Self::NewPatient,
        Self::InsuranceNumberDiffers,
        Self::PatientNumberDiffers,
        Self::BirthDateDiffers,
        Self::FamilyNameDiffers,
        Self::GivenNameDiffers,
        Self::SexDiffers,
        Self::UnmatchedBefore,
    ];

    /// As it is stored. Codes are never changed: old rows have them.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::OrderNumber => "order_number",
            Self::SameReport => "same_report",
            Self::DecidedBefore => "decided_before",
            Self::InsuranceNumber => "insurance_number",
            Self::PatientNumber => "patient_number",
            Self::FamilyName => "family_name",
            Self::FamilyNameSimilar => "family_name_similar",
            Self::GivenName => "given_name",
            Self::GivenNameSimilar => "given_name_similar",
            Self::BirthDate => "birth_date",
            Self::BirthDatePartly => "birth_date_partly",
            Self::Sex => "sex",
            Self::SexNotKnown => "sex_not_known",
            Self::NewPatient => "new_patient",
            Self::InsuranceNumberDiffers => "insurance_number_differs",
            Self::PatientNumberDiffers => "patient_number_differs",
            Self::BirthDateDiffers => "birth_date_differs",
            Self::FamilyNameDiffers => "family_name_differs",
            Self::GivenNameDiffers => "given_name_differs",
            Self::SexDiffers => "sex_differs",
            Self::UnmatchedBefore => "unmatched_before",
        }
    }

    /// From a stored code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    const fn points(self) -> i32 {
        match self {
            Self::SameReport => 100,
            Self::OrderNumber => 80,
            Self::InsuranceNumber => 60,
            Self::PatientNumber => 40,
            Self::BirthDate => 30,
            Self::FamilyName => 25,
            Self::GivenName | Self::DecidedBefore => 20,
            Self::FamilyNameSimilar | Self::GivenNameSimilar | Self::BirthDatePartly => 15,
            Self::Sex | Self::SexNotKnown => 5,
            // People marry.
            Self::FamilyNameDiffers => -10,
            Self::SexDiffers => -25,
            Self::GivenNameDiffers => -30,
            Self::NewPatient
            | Self::InsuranceNumberDiffers
            | Self::PatientNumberDiffers
            | Self::BirthDateDiffers
            | Self::UnmatchedBefore => 0,
        }
    }

    /// Whether nobody is matched automatically against it.
    const fn excludes(self) -> bool {
        matches!(
            self,
            Self::InsuranceNumberDiffers
                | Self::PatientNumberDiffers
                | Self::BirthDateDiffers
                | Self::GivenNameDiffers
                | Self::SexDiffers
                | Self::UnmatchedBefore
        )
    }

    /// Whether it speaks against the patient.
    #[must_use]
    pub const fn contradicts(self) -> bool {
        self.excludes() || matches!(self, Self::FamilyNameDiffers)
    }
}

/// A patient of the practice, as far as it matters for who is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Known {
    /// Id of the patient.
    pub id: Uuid,
    /// Family name.
    pub family_name: String,
    /// Given name.
    pub given_name: Option<String>,
    /// Birth date, if it is known completely.
    pub birth_date: Option<NaiveDate>,
    /// What is known of the birth date, such as 1966-10, if it is not complete.
    pub birth_date_text: Option<String>,
    /// male, female, other or unknown.
    pub sex: String,
    /// Versicherten-ID.
    pub insurance_number: Option<String>,
    /// The practice's own number.
    pub patient_number: Option<String>,
}

/// How well a patient fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scored {
    reasons: Vec<Reason>,
}

impl Scored {
    /// 0 to 100.
    pub(crate) fn points(&self) -> u8 {
        self.sum(|_| true)
    }

    /// Without what a person decided: that must not break a tie.
    fn on_its_own(&self) -> u8 {
        self.sum(|reason| reason != Reason::DecidedBefore)
    }

    fn sum(&self, counts: impl Fn(Reason) -> bool) -> u8 {
        let sum: i32 = self.reasons.iter().filter(|reason| counts(**reason)).map(|reason| reason.points()).sum();
        u8::try_from(sum.clamp(0, 100)).unwrap_or_default()
    }

    /// In a fixed order, what agrees first.
    pub(crate) fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    pub(crate) fn has(&self, reason: Reason) -> bool {
        self.reasons.contains(&reason)
    }

    /// Whether a person has to decide. A number of the practice that is another is no obstacle once a person has seen just that and decided.
    pub(crate) fn excluded(&self) -> bool {
        self.reasons.iter().any(|reason| {
            reason.excludes() && !(*reason == Reason::PatientNumberDiffers && self.has(Reason::DecidedBefore))
        })
    }

    /// Whether it is more than numbers that agree, which families share and practices and insurers give out again. The given name must fit,
    /// and the birth date wholly, or at least as far as it is known if the family's name and a number agree too.
    fn names_the_person(&self) -> bool {
        let any = |reasons: &[Reason]| reasons.iter().any(|reason| self.has(*reason));
        let born = self.has(Reason::BirthDate)
            || (self.has(Reason::BirthDatePartly)
                && self.has(Reason::FamilyName)
                && any(&[Reason::InsuranceNumber, Reason::PatientNumber]));
        any(&[Reason::OrderNumber, Reason::SameReport, Reason::DecidedBefore])
            || (born && any(&[Reason::GivenName, Reason::GivenNameSimilar]))
    }

    /// Whether nobody has to be asked.
    pub(crate) fn suffices(&self) -> bool {
        self.points() >= ENOUGH && !self.excluded() && self.names_the_person()
    }

    /// Whether it makes a difference that a person decided so before.
    pub(crate) fn may_be_decided(&self) -> bool {
        self.on_its_own() >= POSSIBLE && !self.suffices() && !self.clone().with(Reason::DecidedBefore).excluded()
    }

    /// Whether anything that was said speaks against it.
    pub(crate) fn contradicted(&self) -> bool {
        self.reasons.iter().any(|reason| reason.contradicts())
    }

    /// The same with one more.
    pub(crate) fn with(mut self, reason: Reason) -> Self {
        if !self.has(reason) {
            self.reasons.push(reason);
            self.reasons.sort();
        }
        self
    }
}

/// Compares what was sent with a patient.
pub(crate) fn score(subject: &Subject, patient: &Known) -> Scored {
    let likeness = |sent: &Option<String>, known: Option<&str>| name::compare(sent.as_deref()?, known?);
    let family = likeness(&subject.family_name, Some(&patient.family_name)).map(|likeness| match likeness {
        Likeness::Same => Reason::FamilyName,
        // A part: of a given name also its initial, which says nothing of a family's.
        Likeness::Part => Reason::FamilyNameSimilar,
        Likeness::Initial | Likeness::Other => Reason::FamilyNameDiffers,
    });
    let given = likeness(&subject.given_name, patient.given_name.as_deref()).map(|likeness| match likeness {
        Likeness::Same if subject.given_name.as_deref().is_some_and(name::is_initial) => Reason::GivenNameSimilar,
        Likeness::Same => Reason::GivenName,
        Likeness::Part | Likeness::Initial => Reason::GivenNameSimilar,
        Likeness::Other => Reason::GivenNameDiffers,
    });
    let number = |sent: &Option<String>, known: &Option<String>, same, other| {
        let (sent, known) = (sent.as_deref()?.trim(), known.as_deref()?.trim());
        (!sent.is_empty() && !known.is_empty()).then(|| if sent.eq_ignore_ascii_case(known) { same } else { other })
    };
    let mut reasons: Vec<Reason> = [
        number(
            &subject.insurance_number,
            &patient.insurance_number,
            Reason::InsuranceNumber,
            Reason::InsuranceNumberDiffers,
        ),
        number(&subject.patient_number, &patient.patient_number, Reason::PatientNumber, Reason::PatientNumberDiffers),
        family,
        given,
        birth(subject, patient),
        sex(subject, patient),
    ]
    .into_iter()
    .flatten()
    .collect();
    reasons.sort();
    Scored { reasons }
}

fn birth(subject: &Subject, patient: &Known) -> Option<Reason> {
    let sent = Born::of(subject.birth_date, subject.birth_date_text.as_deref())?;
    let known = Born::of(patient.birth_date, patient.birth_date_text.as_deref())?;
    Some(match (&sent, &known) {
        (Born::Day(sent), Born::Day(known)) if sent == known => Reason::BirthDate,
        (Born::Day(_), Born::Day(_)) => Reason::BirthDateDiffers,
        _ if sent.fits(&known) || known.fits(&sent) => Reason::BirthDatePartly,
        _ => Reason::BirthDateDiffers,
    })
}

fn sex(subject: &Subject, patient: &Known) -> Option<Reason> {
    let said = |sex: &str| sex != "unknown" && !sex.is_empty();
    let sent = subject.sex.unwrap_or("unknown");
    match (said(sent), said(&patient.sex)) {
        (true, true) if sent == patient.sex => Some(Reason::Sex),
        (true, true) => Some(Reason::SexDiffers),
        (false, false) => Some(Reason::SexNotKnown),
        _ => None,
    }
}

/// What is known of a birth date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Born {
    /// All of it.
    Day(NaiveDate),
    /// Year, or year and month: `1966`, `1966-10`.
    Part(String),
}

impl Born {
    /// `None` when nothing is known, or nothing that is a date.
    pub(crate) fn of(day: Option<NaiveDate>, part: Option<&str>) -> Option<Self> {
        if let Some(day) = day {
            return Some(Self::Day(day));
        }
        let part = part?.trim();
        first_and_last(part).map(|_| Self::Part(part.to_owned()))
    }

    /// The first and the last day that it can be.
    pub(crate) fn range(&self) -> Option<(NaiveDate, NaiveDate)> {
        match self {
            Self::Day(day) => Some((*day, *day)),
            Self::Part(part) => first_and_last(part),
        }
    }

    /// Whether this, of which less is known, can be the other.
    fn fits(&self, other: &Self) -> bool {
        let (Some((first, last)), Some((other_first, other_last))) = (self.range(), other.range()) else {
            return false;
        };
        first <= other_first && other_last <= last
    }
}

fn first_and_last(part: &str) -> Option<(NaiveDate, NaiveDate)> {
    let (year, month) = part.split_once('-').map_or((part, None), |(year, month)| (year, Some(month)));
    let digits = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(year, 4) || month.is_some_and(|month| !digits(month, 2)) {
        return None;
    }
    let year: i32 = year.parse().ok()?;
    let Some(month) = month else {
        return Some((NaiveDate::from_ymd_opt(year, 1, 1)?, NaiveDate::from_ymd_opt(year, 12, 31)?));
    };
    let first = NaiveDate::from_ymd_opt(year, month.parse().ok()?, 1)?;
    Some((first, first.checked_add_months(chrono::Months::new(1))?.pred_opt()?))
}

/// Who is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// This one.
    Patient(Uuid, Scored),
    /// Nobody could be meant.
    Nobody,
    /// Somebody could be meant, but not surely: a person decides.
    Unsure,
}

/// Chooses among those who were found.
pub(crate) fn choose(candidates: Vec<(Uuid, Scored)>) -> Choice {
    let mut possible = candidates.into_iter().filter(|(_, scored)| scored.on_its_own() >= POSSIBLE);
    match (possible.next(), possible.next()) {
        (None, _) => Choice::Nobody,
        (Some((id, scored)), None) if scored.suffices() => Choice::Patient(id, scored),
        _ => Choice::Unsure,
    }
}

#[cfg(test)]
mod tests;
