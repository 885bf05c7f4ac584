//! Obj_0054: a moment, as sent and as ISO 8601.

use crate::dates::{self, Order};
use crate::place::{Place, Sent};
use crate::tree::Object;

/// A moment (Timestamp).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timestamp {
    /// Where.
    pub place: Place,
    /// ISO 8601; none if there is no date that exists. Without an offset if the file has no zone (7273).
    pub iso: Option<String>,
    /// What was written beside it (7272).
    pub text: Option<Sent>,
}

impl Timestamp {
    pub(crate) fn of(object: &Object) -> Self {
        let text = |id| object.get(id).map(|field| field.text.as_str());
        let date = text(7278).and_then(|text| dates::date(text, Order::YearFirst)).map(|(date, _)| date);
        let (time, zone) = (text(7279).and_then(dates::time), text(7273).and_then(dates::zone));
        Self {
            place: object.place(),
            iso: date.map(|date| iso(date, time, zone)),
            text: object.get(7272).map(Sent::of),
        }
    }

    /// The first one under an attribute.
    pub(crate) fn under(object: &Object, attribute: u16) -> Option<Self> {
        let mut inside = object.objects();
        inside.find(|inner| inner.attribute.0 == attribute && inner.number == 54).map(Self::of)
    }
}

/// A zone without a time says nothing.
pub(crate) fn iso(date: String, time: Option<String>, zone: Option<String>) -> String {
    match time {
        Some(time) => format!("{date}T{time}{}", zone.unwrap_or_default()),
        None => date,
    }
}
