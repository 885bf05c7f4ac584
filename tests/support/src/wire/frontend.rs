//! From the program to the server: messages are read one by one, and at each boundary the plan is asked.
//!
//! What must stay true: of a boundary that is not forwarded the server has seen nothing.

use std::io::Result;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, BufWriter, copy_buf, sink};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::groups::Groups;
use super::plan::{Plan, Verdict};
use super::statements::Statements;
use super::{send_on, stream};

/// So much of a statement's text is remembered.
const REMEMBERED: usize = 4096;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;

pub(super) struct Frontend<'a> {
    client: BufReader<OwnedReadHalf>,
    server: BufWriter<OwnedWriteHalf>,
    plan: &'a Plan,
    groups: &'a Groups,
}

impl<'a> Frontend<'a> {
    pub(super) fn new(
        client: BufReader<OwnedReadHalf>,
        server: BufWriter<OwnedWriteHalf>,
        plan: &'a Plan,
        groups: &'a Groups,
    ) -> Self {
        Self { client, server, plan, groups }
    }

    /// Until the program closes its side, or the plan says so.
    pub(super) async fn run(mut self) -> Result<()> {
        while self.start().await? {}
        let mut statements = Statements::default();
        let mut beginning = Vec::new();
        loop {
            self.before_reading(5).await?;
            let mut header = [0; 5];
            self.client.read_exact(&mut header).await?;
            let [kind, length @ ..] = header;
            let length = u64::from(u32::from_be_bytes(length)).saturating_sub(4);
            let known = if Statements::concerns(kind) { length.min(REMEMBERED as u64) } else { 0 };
            beginning.resize(usize::try_from(known).unwrap_or(REMEMBERED), 0);
            self.before_reading(beginning.len()).await?;
            self.client.read_exact(&mut beginning).await?;
            if let Some(text) = statements.note(kind, &beginning)
                && !self.boundary(text).await?
            {
                return Ok(());
            }
            self.groups.request(kind);
            self.server.write_all(&header).await?;
            self.server.write_all(&beginning).await?;
            stream(&mut self.client, &mut self.server, length - known).await?;
        }
    }

    /// The messages without a kind: true as long as one more of them follows.
    async fn start(&mut self) -> Result<bool> {
        let (length, code) = (self.client.read_u32().await?, self.client.read_u32().await?);
        let encryption = matches!(code, SSL_REQUEST | GSS_REQUEST);
        if encryption {
            self.groups.asks_for_encryption();
        }
        self.server.write_u32(length).await?;
        self.server.write_u32(code).await?;
        stream(&mut self.client, &mut self.server, u64::from(length).saturating_sub(8)).await?;
        send_on(&mut self.server).await?;
        Ok(encryption)
    }

    /// Whether this one is forwarded.
    async fn boundary(&mut self, text: String) -> Result<bool> {
        match self.plan.boundary(text) {
            Verdict::Forward => return Ok(true),
            Verdict::CutAfter => {
                self.groups.withhold_next();
                return Ok(true);
            }
            Verdict::Cut => {
                self.settle().await?;
                self.plan.cut();
            }
            Verdict::Hold => std::future::pending().await,
            Verdict::Kill => {
                self.settle().await?;
                // Also when this connection ends in between, as its other direction may notice first.
                let _cut = CutOnDrop(self.plan);
                self.plan.kill().await;
                // The kernel closes its sockets when it is dead; before that it must not see ours close.
                let _ = copy_buf(&mut self.client, &mut sink()).await;
            }
        }
        Ok(false)
    }

    /// What came before has its effect, also where it was pipelined: the same fault leaves the same state each time.
    async fn settle(&mut self) -> Result<()> {
        send_on(&mut self.server).await?;
        self.groups.settled().await;
        Ok(())
    }

    /// Nothing that was read is kept back while we wait for more.
    async fn before_reading(&mut self, bytes: usize) -> Result<()> {
        if self.client.buffer().len() < bytes {
            send_on(&mut self.server).await?;
        }
        Ok(())
    }
}

struct CutOnDrop<'a>(&'a Plan);

impl Drop for CutOnDrop<'_> {
    fn drop(&mut self) {
        self.0.cut();
    }
}
