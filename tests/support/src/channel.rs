//! A channel of Mirth Connect or Open Integration Engine, as far as its HTTP Sender is concerned: what it makes of answers decides what
//! a server may answer.
//!
//! What must stay true, because the engine's source says so (4.5.2):
//! - the transformer runs once: a retry sends the same headers, the same time and the same signature, unless it is told to regenerate;
//! - an answer below 400 is SENT, also a redirect; from 400 on, and when no answer comes, the message stays QUEUED;
//! - with the queue on, it is tried again for ever; what stands behind it waits (unless the queue rotates); each thread holds one message;
//! - with the queue off, after the last retry it is ERROR;
//! - no answer within the socket time-out is no answer; `Retry-After` means nothing; a redirect of a POST is not followed;
//! - text is sent in the charset of the sender, which need not be the one it was read in or signed in.

mod charset;
mod message;
mod queue;
mod settings;
mod wire;

pub use charset::TextCharset;
pub use message::{Attempt, Message, State};
pub use queue::Channel;
pub use settings::{ChannelSettings, DataType, Queue};
