//! Figures as text for Prometheus' textfile collector.
//! Must stay true: no figure has a label or names a tenant; what is not known is left out, not zero.
use std::fmt::Write as _;

/// Name, what it means, and how much it is.
pub(crate) type Figure = (&'static str, &'static str, Option<i64>);

pub(crate) fn text(figures: &[Figure]) -> String {
    let mut text = String::new();
    for (name, help, value) in figures {
        if let Some(value) = value {
            let _ = writeln!(
                text,
                "# HELP labor_backup_{name} {help}\n# TYPE labor_backup_{name} gauge\nlabor_backup_{name} {value}"
            );
        }
    }
    text
}

/// How many there are.
pub(crate) fn count<T>(all: impl IntoIterator<Item = T>, wanted: impl Fn(&T) -> bool) -> Option<i64> {
    i64::try_from(all.into_iter().filter(wanted).count()).ok()
}
