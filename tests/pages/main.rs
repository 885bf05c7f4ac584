//! The pages in a real Chromium, as a doctor uses them. Also makes the pictures in the README: `LABOR_SCREENSHOTS=docs/images
//! cargo test --test pages`.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod alerts;
mod browser;
mod matching;

use std::path::Path;
use std::time::Duration;

use fantoccini::error::CmdError;
use fantoccini::{Client, Locator};
use labor_testing::{Platform, Running, Server, postgres, scratch, until};

use crate::browser::Browser;

const PASSWORD: &str = "a password for tests";

/// A practice with the samples in it, served.
struct Practice {
    server: Server,
    database: String,
    /// Opaque name of the first practice.
    tenant: String,
    _worker: Running,
}

async fn practice(name: &str) -> Practice {
    let platform = Platform::create(postgres().await, &scratch().await.unwrap().join(name), name).await.unwrap();
    let tenant = platform.practice("mustermann", "Praxis Dr. Erika Mustermann", "123456700").await.unwrap();
    platform.practice("beispiel", "Praxis Dr. Bernd Beispiel", "222222200").await.unwrap();
    for slug in ["mustermann", "beispiel"] {
        platform.user(slug, "doctor", "Dr. Test", "doctor", PASSWORD).await.unwrap();
    }
    let source = platform.source("laboratory").await.unwrap();
    let server = platform.serve().await.unwrap();
    let worker = platform.work(&[]).await.unwrap();
    let sender = platform.sender(&server, &source).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("formats/ldt/tests/fixtures/good");
    let mut samples: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    samples.sort();
    for sample in samples.iter().filter(|path| path.extension().is_some_and(|e| e == "ldt")) {
        assert_eq!(sender.send(&std::fs::read(sample).unwrap()).await.unwrap().status, 202);
    }
    platform.until_idle(postgres().await, Duration::from_secs(60)).await.unwrap();
    Practice { server, database: platform.database().to_owned(), tenant, _worker: worker }
}

async fn sign_in(page: &Client, base: &str, practice: &str, password: &str) {
    page.goto(&format!("{base}/")).await.unwrap();
    for (field, text) in [("practice", practice), ("username", "doctor"), ("password", password)] {
        let field = page.find(Locator::Css(&format!("input[name={field}]"))).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }
    follow(page, "form[action='/sign-in'] button").await;
}

async fn picture(page: &Client, name: &str) {
    if let Some(folder) = std::env::var_os("LABOR_SCREENSHOTS") {
        std::fs::write(Path::new(&folder).join(name), page.screenshot().await.unwrap()).unwrap();
    }
}

/// Clicks what leads to another page, and waits until the page that was clicked on is gone: what is asked next is asked of the new one.
async fn follow(page: &Client, css: &str) {
    let before = page.find(Locator::Css("html")).await.unwrap();
    page.wait().for_element(Locator::Css(css)).await.unwrap().click().await.unwrap();
    until("the next page", Duration::from_secs(30), async || {
        let error = before.tag_name().await.err().filter(CmdError::is_stale_element_reference);
        Ok(error.map(drop).ok_or_else(|| "the former page is still there".to_owned()))
    })
    .await
    .unwrap();
}

async fn text(page: &Client, css: &str) -> String {
    page.wait().for_element(Locator::Css(css)).await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn a_doctor_signs_in_reads_a_report_and_signs_out() {
    let practice = practice("pages_doctor").await;
    let browser = Browser::start().await;
    let page = &browser.page;
    sign_in(page, &practice.server.base, "mustermann", "wrong password").await;
    assert!(text(page, "[role=alert]").await.contains("not accepted"));
    sign_in(page, &practice.server.base, "mustermann", PASSWORD).await;
    assert!(text(page, "header").await.contains("Praxis Dr. Erika Mustermann"));
    let inbox = text(page, "table#reports").await;
    assert!(inbox.contains("Müller, Jürgen") && inbox.contains("Critical"), "{inbox}");
    picture(page, "inbox.png").await;
    follow(page, "tr.critical a").await;
    let values = text(page, "table#values").await;
    picture(page, "report.png").await;
    for part in ["Kalium", "7.1", "mmol/l", "3.5", "5.1", "ritically high"] {
        assert!(values.contains(part), "{part} is not in {values}");
    }
    assert_eq!(page.title().await.unwrap(), "Report – Labor", "no name in a title or address");
    assert!(!page.current_url().await.unwrap().as_str().contains("ller"));
    acknowledges_and_reads_a_notice(page, &practice).await;
    follow(page, "#sign-out").await;
    page.goto(&format!("{}/inbox", practice.server.base)).await.unwrap();
    assert!(page.current_url().await.unwrap().path().starts_with("/sign-in"));
    browser.end().await;
}

/// From the page of the critical report, which was opened a moment ago.
async fn acknowledges_and_reads_a_notice(page: &Client, practice: &Practice) {
    page.find(Locator::Css("#comment")).await.unwrap().send_keys("called the patient").await.unwrap();
    follow(page, "#acknowledge button").await;
    let row = text(page, "table#reports tr.critical").await;
    assert!(
        !row.contains("Not acknowledged") && text(page, "table#reports").await.contains("Not acknowledged"),
        "{row}"
    );
    follow(page, "tr.critical a").await;
    let events = text(page, "#events").await;
    assert!(
        events.contains("acknowledged by Dr. Test – called the patient") && events.contains("first opened"),
        "{events}"
    );
    assert!(page.find(Locator::Css("#acknowledge")).await.is_err(), "it is acknowledged");
    let notice = format!(
        "INSERT INTO {0}.notices (id, recipient, report_id, kind, replaced_by)
         SELECT gen_random_uuid(), e.actor, e.report_id, 'corrected', e.report_id FROM {0}.report_events e WHERE e.kind = 'seen'",
        practice.tenant
    );
    postgres().await.connect(&practice.database).await.unwrap().batch_execute(&notice).await.unwrap();
    page.goto(&format!("{}/inbox", practice.server.base)).await.unwrap();
    let told = text(page, ".notice").await;
    assert!(told.contains("Something that you saw was corrected.") && told.contains("Müller, Jürgen"), "{told}");
    follow(page, ".notice button").await;
    text(page, "table#reports").await;
    assert!(page.find(Locator::Css(".notice")).await.is_err(), "it was read");
}

#[tokio::test]
async fn another_practices_report_is_not_found_and_the_page_says_so() {
    let practice = practice("pages_apart").await;
    let browser = Browser::start().await;
    let page = &browser.page;
    sign_in(page, &practice.server.base, "beispiel", PASSWORD).await;
    let report =
        page.wait().for_element(Locator::Css("table#reports a")).await.unwrap().attr("href").await.unwrap().unwrap();
    assert_eq!(page.find_all(Locator::Css("table#reports tbody tr")).await.unwrap().len(), 1);
    follow(page, "#sign-out").await;
    sign_in(page, &practice.server.base, "mustermann", PASSWORD).await;
    text(page, "table#reports").await;
    page.goto(&format!("{}{report}", practice.server.base)).await.unwrap();
    let others = text(page, "main").await;
    page.goto(&format!("{}/inbox/01a20000-0000-7000-8000-000000000000", practice.server.base)).await.unwrap();
    let unknown = text(page, "main").await;
    assert!(!others.contains("Özdemir"));
    let without_reference =
        |page: &str| page.lines().filter(|line| !line.contains("Reference")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_reference(&others), without_reference(&unknown), "the two can't be told apart");
    browser.end().await;
}

/// What every page must have for people who can't see it, or not well: one main heading, a language, landmarks, labels for
/// fields, headings for table columns; and it fits a small screen.
#[tokio::test]
async fn every_page_can_be_used_without_seeing_it_and_on_a_small_screen() {
    let practice = practice("pages_access").await;
    let browser = Browser::start().await;
    let page = &browser.page;
    page.goto(&format!("{}/sign-in", practice.server.base)).await.unwrap();
    assert_accessible(page, "sign-in").await;
    sign_in(page, &practice.server.base, "mustermann", PASSWORD).await;
    text(page, "table#reports a").await;
    assert_accessible(page, "inbox").await;
    follow(page, "table#reports a").await;
    text(page, "table#values").await;
    assert_accessible(page, "report").await;
    page.goto(&format!("{}/inbox/nonsense", practice.server.base)).await.unwrap();
    assert_accessible(page, "not found").await;
    browser.end().await;
}

async fn assert_accessible(page: &Client, name: &str) {
    let script = "
        const faults = [];
        const one = (css) => document.querySelectorAll(css).length;
        if (one('h1') !== 1) faults.push('not one h1');
        if (!document.documentElement.lang) faults.push('no language');
        if (one('main') !== 1) faults.push('no main');
        if (!document.title) faults.push('no title');
        for (const field of document.querySelectorAll('input:not([type=hidden]), select'))
            if (!field.labels || field.labels.length === 0) faults.push('no label for ' + field.name);
        for (const table of document.querySelectorAll('table')) {
            if (!table.caption) faults.push('a table without caption');
            if (table.querySelectorAll('th:not([scope])').length) faults.push('a heading without scope');
        }
        for (const image of document.querySelectorAll('img:not([alt])')) faults.push('an image without alt');
        return faults;";
    let faults = page.execute(script, vec![]).await.unwrap();
    assert_eq!(faults, serde_json::json!([]), "{name}");
    page.set_window_size(320, 700).await.unwrap();
    let wide = page.execute("return document.documentElement.scrollWidth - window.innerWidth", vec![]).await.unwrap();
    assert!(wide.as_i64().is_some_and(|pixels| pixels <= 0), "{name} is {wide} pixels wider than a small screen");
    page.set_window_size(1100, 900).await.unwrap();
}
