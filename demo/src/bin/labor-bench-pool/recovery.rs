//! How long practices are not served after the server, or the line to it, is back. Nobody helps: clients ask again, as they do.
//! Must stay true: the clock begins when the fault ends, and a read counts only after that; the control plane has the same fault.
use std::time::{Duration, Instant};

use labor_connect::ConnectError;
use labor_db::{Control, PoolSettings, Tenants};
use labor_demo::Failure;
use labor_testing::{Mode, Proxy};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::findings::{Findings, Topic};
use crate::load::AFTER_REFUSAL;
use crate::stage::{CONTROL_CONNECTIONS, Stage, visit};

const RUNS: usize = 5;
const CLIENTS: usize = 16;
/// Longer than the pools wait for anything that is silent: their pauses are long by then.
const FAULT: Duration = Duration::from_secs(6);
const WANTED_SECONDS: f64 = 5.0;

/// What happens to the server, or to the line.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// Killed with signal 9 and started again.
    Killed,
    /// Nothing passes; what is sent meanwhile is lost, and connections that lost something stay silent.
    Blackhole,
    /// All its processes stand still (SIGSTOP).
    Stopped,
    /// Every backend that serves practices or the control plane is ended by an administrator.
    Ended,
    /// Others hold all connections that the server has, and keep them.
    Full,
}

impl Trouble {
    const ALL: [Self; 5] = [Self::Killed, Self::Blackhole, Self::Stopped, Self::Ended, Self::Full];
}

/// When each client was answered first since it was last forgotten.
type Answers = watch::Sender<Vec<Option<Instant>>>;

pub(crate) async fn measure(stage: &Stage, findings: &mut Findings) -> Result<(), Failure> {
    let proxy = Proxy::start(stage.postgres.port()).await?;
    let url = proxy.url(stage.url())?;
    let control = Control::connect(&url, CONTROL_CONNECTIONS)?;
    let pools = Tenants::new(&url, stage.master.clone(), PoolSettings::default(), control)?;
    let answers = Answers::new(vec![None; CLIENTS]);
    let mut clients = ask(stage, &pools, &answers);
    let mut worst = 0.0_f64;
    for trouble in Trouble::ALL {
        let (mut first, mut every) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let run = tokio::select! {
                run = after(trouble, stage, &proxy, &answers) => run?,
                Some(ended) = clients.join_next() => return Err(ended?.err().unwrap_or_else(|| "a client ended".into())),
            };
            first.push(run.0);
            every.push(run.1);
        }
        worst = every.iter().copied().fold(worst, f64::max);
        findings.with(Topic::Recovery, trouble.name(), "s", (&first, every));
    }
    findings.at_most(
        "all clients are served again at most 5 s after any of these, the worst of all runs",
        worst,
        WANTED_SECONDS,
    );
    Ok(())
}

/// Clients of the first tenants that ask all the time, until the result is dropped.
fn ask(stage: &Stage, pools: &Tenants, answers: &Answers) -> JoinSet<Result<(), Failure>> {
    let mut clients = JoinSet::new();
    for (client, tenant) in stage.tenants.iter().cycle().take(CLIENTS).cloned().enumerate() {
        let (pools, message, answers) = (pools.clone(), stage.message, answers.clone());
        clients.spawn(async move {
            loop {
                match visit(&pools, &tenant, message).await {
                    Ok(_) => {
                        answers.send_if_modified(|all| {
                            let Some(first) = all.get_mut(client).filter(|first| first.is_none()) else { return false };
                            *first = Some(Instant::now());
                            true
                        });
                    }
                    Err(error) if error.is_transient() => tokio::time::sleep(AFTER_REFUSAL).await,
                    Err(error) => return Err(error.into()),
                }
            }
        });
    }
    clients
}

/// One fault: seconds from its end to the first read of all, and to the first of the client that was last.
async fn after(trouble: Trouble, stage: &Stage, proxy: &Proxy, answers: &Answers) -> Result<(f64, f64), Failure> {
    all_answered(answers).await?;
    let forget = || answers.send_modify(|all| all.fill(None));
    match trouble {
        Trouble::Killed => {
            stage.postgres.kill().await?;
            tokio::time::sleep(FAULT).await;
            forget();
            // Comes back when the server has answered us: a read before that is one within no time.
            stage.postgres.restart().await?;
        }
        Trouble::Blackhole => {
            proxy.set(Mode::Blackhole);
            tokio::time::sleep(FAULT).await;
            forget();
            proxy.set(Mode::Pass);
        }
        Trouble::Stopped => {
            let frozen = stage.postgres.freeze().ok_or("the server does not run")?;
            tokio::time::sleep(FAULT).await;
            forget();
            drop(frozen);
        }
        Trouble::Ended => {
            forget();
            let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                        WHERE usename LIKE 't\\_%\\_app' OR usename = 'labor_control'";
            if stage.postgres.connect("labor").await?.query_one(end, &[]).await?.get::<_, i64>(0) == 0 {
                return Err("there was no backend to end".into());
            }
            // Who was answered by a backend that had not yet ended shows nothing.
            forget();
        }
        Trouble::Full => {
            proxy.set(Mode::Refuse);
            proxy.cut();
            let others = all_connections(stage).await?;
            proxy.set(Mode::Pass);
            tokio::time::sleep(FAULT).await;
            forget();
            drop(others);
        }
    }
    let back = Instant::now();
    let answered = all_answered(answers).await?;
    let seconds = |at: Option<&Instant>| at.map_or(f64::NAN, |at| at.saturating_duration_since(back).as_secs_f64());
    Ok((seconds(answered.iter().min()), seconds(answered.iter().max())))
}

/// All that the server has left, those for superusers too.
async fn all_connections(stage: &Stage) -> Result<Vec<impl Sized>, Failure> {
    let config = labor_connect::parse(&stage.superuser_url(), "labor-bench-pool")?;
    let mut others = Vec::new();
    loop {
        match labor_connect::connect(&config).await {
            Ok(client) => others.push(client),
            // too_many_connections
            Err(ConnectError::Refused { source, .. }) if source.code().is_some_and(|state| state.code() == "53300") => {
                return Ok(others);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// When each client was.
async fn all_answered(answers: &Answers) -> Result<Vec<Instant>, Failure> {
    let mut news = answers.subscribe();
    let all = news.wait_for(|all| all.iter().all(Option::is_some)).await?;
    Ok(all.iter().copied().flatten().collect())
}

impl Trouble {
    fn name(self) -> &'static str {
        match self {
            Self::Killed => "the server was killed and started again",
            Self::Blackhole => "the line let nothing pass for 6 s",
            Self::Stopped => "the server stood still for 6 s (SIGSTOP)",
            Self::Ended => "an administrator ended all backends",
            Self::Full => "others held all the server's connections for 6 s",
        }
    }
}
