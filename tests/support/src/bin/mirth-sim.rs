//! A channel of Mirth Connect or Open Integration Engine on the command line: sends files as its HTTP Sender does, and says what came of
//! them. To try a server, a proxy in front of it, or a secret (docs/mirth.md).
//! Exit codes: 0 all SENT; 1 something is not; 2 wrong command line.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a command-line program talks on its standard streams")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use labor_testing::{Channel, ChannelSettings, DataType, Message, Queue, State, TextCharset};

#[derive(Parser)]
#[command(
    name = "mirth-sim",
    version,
    about = "Sends files as a channel of Mirth Connect or Open Integration Engine does"
)]
struct Arguments {
    /// Where to post: the whole address of the webhook, or of its self-test.
    #[arg(long)]
    url: String,
    /// Id of the source.
    #[arg(long)]
    source: String,
    /// File with the signing secret.
    #[arg(long)]
    secret_file: PathBuf,
    /// Charset of the File Reader.
    #[arg(long, default_value = "ISO-8859-15", value_parser = charset)]
    read_as: TextCharset,
    /// Charset that the transformer signs in.
    #[arg(long, default_value = "ISO-8859-15", value_parser = charset)]
    sign_as: TextCharset,
    /// Charset Encoding of the HTTP Sender: UTF-8 is the engine's default, and wrong.
    #[arg(long, default_value = "ISO-8859-15", value_parser = charset, conflicts_with = "binary")]
    send_as: TextCharset,
    /// Data Type Binary: the bytes as they are.
    #[arg(long)]
    binary: bool,
    /// Header Content-Encoding: gzip.
    #[arg(long)]
    gzip: bool,
    /// Multipart.
    #[arg(long)]
    multipart: bool,
    /// Queue Messages: Never.
    #[arg(long)]
    no_queue: bool,
    /// Retry interval in seconds.
    #[arg(long, default_value_t = 10)]
    interval: u64,
    /// Retries without a queue.
    #[arg(long, default_value_t = 0, requires = "no_queue")]
    retries: u32,
    /// Rotate Queue.
    #[arg(long)]
    rotate: bool,
    /// Queue Threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Regenerate Template and Include Filter/Transformer: each retry is signed anew.
    #[arg(long)]
    regenerate: bool,
    /// Send Timeout in seconds.
    #[arg(long, default_value_t = 30)]
    timeout: u64,
    /// With the response transformer of docs/mirth.md.
    #[arg(long)]
    response_transformer: bool,
    /// Signed so many seconds ago, as a channel that could not send for that long.
    #[arg(long, default_value_t = 0)]
    age: u64,
    /// Stop after so many seconds; what is queued then stays so. The engine never stops.
    #[arg(long, default_value_t = 60)]
    stop_after: u64,
    /// The files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("mirth-sim: {error}");
            ExitCode::from(1)
        }
    }
}

/// Whether all were sent.
async fn run(arguments: &Arguments) -> Result<bool, String> {
    let channel = Channel::start(settings(arguments)?).map_err(|error| error.to_string())?;
    for path in &arguments.files {
        let file = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
        channel.read(&path.display().to_string(), &file);
    }
    // Too late is no failure of the program: the messages say it themselves.
    let _ = channel.until_done(Duration::from_secs(arguments.stop_after)).await;
    let messages = channel.messages();
    messages.iter().for_each(told);
    Ok(messages.iter().all(|message| message.state == State::Sent))
}

fn settings(arguments: &Arguments) -> Result<ChannelSettings, String> {
    let secret = std::fs::read_to_string(&arguments.secret_file);
    let secret = secret.map_err(|error| unreadable(&arguments.secret_file, &error))?;
    let interval = Duration::from_secs(arguments.interval);
    let queue = match arguments.no_queue {
        true => Queue::Never { retries: arguments.retries, interval },
        false => Queue::Always { interval, rotate: arguments.rotate },
    };
    Ok(ChannelSettings {
        read_as: arguments.read_as,
        sign_as: arguments.sign_as,
        data_type: if arguments.binary { DataType::Binary } else { DataType::Text(arguments.send_as) },
        gzip: arguments.gzip,
        multipart: arguments.multipart,
        queue,
        threads: arguments.threads,
        regenerate: arguments.regenerate,
        socket_timeout: Duration::from_secs(arguments.timeout),
        response_transformer: arguments.response_transformer,
        age: Duration::from_secs(arguments.age),
        ..ChannelSettings::new(&arguments.url, &arguments.source, secret.trim_end())
    })
}

fn told(message: &Message) {
    println!("{:?} {} after {} attempts", message.state, message.name, message.attempts.len());
    if let Some(last) = message.attempts.last() {
        let status = last.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        println!("  {status}: {}", last.answer);
    }
}

fn charset(name: &str) -> Result<TextCharset, String> {
    TextCharset::named(name).ok_or_else(|| "UTF-8, ISO-8859-1 or ISO-8859-15".to_owned())
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("{} can't be read: {error}", path.display())
}
