//! Every form in which the HTTP Sender sends a file: what is kept is the file, byte for byte.
use std::io::Write as _;

use labor_testing::{ChannelSettings, DataType, State, TextCharset, postgres};
use serde_json::Value;

use crate::clinic::{Clinic, LIMIT, clinic, sample, samples, without_worker};
use crate::world::{channel, kept, report, sent};

/// How a channel is set up otherwise.
type Change = fn(&mut ChannelSettings);

#[tokio::test]
async fn text_binary_gzip_and_forms_keep_the_file_as_the_laboratory_wrote_it() {
    let clinic = without_worker("contract_forms").await;
    let ways: [(&str, Change); 6] = [
        ("text", |_| {}),
        ("binary", |s| s.data_type = DataType::Binary),
        ("gzip", |s| s.gzip = true),
        ("form", |s| s.multipart = true),
        ("form, binary", |s| (s.multipart, s.data_type) = (true, DataType::Binary)),
        ("form, gzip", |s| (s.multipart, s.gzip) = (true, true)),
    ];
    for (number, (way, change)) in ways.into_iter().enumerate() {
        let channel = channel(&clinic, change);
        let mut files = vec![report(number)];
        files.extend(samples("good").into_iter().map(|(_, bytes)| bytes));
        files.extend(samples("broken").into_iter().map(|(_, bytes)| bytes));
        for file in &files {
            channel.read(way, file);
        }
        for (message, file) in sent(&channel).await.iter().zip(&files) {
            let answer = message.answer();
            assert_eq!(answer["bytes"].as_u64(), Some(file.len() as u64), "{way}: {answer}");
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, file);
            assert_eq!(answer["sha256"], hex::encode(digest), "{way}");
        }
        assert_eq!(kept(&clinic, &files[0]).await, 1, "{way}");
    }
    let kinds = format!(
        "SELECT count(*) FROM {}.raw_messages WHERE content_type = 'text/plain; charset=ISO-8859-15'",
        clinic.tenants[0]
    );
    assert!(clinic.count(&kinds).await >= 4, "of a form, the part's own Content-Type is kept");
}

/// The default of the engine. If the transformer signs what is sent, the file is accepted, read, and the fault is noted.
#[tokio::test]
async fn what_was_turned_into_utf_8_on_its_way_is_read_with_a_warning() {
    let clinic = clinic("contract_utf8").await;
    let utf8 = channel(&clinic, |settings| {
        settings.sign_as = TextCharset::Utf8;
        settings.data_type = DataType::Text(TextCharset::Utf8);
    });
    utf8.read("report", &sample("Z01_LDT3_01_final.ldt"));
    let messages = sent(&utf8).await;
    assert_ne!(messages[0].answer()["bytes"].as_u64(), Some(sample("Z01_LDT3_01_final.ldt").len() as u64));
    clinic.until_idle().await;
    let warned = format!(
        "SELECT count(*) FROM {}.raw_messages WHERE warnings @> '[{{\"code\": \"transcoded\"}}]'",
        clinic.tenants[0]
    );
    assert_eq!(clinic.count(&warned).await, 1);
    let reports = clinic.doctor("a").await.reports().await;
    assert_eq!(reports[0]["family_name"], "Müller");
}

#[tokio::test]
async fn signing_other_bytes_than_are_sent_is_refused() {
    let clinic = without_worker("contract_signed").await;
    let wrong = channel(&clinic, |settings| settings.data_type = DataType::Text(TextCharset::Utf8));
    wrong.read("umlauts", &report(1));
    let message = wrong.until_tried(0, 2, LIMIT).await.unwrap();
    assert_eq!((message.state, message.status()), (State::Queued, Some(401)));
    assert_eq!(kept(&clinic, &report(1)).await, 0);
}

/// Reports with a PDF: 25 MB, as text and packed.
#[tokio::test]
async fn twenty_five_megabytes_are_taken() {
    let clinic = without_worker("contract_large").await;
    let line = |number: usize| format!("0786329{:064x}\r\n", number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).into_bytes();
    for gzip in [false, true] {
        let file: Vec<u8> = (0..350_000).map(|n| n + usize::from(gzip)).flat_map(line).collect();
        assert!(file.len() > 25 * 1000 * 1000);
        let channel = channel(&clinic, |settings| settings.gzip = gzip);
        channel.read("large", &file);
        let message = sent(&channel).await.remove(0);
        assert_eq!(message.answer()["bytes"].as_u64(), Some(file.len() as u64));
        assert_eq!(kept_by_length(&clinic, file.len()).await, 1 + i64::from(gzip));
    }
}

async fn kept_by_length(clinic: &Clinic, length: usize) -> i64 {
    let client = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let intake: String =
        client.query_one("SELECT name FROM control.tenants WHERE kind = 'intake'", &[]).await.unwrap().get(0);
    clinic.count(&format!("SELECT count(*) FROM {intake}.raw_messages WHERE octet_length(body) = {length}")).await
}

/// A sender that packs first and signs then, with a secret that the server does not know yet: it remembers the source as it was.
#[tokio::test]
async fn a_signature_over_the_packed_bytes_is_accepted_too() {
    let clinic = without_worker("contract_packed_signed").await;
    assert_eq!(clinic.sender.send(&report(1)).await.unwrap().status, 202);
    let rotated = clinic.platform.json("labor", &["source", "rotate", &clinic.source.id], "").await.unwrap();
    let secret = rotated["secret"].as_str().unwrap().as_bytes();
    let sender = labor_testing::Sender::new(&clinic.server.base, &clinic.source.id, secret).unwrap();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&report(2)).unwrap();
    let packed = packer.finish().unwrap();
    let now = chrono::Utc::now().timestamp().unsigned_abs();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = http.post(format!("{}/v1/messages", clinic.server.base)).header("X-Labor-Source", &clinic.source.id);
    let post = post.header("X-Labor-Timestamp", now).header("X-Labor-Signature", sender.signature(now, &packed));
    let answer = post.header("Content-Encoding", "gzip").body(packed).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 202);
    assert_eq!(kept(&clinic, &report(2)).await, 1);
}

#[tokio::test]
async fn what_can_not_be_unpacked_is_refused_with_a_reason() {
    let clinic = without_worker("contract_packed").await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = report(1);
    let post = async |headers: &[(&str, &str)], body: Vec<u8>| {
        let now = chrono::Utc::now().timestamp().unsigned_abs();
        let mut post =
            http.post(format!("{}/v1/messages", clinic.server.base)).header("X-Labor-Source", &clinic.source.id);
        for (name, value) in headers {
            post = post.header(*name, *value);
        }
        let post =
            post.header("X-Labor-Timestamp", now).header("X-Labor-Signature", clinic.sender.signature(now, &report(1)));
        let answer = post.body(body).send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap()["detail"].as_str().unwrap_or_default().to_owned(),
        )
    };
    for (headers, status, says) in [
        (&[("Content-Encoding", "br")] as &[_], 415, "gzip"),
        (&[("Content-Encoding", "gzip")], 400, "no complete gzip"),
        (&[("Content-Type", "multipart/form-data; boundary=b")], 400, "no complete form"),
        (&[("Content-Type", "multipart/mixed; boundary=b")], 415, "multipart/form-data"),
    ] {
        let (answered, detail) = post(headers, body.clone()).await;
        assert_eq!(answered, status, "{headers:?}: {detail}");
        assert!(detail.contains(says), "{headers:?}: {detail}");
    }
    assert_eq!(post(&[], body).await.0, 202);
}
