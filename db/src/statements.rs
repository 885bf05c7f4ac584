//! Every statement that the product runs on a tenant's schema, as a list.
//! Must stay true: [`TenantSession`](crate::TenantSession) runs a `Statement` and nothing else, and a statement can't be made but by
//! `statements!`, which writes the constant and the list in one go: what is not listed can't be run. While a wave of migrations
//! passes, practices are at different versions of the schema; a test prepares the whole list on each of them
//! (`tests/schema/versions.rs`).
//!
//! The text stands in the module that binds its parameters; here are the modules.

/// Gives a module its statements: a constant for each, and their list. A name has two words or more, else the lints take it for an
/// acronym.
macro_rules! statements {
    ($area:ident { $($(#[$about:meta])* $name:ident = $text:expr;)+ }) => {
        /// The statements of this module.
        #[expect(non_camel_case_types, reason = "called as the constants that callers use")]
        #[derive(Debug, Clone, Copy)]
        pub(crate) enum Listed { $($name),+ }

        impl Listed {
            pub(crate) const ALL: &[crate::statements::Statement] = &[$(crate::statements::Statement::$area(Self::$name)),+];

            pub(crate) const fn text(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }

        $($(#[$about])* pub(crate) const $name: crate::statements::Statement = crate::statements::Statement::$area(Listed::$name);)+
    };
}
pub(crate) use statements;

/// Names the modules that have statements.
macro_rules! areas {
    ($($area:ident = $($module:ident)::+,)+) => {
        /// A statement of one of the modules.
        #[derive(Debug, Clone, Copy)]
        pub(crate) enum Statement { $($area(crate::$($module)::+::Listed)),+ }

        impl Statement {
            /// Its SQL.
            pub(crate) const fn text(self) -> &'static str {
                match self { $(Self::$area(listed) => listed.text()),+ }
            }
        }

        const ALL: &[&[Statement]] = &[$(crate::$($module)::+::Listed::ALL),+];
    };
}

areas! {
    Session = session,
    Users = users,
    Messages = messages,
    Arrived = messages::arrived,
    Reports = reports,
    Values = reports::values,
    Events = events,
    Notices = notices,
    Results = results,
    Chain = results::chain,
    Insert = results::insert,
    Compare = results::compare,
    Reread = results::reread,
    Withdrawn = results::withdrawn,
    Patient = results::patient,
    Order = results::order,
    Matching = matching,
    Decide = matching::decide,
    Raise = alerts::raise,
    Timer = alerts::timer,
    ReadAlerts = alerts::read,
    Outcomes = alerts::outcome,
    Limits = alerts::limits,
    Ladder = alerts::ladder,
    Summary = alerts::summary,
    Releases = releases,
}

/// Name and SQL of every statement that is run on a tenant's schema, for the tests that hold them against its versions.
pub fn all() -> impl Iterator<Item = (String, &'static str)> {
    ALL.iter().copied().flatten().map(|statement| (format!("{statement:?}"), statement.text()))
}
