//! Seeing to a critical value, and releasing a report, as a doctor does it.
use fantoccini::{Client, Locator};

use crate::browser::Browser;
use crate::{PASSWORD, assert_accessible, follow, practice, sign_in, text};

async fn fill(page: &Client, name: &str, typed: &str) {
    let field = page.find(Locator::Css(&format!("article.alert [name={name}]"))).await.unwrap();
    field.send_keys(typed).await.unwrap();
}

#[tokio::test]
async fn a_doctor_is_told_of_a_critical_value_on_every_page_and_confirms_it() {
    let practice = practice("pages_alerts").await;
    let browser = Browser::start().await;
    let page = &browser.page;
    sign_in(page, &practice.server.base, "mustermann", PASSWORD).await;
    let banner = text(page, "#critical-values").await;
    assert!(banner.contains("wait for you") || banner.contains("waits for you"), "{banner}");
    assert!(!banner.contains("Müller"), "the banner names nobody");
    follow(page, "tr.critical a").await;
    assert!(text(page, "section.alert").await.contains("Kalium 7.1"));
    text(page, "#critical-values").await;
    let report = page.current_url().await.unwrap();
    follow(page, "#release button").await;
    let refused = text(page, "main").await;
    assert!(refused.contains("Tell the patient in person"), "{refused}");

    page.goto(&format!("{}/alerts", practice.server.base)).await.unwrap();
    let alerts = page.find_all(Locator::Css("article.alert")).await.unwrap().len();
    let first = text(page, "article.alert").await;
    assert!(
        first.contains("7.1") && first.contains("Emergency: tell at once") && first.contains("Your turn"),
        "{first}"
    );
    assert_eq!(page.title().await.unwrap(), "Critical values – Labor", "no name in a title");
    assert_accessible(page, "alerts").await;
    fill(page, "reached", "Herr Müller").await;
    fill(page, "read_back", "7,2").await;
    follow(page, "article.alert button").await;
    let refused = text(page, "main").await;
    assert!(refused.contains("does not hold the value"), "{refused}");

    page.goto(&format!("{}/alerts", practice.server.base)).await.unwrap();
    fill(page, "reached", "Herr Müller").await;
    fill(page, "read_back", "Kalium 7,1").await;
    follow(page, "article.alert button").await;
    text(page, "h1").await;
    assert_eq!(page.find_all(Locator::Css("article.alert")).await.unwrap().len(), alerts - 1);
    page.goto(report.as_str()).await.unwrap();
    let told = text(page, "section.alert").await;
    assert!(told.contains("told and repeated by Dr. Test: Herr Müller, who repeated “Kalium 7,1”"), "{told}");

    follow(page, "#release button").await;
    text(page, "#released").await;
    assert_accessible(page, "released").await;
    follow(page, "#withdraw button").await;
    text(page, "#release").await;
    assert!(page.find(Locator::Css("#released")).await.is_err());
    browser.end().await;
}
