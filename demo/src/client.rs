//! Labor's API as a client program uses it.
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

/// A signed-in user.
pub struct Client {
    base: String,
    token: String,
    http: reqwest::Client,
}

/// A page of reports, as far as the demo shows it.
#[derive(Debug, Deserialize)]
pub struct Page {
    /// The reports.
    pub items: Vec<Summary>,
    /// Where the next page begins; none behind the last one.
    pub next: Option<String>,
}

/// A report in a list.
#[derive(Debug, Deserialize)]
pub struct Summary {
    /// Id.
    pub id: String,
    /// State of the whole.
    pub status: String,
    /// Patient.
    pub family_name: Option<String>,
    /// Patient.
    pub given_name: Option<String>,
    /// Patient.
    pub birth_date: Option<String>,
    /// The practice's order number.
    pub order_number: Option<String>,
    /// Version.
    pub version: i32,
}

/// A report with its values.
#[derive(Debug, Deserialize)]
pub struct Report {
    /// The values.
    pub values: Vec<Observation>,
}

/// One value.
#[derive(Debug, Deserialize)]
pub struct Observation {
    /// Code of the test.
    pub test_code: String,
    /// Name of the test.
    pub test_name: Option<String>,
    /// As sent.
    pub value: Option<String>,
    /// As sent.
    pub unit: Option<String>,
    /// As sent.
    pub flag: Option<String>,
    /// Reference range.
    pub reference_text: Option<String>,
    /// Lower limit.
    pub reference_low: Option<String>,
    /// Upper limit.
    pub reference_high: Option<String>,
}

impl Client {
    /// Signs in.
    ///
    /// # Errors
    /// When the server can't be reached or refuses.
    pub async fn sign_in(base: &str, practice: &str, username: &str, password: &str) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let credentials = json!({ "practice": practice, "username": username, "password": password });
        let answer = http.post(format!("{base}/v1/sign-in")).json(&credentials).send().await?.error_for_status()?;
        let token: Value = answer.json().await?;
        let token = token["access_token"].as_str().unwrap_or_default().to_owned();
        Ok(Self { base: base.to_owned(), token, http })
    }

    /// The access token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The practice's current reports.
    ///
    /// # Errors
    /// When the server can't be reached or refuses.
    pub async fn reports(&self) -> Result<Page, reqwest::Error> {
        self.page(200, None).await
    }

    /// A page of at most so many (1 to 200), the newest or the one that begins at `next` of the one before.
    ///
    /// # Errors
    /// When the server can't be reached or refuses.
    pub async fn page(&self, limit: u16, next: Option<&str>) -> Result<Page, reqwest::Error> {
        let after = next.map_or_else(String::new, |next| format!("&after={next}"));
        self.get(&format!("/v1/reports?limit={limit}{after}")).send().await?.error_for_status()?.json().await
    }

    /// One report.
    ///
    /// # Errors
    /// When the server can't be reached or refuses.
    pub async fn report(&self, id: &str) -> Result<Report, reqwest::Error> {
        self.get(&format!("/v1/reports/{id}")).send().await?.error_for_status()?.json().await
    }

    /// What the server answers when one asks for a report that may be another practice's.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub async fn status_of_report(&self, id: &str) -> Result<StatusCode, reqwest::Error> {
        Ok(self.get(&format!("/v1/reports/{id}")).send().await?.status())
    }

    /// A request with the token.
    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token)
    }
}
