//! A proxy in front of any server that makes the network's faults: late, silent, cut, refused. Switched while it runs.
//!
//! What must stay true: bytes are passed on unchanged and in order, or not at all; a connection that once lost bytes stays silent for
//! ever, as behind a firewall that forgot it; those that are opened after the fault are whole.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};
use url::Url;

use crate::{Error, Result, error::Doing as _};

/// What becomes of bytes and of new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes.
    Pass,
    /// Everything passes, so much later in each direction.
    Delay(Duration),
    /// Connections are accepted, and nothing passes in either direction.
    Blackhole,
    /// What clients send passes; what the server answers is lost.
    Deaf,
    /// New connections are closed at once; open ones go on.
    Refuse,
}

/// A running proxy, driven by the runtime it was started on. Dropping it ends it and all its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    mode: watch::Sender<Mode>,
    /// Counts the cuts.
    cuts: watch::Sender<u64>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Proxy {
    /// Listens on a port of its own in front of the server at this port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(target: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.doing(|| "listen on 127.0.0.1".into())?;
        let address = listener.local_addr().doing(|| "find out our port".into())?;
        let shared = Arc::new(Shared {
            mode: watch::Sender::new(Mode::Pass),
            cuts: watch::Sender::new(0),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let listening = tokio::spawn(listen(listener, target, shared.clone()));
        Ok(Self { address, shared, listening })
    }

    /// The same URL, through this proxy.
    ///
    /// # Errors
    /// When it is not a URL with a host.
    pub fn url(&self, original: &str) -> Result<String> {
        // The URL holds a password: an error never repeats it.
        let wrong = |reason: &str| Error::Answer { what: "a database URL".into(), reason: reason.to_owned() };
        let mut url = Url::parse(original).map_err(|_| wrong("it is none"))?;
        url.set_host(Some(&self.address.ip().to_string())).map_err(|_| wrong("it has no host"))?;
        url.set_port(Some(self.address.port())).map_err(|()| wrong("it has no host"))?;
        Ok(url.into())
    }

    /// Changes what happens from now on.
    pub fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// Closes all connections on both sides, now.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Connections that were accepted since the start.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(SeqCst)
    }

    /// The most connections that were open at one time.
    #[must_use]
    pub fn most(&self) -> usize {
        self.shared.most.load(SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

/// Counts a connection as long as it is open.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: Arc<Shared>) -> Self {
        shared.accepted.fetch_add(1, SeqCst);
        let open = shared.open.fetch_add(1, SeqCst) + 1;
        shared.most.fetch_max(open, SeqCst);
        Self(shared)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, SeqCst);
    }
}

async fn listen(listener: TcpListener, target: u16, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if *shared.mode.borrow() != Mode::Refuse {
            let counted = Counted::new(shared.clone());
            tokio::spawn(serve(client, target, counted));
        }
    }
}

/// One connection: it ends when either side does, or when all are cut.
async fn serve(client: TcpStream, target: u16, counted: Counted) {
    let shared = &counted.0;
    let mut cuts = shared.cuts.subscribe();
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    // Without this a small message would wait for the acknowledgement of the one before.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // How a connection ends is no news: both sides see it.
    tokio::select! {
        () = pass(from_client, to_server, shared, false) => {}
        () = pass(from_server, to_client, shared, true) => {}
        _ = cuts.changed() => {}
    }
}

/// One direction, which may be that of answers. What was read is sent on when its time has come, while more is read.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared, answers: bool) {
    let (queue, mut due) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let (mut bytes, mut lost) = (vec![0; 64 * 1024], false);
        loop {
            let Ok(count @ 1..) = from.read(&mut bytes).await else { return };
            let later = match *shared.mode.borrow() {
                Mode::Delay(later) => later,
                Mode::Deaf if answers => {
                    lost = true;
                    continue;
                }
                Mode::Pass | Mode::Refuse | Mode::Deaf => Duration::ZERO,
                Mode::Blackhole => {
                    lost = true;
                    continue;
                }
            };
            if !lost && queue.send((Instant::now() + later, bytes[..count].to_vec())).is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((at, bytes)) = due.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}
