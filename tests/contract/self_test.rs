//! The self-test: what an integrator is told, and what nobody is told.
use labor_testing::{DataType, Sender, State, TextCharset};
use serde_json::Value;

use crate::clinic::{Clinic, LIMIT, sample, samples, without_worker};
use crate::world::{all_kept, channel, report};

/// What the self-test says to a channel that was set up in some way.
async fn told(clinic: &Clinic, file: &[u8], change: impl FnOnce(&mut labor_testing::ChannelSettings)) -> Value {
    let tested = channel(clinic, |settings| {
        settings.url += "/self-test";
        settings.queue = labor_testing::Queue::Never { retries: 0, interval: LIMIT };
        change(settings);
    });
    tested.read("file", file);
    let message = tested.until(0, State::Error, LIMIT).await.unwrap();
    assert_eq!(message.status(), Some(422), "{message:?}");
    message.answer()
}

#[tokio::test]
async fn a_channel_learns_what_arrives_and_what_is_wrong_with_it() {
    let clinic = without_worker("contract_self_test").await;
    let file = sample("Z01_LDT3_01_final.ldt");
    let good = told(&clinic, &file, |_| {}).await;
    assert_eq!((&good["stored"], &good["signature"]["code"]), (&Value::Bool(false), &Value::from("fits")), "{good}");
    assert_eq!(good["received"]["bytes"].as_u64(), Some(file.len() as u64));
    assert_eq!(good["received"]["content_type"], "text/plain; charset=ISO-8859-15");
    assert_eq!(
        (&good["content"]["format"], &good["content"]["charset"]),
        (&Value::from("LDT3"), &Value::from("Latin9"))
    );
    assert_eq!(
        (&good["content"]["transcoded"], &good["content"]["lines"]["wrong"]),
        (&Value::Bool(false), &Value::from(0))
    );
    assert_eq!(
        (&good["content"]["records"]["recipient_known"], &good["content"]["records"]["total"]),
        (&1.into(), &1.into())
    );

    let utf8 = |settings: &mut labor_testing::ChannelSettings| settings.data_type = DataType::Text(TextCharset::Utf8);
    let wrong = told(&clinic, &file, utf8).await;
    assert_eq!(wrong["signature"]["code"], "other-charset", "{wrong}");
    assert!(wrong["signature"]["detail"].as_str().unwrap().contains("Charset Encoding"));
    assert_eq!(wrong["content"], Value::Null, "not accepted: nothing of the content");

    let transcoded = told(&clinic, &file, |settings| {
        utf8(settings);
        settings.sign_as = TextCharset::Utf8;
    })
    .await;
    assert_eq!(transcoded["content"]["transcoded"], Value::Bool(true), "{transcoded}");
    assert!(transcoded["content"]["lines"]["wrong"].as_u64().unwrap() > 0);
    let packed = told(&clinic, &file, |settings| (settings.gzip, settings.multipart) = (true, true)).await;
    assert_eq!((&packed["received"]["gzip"], &packed["received"]["form"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(packed["received"]["bytes"].as_u64(), Some(file.len() as u64));

    let two = told(&clinic, &sample("Z01_LDT3_07_zwei_einsender_ein_paket.ldt"), |_| {}).await;
    assert_eq!(two["content"]["records"]["recipient_known"], 2);
    clinic.execute("DELETE FROM control.tenant_identifiers WHERE value = '222222200'").await;
    let old = told(&clinic, &report(1), |settings| settings.age = std::time::Duration::from_secs(8 * 24 * 3600)).await;
    assert_eq!(old["signature"]["code"], "outside-window", "{old}");
    assert_eq!(all_kept(&clinic).await, 0);
}

/// The engine would take 200 for success, and every result would be lost.
#[tokio::test]
async fn a_channel_that_is_left_on_the_self_test_loses_nothing() {
    let clinic = without_worker("contract_left").await;
    let left = channel(&clinic, |settings| settings.url += "/self-test");
    left.read("result", &report(1));
    let message = left.until_tried(0, 2, LIMIT).await.unwrap();
    assert_eq!((message.state, message.status()), (State::Queued, Some(422)));
    left.change(|settings| settings.url = settings.url.replace("/self-test", ""));
    crate::world::sent(&left).await;
    assert_eq!(all_kept(&clinic).await, 1);
}

#[tokio::test]
async fn who_does_not_hold_the_secret_learns_about_its_own_bytes_only() {
    let clinic = without_worker("contract_stranger").await;
    let told = told(&clinic, &sample("Z01_LDT3_01_final.ldt"), |settings| settings.secret = "guessed".to_owned()).await;
    assert_eq!(told["signature"]["code"], "mismatch");
    let mut fields: Vec<&String> = told.as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(fields, ["note", "received", "signature", "stored"], "{told}");
    let url = format!("{}/v1/messages/self-test", clinic.server.base);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let unknown = http.post(&url).header("X-Labor-Source", "01a20000-0000-7000-8000-000000000000").body("x").send();
    assert_eq!(unknown.await.unwrap().status(), 401, "an unknown source is told nothing");
    let mut statuses = Vec::new();
    for _ in 0..40 {
        let bare = http.post(&url).header("X-Labor-Source", &clinic.source.id).body("x").send().await.unwrap();
        statuses.push(bare.status().as_u16());
    }
    assert!(statuses.contains(&429) && statuses.iter().all(|status| [422, 429].contains(status)), "{statuses:?}");
}

/// Neither the answer nor the log holds anything of the file or names a practice.
#[tokio::test]
async fn no_answer_of_the_self_test_holds_content_or_names() {
    let clinic = without_worker("contract_discreet").await;
    for (name, file) in samples("good").into_iter().take(12).chain(samples("broken").into_iter().take(12)) {
        let told = told(&clinic, &file, |_| {}).await.to_string();
        for word in ["ller", "Mustermann", "Praxis", "123456700", "222222200", "Kalium", &clinic.tenants[0]] {
            assert!(!told.contains(word), "{name}: {word} in {told}");
        }
    }
    let said = clinic.server.running.said();
    assert!(!said.contains("ller, ") && !said.contains("123456700"), "{said}");
    let sender = Sender::new(&clinic.server.base, &clinic.source.id, clinic.source.secret.as_bytes()).unwrap();
    assert_eq!(sender.send(&report(1)).await.unwrap().status, 202);
}
