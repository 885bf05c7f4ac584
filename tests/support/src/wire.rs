//! A proxy in front of Postgres that knows where statements begin, and makes one fault at one of these places: the product needs no
//! fail points, because the faults are made from outside, at every place there is.
//!
//! What must stay true:
//! - **A boundary is the moment before a statement is forwarded**: a simple query (`Q`) or an `Execute` (`E`), counted over all
//!   connections in the order in which they arrive. Nothing of it has reached the server yet.
//! - **Bytes are passed on unchanged and in order**, however they are pipelined; a message is streamed, never held as a whole.
//! - **One `Wire` makes one fault.** Afterwards it is an ordinary proxy again: a program that connects anew is served.
//! - It reads no TLS: the servers of the tests answer an SSLRequest with `N`, and that passes through.

mod backend;
mod frontend;
mod groups;
mod plan;
mod statements;

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, BufWriter},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use url::Url;

use self::{backend::Backend, frontend::Frontend, groups::Groups, plan::Plan};
use crate::{Error, Result, error::Doing as _};

/// What goes wrong, and where. Boundaries are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: boundaries are only counted.
    None,
    /// The program ([`Wire::victim`]) is killed with signal 9 before this boundary is forwarded; its connections end with it.
    Kill {
        /// Which boundary.
        at: u64,
    },
    /// All connections are closed on both sides before this boundary is forwarded.
    Cut {
        /// Which boundary.
        at: u64,
    },
    /// This boundary is forwarded up to its Sync; when the server has done with it, all connections are closed on both sides and the
    /// program never hears the answer. What becomes of a COMMIT is then unknown to it. Answers of statements that were pipelined before
    /// the same Sync are withheld too.
    CutAfter {
        /// Which boundary.
        at: u64,
    },
}

impl Fault {
    /// At which boundary, unless there is none.
    #[must_use]
    pub fn at(self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Kill { at } | Self::Cut { at } | Self::CutAfter { at } => Some(at),
        }
    }
}

/// A running proxy, driven by the runtime it was started on. Dropping it ends it and all its connections.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    plan: Arc<Plan>,
    listening: JoinHandle<()>,
}

impl Wire {
    /// Listens on a port of its own in front of the Postgres at this host and port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(target: (&str, u16), fault: Fault) -> Result<Self> {
        Self::start_counting(target, fault, |_| true).await
    }

    /// The same for a program that also asks on its own account again and again: only the statements with such a text are boundaries, so
    /// that one has the same number in each run.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start_counting(target: (&str, u16), fault: Fault, counts: fn(&str) -> bool) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.doing(|| "listen on 127.0.0.1".into())?;
        let address = listener.local_addr().doing(|| "find out our port".into())?;
        let plan = Arc::new(Plan::new(fault, counts));
        let listening = tokio::spawn(listen(listener, (target.0.to_owned(), target.1), plan.clone()));
        Ok(Self { address, plan, listening })
    }

    /// The same URL, through this proxy.
    ///
    /// # Errors
    /// When it is not a URL with a host.
    pub fn url(&self, original: &str) -> Result<String> {
        // The URL holds a password: an error never repeats it.
        let wrong = |reason: String| Error::Answer { what: "a database URL".into(), reason };
        let mut url = Url::parse(original).map_err(|error| wrong(error.to_string()))?;
        url.set_host(Some(&self.address.ip().to_string())).map_err(|error| wrong(error.to_string()))?;
        url.set_port(Some(self.address.port())).map_err(|()| wrong("it has no host".into()))?;
        Ok(url.into())
    }

    /// Who is killed by [`Fault::Kill`]. A boundary that comes first waits until this is told.
    pub fn victim(&self, pid: u32) {
        self.plan.victim(pid);
    }

    /// How many boundaries have been reached, the one with the fault included.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.plan.log().len() as u64
    }

    /// The text of the statement at each boundary, its beginning when it is long: the first entry is boundary 1.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.plan.log().clone()
    }

    /// Whether the fault has been made.
    #[must_use]
    pub fn done(&self) -> bool {
        self.plan.has_cut()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listening.abort();
        self.plan.cut();
    }
}

async fn listen(listener: TcpListener, target: (String, u16), plan: Arc<Plan>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(serve(client, target.clone(), plan.clone()));
    }
}

/// One connection: it ends when either side does, or when the plan cuts.
async fn serve(client: TcpStream, target: (String, u16), plan: Arc<Plan>) {
    let cut = plan.next_cut();
    let Ok(server) = TcpStream::connect(target).await else { return };
    // Without this a small message would wait for the acknowledgement of the one before.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let groups = Groups::default();
    let frontend = Frontend::new(BufReader::new(from_client), BufWriter::new(to_server), &plan, &groups);
    let backend = Backend::new(BufReader::new(from_server), BufWriter::new(to_client), &plan, &groups);
    // How a connection ends is no news: the program and the server both see it.
    tokio::select! {
        _ = frontend.run() => {}
        _ = backend.run() => {}
        () = cut => {}
    }
}

/// Sends on what has been collected.
async fn send_on(writer: &mut BufWriter<impl AsyncWrite + Unpin>) -> std::io::Result<()> {
    if writer.buffer().is_empty() { Ok(()) } else { writer.flush().await }
}

/// Copies the rest of a message. tokio's own `copy` would send each message on by itself.
async fn stream(
    reader: &mut (impl AsyncBufRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    mut bytes: u64,
) -> std::io::Result<()> {
    while bytes > 0 {
        let there = reader.fill_buf().await?;
        if there.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let taken = usize::try_from(bytes).unwrap_or(usize::MAX).min(there.len());
        writer.write_all(&there[..taken]).await?;
        reader.consume(taken);
        bytes -= taken as u64;
    }
    Ok(())
}
