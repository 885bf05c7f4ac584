//! Stands between the program and the store. Requests whose method and address are looked for are refused, held up until the test has
//! done what it wants to happen meanwhile, or answered with another time. Meant for requests whose head comes at once.
use std::sync::Arc;

use chrono::{DateTime, Utc};
use labor_backup::{Backup, Settings, StoreSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use crate::place::Place;

/// What becomes of a request that was looked for.
#[derive(Clone)]
enum Doing {
    Refuse,
    Hold { reached: mpsc::UnboundedSender<()>, go_on: Arc<Semaphore> },
    Date(DateTime<Utc>),
}

/// Requests that are held up.
pub(crate) struct Held {
    reached: mpsc::UnboundedReceiver<()>,
    go_on: Arc<Semaphore>,
}

impl Held {
    /// The next one has come.
    pub(crate) async fn reached(&mut self) {
        self.reached.recv().await.unwrap();
    }

    /// All of them go on, and all that come.
    pub(crate) fn release(&self) {
        self.go_on.add_permits(1 << 20);
    }
}

/// A store that refuses this to keys with this in them.
pub(crate) async fn that_refuses(place: &Place, method: &'static str, word: &str) -> Backup {
    between(place, method, word, Doing::Refuse).await
}

/// A store that keeps these waiting.
pub(crate) async fn that_holds(place: &Place, method: &'static str, word: &str) -> (Backup, Held) {
    let ((to_reached, reached), go_on) = (mpsc::unbounded_channel(), Arc::new(Semaphore::new(0)));
    let doing = Doing::Hold { reached: to_reached, go_on: go_on.clone() };
    (between(place, method, word, doing).await, Held { reached, go_on })
}

/// A store that says of these that they were stored at another time.
pub(crate) async fn that_dates(place: &Place, word: &str, at: DateTime<Utc>) -> Backup {
    between(place, "HEAD ", word, Doing::Date(at)).await
}

async fn between(place: &Place, method: &'static str, word: &str, doing: Doing) -> Backup {
    let real = place.settings.store.endpoint.as_deref().unwrap().strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
    let word = word.to_owned();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let store = TcpStream::connect(&real).await.unwrap();
            let (word, doing) = (word.clone(), doing.clone());
            tokio::spawn(pass_on(client, store, method, word, doing));
        }
    });
    let store = StoreSettings { endpoint, ..place.settings.store.clone() };
    Backup::new(Settings { store, ..place.settings.clone() }).unwrap()
}

async fn pass_on(mut client: TcpStream, mut store: TcpStream, method: &'static str, word: String, doing: Doing) {
    let (mut request, mut answer) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut date = None;
    loop {
        tokio::select! {
            count = client.read(&mut request) => {
                let Ok(count @ 1..) = count else { return };
                let text = String::from_utf8_lossy(&request[..count]);
                let wanted = text.starts_with(method) && text.lines().next().unwrap().contains(&word);
                date = None;
                match &doing {
                    Doing::Refuse if wanted => {
                        let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                        client.write_all(refusal).await.unwrap();
                        return;
                    }
                    Doing::Hold { reached, go_on } if wanted => {
                        let _ = reached.send(());
                        go_on.acquire().await.unwrap().forget();
                    }
                    Doing::Date(at) if wanted => date = Some(*at),
                    _ => {}
                }
                if store.write_all(&request[..count]).await.is_err() { return }
            }
            count = store.read(&mut answer) => {
                let Ok(count @ 1..) = count else { return };
                if let Some(at) = date {
                    put_date(&mut answer[..count], at);
                }
                if client.write_all(&answer[..count]).await.is_err() { return }
            }
        }
    }
}

/// HTTP's dates are all equally long.
fn put_date(answer: &mut [u8], at: DateTime<Utc>) {
    let (name, date) = (b"last-modified: ", at.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    let found = answer.windows(name.len()).position(|window| window.eq_ignore_ascii_case(name)).unwrap();
    let begin = found + name.len();
    answer[begin..begin + date.len()].copy_from_slice(date.as_bytes());
}
