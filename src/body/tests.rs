//! Bodies as they come: in pieces, packed, in forms, and as attackers send them.
use std::io::Write as _;
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use uuid::Uuid;

use super::*;

const LIMIT: usize = 8 * 1024 * 1024;

fn budget() -> Budget {
    Budget::new(64 * 1024 * 1024, LIMIT)
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_str(v).unwrap())).collect()
}

/// In pieces of this size.
fn pieces(bytes: &[u8], size: usize) -> Body {
    let pieces: Vec<_> =
        bytes.chunks(size).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
    Body::from_stream(stream::iter(pieces))
}

async fn received(pairs: &[(&'static str, &str)], body: Body) -> Result<Received, Refused> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
    let shape = Shape::of(&headers(pairs))?;
    receive(&budget().of(Uuid::nil()), shape, &mut body.into_data_stream(), vec![hmac::Context::with_key(&key)]).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn part(name: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!("--b\r\nContent-Disposition: form-data; {name}\r\nContent-Type: text/plain\r\n\r\n");
    [head.as_bytes(), bytes, b"\r\n"].concat()
}

fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), b"--b--\r\n".to_vec()].concat()
}

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=b");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

fn file() -> Vec<u8> {
    // No two lines alike, or it would pack like a bomb.
    (0..200_000u32).flat_map(|n| format!("{:x}\r\n", n.wrapping_mul(2_654_435_761)).into_bytes()).collect()
}

#[tokio::test]
async fn the_file_comes_out_as_it_was_however_it_was_sent() {
    let file = file();
    let in_form = form(&[part("name=\"x\"; filename=\"x.tmp\"", &file)]);
    for size in [1000, 65_536, usize::MAX] {
        for (pairs, sent) in [
            (vec![], file.clone()),
            (vec![GZIP], gzip(&file)),
            (vec![GZIP], [gzip(&file[..5]), gzip(&file[5..])].concat()),
            (vec![FORM], in_form.clone()),
            (vec![FORM, GZIP], gzip(&in_form)),
        ] {
            let received = received(&pairs, pieces(&sent, size.min(sent.len()))).await.unwrap();
            assert!(received.bytes == file, "{pairs:?} {size}");
            assert_eq!(received.sent, sent.len(), "{pairs:?} {size}");
            assert_eq!(received.sha256[..], *digest::digest(&digest::SHA256, &file).as_ref());
            let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
            let signed = |contexts: Vec<hmac::Context>| contexts.into_iter().map(|c| c.sign().as_ref().to_vec()).next();
            assert_eq!(signed(received.over_file).as_deref(), Some(hmac::sign(&key, &file).as_ref()));
            let over_sent = pairs.contains(&GZIP).then(|| hmac::sign(&key, &sent).as_ref().to_vec());
            assert_eq!(signed(received.over_sent), over_sent, "{pairs:?} {size}");
        }
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_whether_sent_or_unpacked() {
    let noise: Vec<u8> = file().into_iter().cycle().take(LIMIT + 1).collect();
    let too_large = Refused::TooLarge { limit: LIMIT };
    let at_most = &noise[..LIMIT];
    assert_eq!(received(&[], pieces(at_most, 50_000)).await.unwrap().bytes.len(), LIMIT);
    assert_eq!(received(&[GZIP], pieces(&gzip(at_most), 50_000)).await.unwrap().bytes.len(), LIMIT);
    assert_eq!(received(&[], pieces(&noise, 50_000)).await.unwrap_err(), too_large);
    assert_eq!(received(&[GZIP], pieces(&gzip(&noise), 50_000)).await.unwrap_err(), too_large);
    let declared = (LIMIT + 1).to_string();
    let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    assert_eq!(received(&[("content-length", &declared)], never).await.unwrap_err(), too_large, "before it is read");
}

/// Members of gzip that hold nothing: they could be sent for ever.
#[tokio::test]
async fn packed_bodies_that_unpack_to_nothing_are_limited_too() {
    let nothing = gzip(b"").repeat(LIMIT / 10);
    let refused = received(&[GZIP], pieces(&nothing, 1024 * 1024)).await.unwrap_err();
    assert_eq!(refused, Refused::TooLarge { limit: LIMIT });
}

#[tokio::test]
async fn a_bomb_is_refused_while_it_unpacks() {
    let bomb = gzip(&vec![b' '; 100 * 1024 * 1024]);
    assert!(bomb.len() < 1024 * 1024);
    let refused = received(&[GZIP], pieces(&bomb, bomb.len())).await.unwrap_err();
    assert!(matches!(refused, Refused::TooDense { .. } | Refused::TooLarge { .. }), "{refused:?}");
    let dense = gzip(&vec![b' '; 2 * 1024 * 1024]);
    assert!(matches!(received(&[GZIP], pieces(&dense, 500)).await.unwrap_err(), Refused::TooDense { .. }));
}

/// However much comes out of a step, the file never holds more than its limit, and beside it there is one step.
#[test]
fn one_step_of_unpacking_gives_a_few_megabytes_at_most() {
    let mut gunzip = gzip::Gunzip::new(usize::MAX);
    gunzip.feed(Bytes::from(gzip(&vec![0; 64 * 1024 * 1024])));
    let mut largest = 0;
    while gunzip.waits() {
        match gunzip.step(usize::MAX) {
            Ok(unpacked) => largest = largest.max(unpacked.len()),
            Err(refused) => return assert!(matches!(refused, Refused::TooDense { .. }) && largest < 5 * 1024 * 1024),
        }
    }
    panic!("a bomb was unpacked");
}

#[tokio::test]
async fn damaged_gzip_is_never_taken_for_a_short_file() {
    let file = file();
    let packed = gzip(&file);
    let mut flipped = packed.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    for (what, bytes) in [
        ("cut", &packed[..packed.len() - 1]),
        ("cut before the checksum", &packed[..packed.len() - 8]),
        ("cut in the middle", &packed[..middle]),
        ("flipped", &flipped),
        ("not packed", b"0138000\r\n".as_slice()),
        ("nothing", b""),
        ("rubbish after it", &[packed.clone(), b"rubbish".to_vec()].concat()),
        ("a second one, cut", &[packed.clone(), packed[..40].to_vec()].concat()),
    ] {
        assert_eq!(received(&[GZIP], pieces(bytes, 30_000)).await.unwrap_err(), Refused::BadGzip, "{what}");
    }
}

#[tokio::test]
async fn a_form_holds_one_file_and_what_else_it_holds_is_dropped() {
    let file = b"0138000\r\n\xe4\r\n--c\r\n--\r\n".as_slice();
    let upload = part("name=\"f\"; filename=\"f.ldt\"", file);
    let field = part("name=\"comment\"", b"hello");
    let around = form(&[field.clone(), upload.clone(), field.clone()]);
    let taken = received(&[FORM], pieces(&around, 7)).await.unwrap();
    assert_eq!((&taken.bytes[..], taken.content_type.as_deref()), (file, Some("text/plain")));
    for (refused, sent) in [
        (Refused::SeveralFiles, form(&[upload.clone(), upload.clone()])),
        (Refused::NoFile, form(std::slice::from_ref(&field))),
        (Refused::NoFile, b"--b--\r\n".to_vec()),
        (Refused::BadForm, upload.clone()),
        (Refused::BadForm, b"0138000\r\n".to_vec()),
        (Refused::BadForm, around[..around.len() / 2].to_vec()),
    ] {
        assert_eq!(received(&[FORM], pieces(&sent, 9)).await.unwrap_err(), refused, "{}", sent.escape_ascii());
    }
}

/// A header without an end, a giant field, an endless rest: the reader of forms would hold them all.
#[tokio::test]
async fn nothing_large_may_stand_around_the_file() {
    let padding = vec![b'x'; 3 * 1024 * 1024];
    let upload = part("name=\"f\"; filename=\"f.ldt\"", b"0138000\r\n");
    for sent in [
        [b"--b\r\nX-Long: ".to_vec(), padding.clone()].concat(),
        form(&[part("name=\"comment\"", &padding), upload.clone()]),
        [form(std::slice::from_ref(&upload)), padding.clone()].concat(),
        [padding.clone(), form(std::slice::from_ref(&upload))].concat(),
    ] {
        for size in [10_000, sent.len()] {
            let refused = received(&[FORM], pieces(&sent, size)).await.unwrap_err();
            assert_eq!(refused, Refused::TooMuchForm, "{}", sent[..20].escape_ascii());
        }
        assert!(received(&[FORM, GZIP], pieces(&gzip(&sent), 9_000)).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_and_a_crawling_sender_are_given_up() {
    let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"0138000"))]);
    let silent = Body::from_stream(futures_util::StreamExt::chain(first, stream::pending()));
    assert!(matches!(received(&[], silent).await.unwrap_err(), Refused::Stalled { .. }));
    let crawling = stream::unfold(0, |sent| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        (sent < 100).then(|| (Ok::<_, std::io::Error>(Bytes::from_static(b"0")), sent + 1))
    });
    let started = tokio::time::Instant::now();
    assert!(matches!(received(&[], Body::from_stream(crawling)).await.unwrap_err(), Refused::TooSlow { .. }));
    assert!(started.elapsed() < Duration::from_secs(22));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_taken() {
    let broken = [Ok(Bytes::from_static(b"0138000")), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))];
    assert_eq!(received(&[], Body::from_stream(stream::iter(broken))).await.unwrap_err(), Refused::EndedEarly);
}

/// After a body was received, the memory that it turned out not to need is there for others.
#[tokio::test]
async fn a_body_keeps_the_memory_it_needs_and_no_more() {
    let budget = Budget::new(0, LIMIT);
    let file = vec![b'x'; 2 * 1024 * 1024];
    let take = async || {
        let shape = Shape::of(&headers(&[])).unwrap();
        receive(&budget.of(Uuid::nil()), shape, &mut pieces(&file, 100_000).into_data_stream(), Vec::new()).await
    };
    let first = take().await.unwrap();
    assert_eq!(first.share.bytes(), file.len());
    let second = tokio::time::timeout(Duration::from_secs(1), take()).await;
    assert!(second.is_err(), "the one large place is not free as a whole");
    drop(first);
    assert!(take().await.is_ok());
}
