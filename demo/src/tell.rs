//! Says what is being done, in a line each, with its time.
use std::fmt::Display;
use std::time::Instant;

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;

/// Tells, and keeps the time.
pub(crate) struct Teller {
    start: Instant,
}

impl Teller {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// Does something and says how long it took.
    pub(crate) async fn during<T, E>(
        &self,
        what: impl Display,
        doing: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let began = Instant::now();
        let result = doing.await;
        let mark = if result.is_ok() { "✓" } else { "✗" };
        println!("{mark} {what} ({:.2} s)", began.elapsed().as_secs_f64());
        result
    }

    pub(crate) fn finished(&self) {
        println!("✓ everything was as it must be, in {:.1} s", self.start.elapsed().as_secs_f64());
    }
}

/// A table with these columns.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    table
}
