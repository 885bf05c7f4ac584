//! Supervised Postgres, S3 and OpenBao servers, programs and senders for demo, tests and benches.
//!
//! What must stay true:
//! - **No server outlives its supervisor.** Every child is spawned by one keeper thread through `setpriv --pdeathsig`, so the
//!   kernel ends it when this process ends, however it ends (`keeper`).
//! - **Two runs side by side never share anything**: a data folder is held by a lock, ports are probed and probed again (`folder`, `ports`).
//! - **A folder that a crashed run left is taken over**, its servers stopped first; strangers are never signalled (`left_over`).
//! - Nothing here is bound to one tokio runtime: each `#[tokio::test]` has its own (`shared`).
//!
//! Linux only (`/proc`, `setpriv` from util-linux).

mod channel;
mod dropped;
mod earlier;
mod error;
mod folder;
mod identity;
mod inspect;
mod installation;
mod keeper;
mod kms;
mod left_over;
mod one_shot;
mod open_bao;
mod platform;
mod ports;
mod postgres;
mod program;
mod proxy;
mod s3;
mod secret;
mod sender;
mod shared;
mod store_wire;
mod wait;
mod wire;

pub use channel::{Attempt, Channel, ChannelSettings, DataType, Message, Queue, State, TextCharset};
pub use dropped::dropped_after;
pub use earlier::{tenant_migrations, tenant_schema_at};
pub use error::{Error, Result};
pub use folder::DataFolder;
pub use installation::{PostgresHome, bao, chromedriver, chromium, weed};
pub use kms::Kms;
pub use one_shot::{Finished, OneShot};
pub use open_bao::OpenBao;
pub use platform::{Platform, Server, Source};
pub use postgres::{Durability, Frozen, Postgres};
pub use program::{Program, Running};
pub use proxy::{Mode, Proxy};
pub use s3::S3;
pub use secret::{random_hex, write_private};
pub use sender::{Answer, Sender};
pub use shared::{kms, open_bao, postgres, s3, scratch};
pub use store_wire::{StoreFault, StoreWire};
pub use wait::until;
pub use wire::{Fault, Wire};
