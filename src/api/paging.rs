//! `?limit=` and `?after=` of lists.
use labor_db::claims::Cursor;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::problem::Problem;

const DEFAULT: u16 = 50;
const MOST: u16 = 200;

/// Paging of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// Rows on a page, 1 to 200; 50 without it.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u16>,
    /// `next` of the page before.
    pub(crate) after: Option<String>,
}

impl Paging {
    pub(crate) fn parse(&self) -> Result<(Option<Cursor>, u16), Problem> {
        let limit = self.limit.unwrap_or(DEFAULT);
        if !(1..=MOST).contains(&limit) {
            return Err(Problem::bad_request(format!("limit must be 1 to {MOST}")));
        }
        let after = match &self.after {
            None => None,
            Some(text) => Some(
                Cursor::decode(text)
                    .ok_or_else(|| Problem::bad_request("after must be the `next` of the page before"))?,
            ),
        };
        Ok((after, limit))
    }
}
