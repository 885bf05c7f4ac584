//! From the server to the program: everything is passed on, unless the program shall not hear the answer.
//!
//! What must stay true: an answer is withheld whole, and the cut comes only after the server has said that it is ready again.

use std::io::Result;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, BufWriter, sink};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::groups::{Answer, Groups};
use super::plan::Plan;
use super::{send_on, stream};

pub(super) struct Backend<'a> {
    server: BufReader<OwnedReadHalf>,
    client: BufWriter<OwnedWriteHalf>,
    plan: &'a Plan,
    groups: &'a Groups,
}

impl<'a> Backend<'a> {
    pub(super) fn new(
        server: BufReader<OwnedReadHalf>,
        client: BufWriter<OwnedWriteHalf>,
        plan: &'a Plan,
        groups: &'a Groups,
    ) -> Self {
        Self { server, client, plan, groups }
    }

    /// Until the server closes its side, or the plan says so.
    pub(super) async fn run(mut self) -> Result<()> {
        loop {
            if self.server.buffer().len() < 5 {
                send_on(&mut self.client).await?;
            }
            let kind = self.server.read_u8().await?;
            if self.groups.takes_bare_answer() {
                self.client.write_u8(kind).await?;
                continue;
            }
            let length = self.server.read_u32().await?;
            let body = u64::from(length).saturating_sub(4);
            match self.groups.answer(kind) {
                Answer::Pass => {
                    self.client.write_u8(kind).await?;
                    self.client.write_u32(length).await?;
                    stream(&mut self.server, &mut self.client, body).await?;
                }
                Answer::Withhold => stream(&mut self.server, &mut sink(), body).await?,
                Answer::Cut => {
                    self.plan.cut();
                    return Ok(());
                }
            }
        }
    }
}
