//! A doctor finds the patient of a report that names nobody, and takes it away again.
use fantoccini::{Client, Locator};

use crate::browser::Browser;
use crate::{PASSWORD, assert_accessible, practice, sign_in, text};

async fn click(page: &Client, css: &str) {
    page.wait().for_element(Locator::Css(css)).await.unwrap().click().await.unwrap();
}

#[tokio::test]
async fn a_doctor_matches_a_report_that_names_nobody_and_takes_it_away_again() {
    let practice = practice("pages_matching").await;
    let browser = Browser::start().await;
    let page = &browser.page;
    sign_in(page, &practice.server.base, "mustermann", PASSWORD).await;
    assert!(text(page, "#unmatched").await.starts_with("Reports without a patient ("));
    click(page, "#unmatched").await;
    let queue = text(page, "table#reports").await;
    assert!(queue.contains("Patient not named") && !queue.contains("Müller, Jürgen"), "{queue}");
    assert_accessible(page, "reports without a patient").await;
    click(page, "table#reports a").await;
    click(page, "#to-match").await;
    assert!(text(page, "#no-candidates").await.contains("Nobody"));
    assert!(page.find(Locator::Css("#new-patient")).await.is_err(), "no patient can be made of no name");
    let search = page.find(Locator::Css("#search")).await.unwrap();
    search.find(Locator::Css("button")).await.unwrap().click().await.unwrap();
    assert!(text(page, "[role=alert]").await.contains("family name"));
    page.find(Locator::Css("#family_name")).await.unwrap().send_keys("mueller").await.unwrap();
    click(page, "#search button").await;
    let found = text(page, "table#found").await;
    assert!(found.contains("Müller, Jürgen") && found.contains("24.10.1966"), "{found}");
    assert_accessible(page, "who is meant").await;
    assert!(!page.current_url().await.unwrap().as_str().contains("ueller"), "no name in an address");
    click(page, "table#found button").await;
    let steps = text(page, "#matches").await;
    assert!(steps.contains("matched to Müller, Jürgen by Dr. Test"), "{steps}");
    click(page, "#unmatch summary").await;
    page.find(Locator::Css("#reason")).await.unwrap().send_keys("another order").await.unwrap();
    assert_accessible(page, "a matched report").await;
    click(page, "#unmatch button").await;
    text(page, "#to-match").await;
    let steps = text(page, "#matches").await;
    assert!(steps.contains("taken away from Müller, Jürgen by Dr. Test – another order"), "{steps}");
    click(page, "#to-match").await;
    let candidates = text(page, "table#candidates").await;
    assert!(
        candidates.contains("somebody said that it is not theirs") && candidates.contains("never matched"),
        "{candidates}"
    );
    assert_accessible(page, "candidates").await;
    browser.end().await;
}
