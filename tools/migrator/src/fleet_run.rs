//! A run over the fleet with something to do, up or back: wave by wave, several tenants at a time, until nobody is left.
//! Must stay true: what became of it is written down however it ends; tenants that were born in the meantime are reached too.
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::named::named;
use crate::queue::{Queue, Selection};
use crate::run::{self, Ending};
use crate::step::{Task, Way};
use crate::up::{Progress, Stop, TenantReport, UpOptions, UpReport};
use crate::waves::Wave;
use crate::worker::{Ended, PASSED_BY, STOPPED, Worker};
use crate::{Migrator, MigratorError, generation};

/// How often a resting run looks whether its connection is still there.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a worker tells of a tenant; it goes on once it hears that this was counted.
type Told = (TenantReport, oneshot::Sender<()>);

/// What became of the tenants of a wave.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    succeeded: u64,
    failed: u64,
    /// Held by another migrator up to the end.
    busy: u64,
    /// Another migrator brought them there.
    current: u64,
}

impl Tally {
    /// What one tenant's outcome adds. Who was passed by or stopped is neither a success nor a failure.
    fn of(outcome: &str) -> Self {
        let mut one = Self::default();
        match outcome {
            "migrated" | "undone" => one.succeeded = 1,
            "current" => one.current = 1,
            "busy" => one.busy = 1,
            PASSED_BY | STOPPED => {}
            _ => one.failed = 1,
        }
        one
    }

    fn add(&mut self, other: Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.busy += other.busy;
        self.current += other.current;
    }

    /// Whether nobody of a wave shows that the version works, although it had somebody to try: that is as little as a failure.
    fn proves_nothing(self) -> bool {
        self.busy > 0 && self.succeeded + self.current == 0
    }

    /// Whether it brought the run any further.
    fn is_idle(self) -> bool {
        self.succeeded + self.failed + self.busy + self.current == 0
    }
}

/// A run with something to do.
pub(crate) struct FleetRun<'a> {
    migrator: &'a Migrator,
    options: &'a UpOptions,
    stop: &'a Stop,
    task: Arc<Task>,
    queue: Arc<Mutex<Queue>>,
    total: u64,
}

impl<'a> FleetRun<'a> {
    pub(crate) fn new(
        migrator: &'a Migrator,
        client: Client,
        options: &'a UpOptions,
        stop: &'a Stop,
        task: Task,
        mut selection: Selection,
        total: u64,
    ) -> Self {
        selection.task = task.run_id;
        let queue = Arc::new(Mutex::new(Queue::new(client, selection)));
        Self { migrator, options, stop, task: Arc::new(task), queue, total }
    }

    /// Goes to its end, whatever that is, and writes it down.
    pub(crate) async fn finish(
        self,
        report: &mut UpReport,
        progress: &mut impl FnMut(Progress<'_>),
    ) -> Result<(), MigratorError> {
        report.run = Some(self.task.run_id);
        let result = self.waves(report, progress).await;
        let ended = self.end(report, &result).await;
        result.and(ended)
    }

    /// The waves, and then those who were born in the meantime.
    async fn waves(&self, report: &mut UpReport, progress: &mut impl FnMut(Progress<'_>)) -> Result<(), MigratorError> {
        let raise = self.task.way == Way::Up && self.options.tenants.is_empty();
        let waves = self.options.waves.list();
        let mut raised = !raise;
        let mut all = Tally::default();
        for (number, wave) in waves.iter().enumerate() {
            let size = wave.of(self.total);
            // With nothing before it nobody shows that the version works; after others it is shown by whom they brought there.
            if !raised && size.is_none() && (number == 0 || all.succeeded > 0) {
                self.raise_generation().await?;
                raised = true;
            }
            if number > 0 {
                if self.pending().await? == 0 {
                    break;
                }
                tokio::select! {
                    () = tokio::time::sleep(self.options.pause_between) => {}
                    () = self.stop.asked() => {}
                    () = self.stay() => {}
                }
            }
            progress(Progress::Wave(wave));
            let tally = self.wave(wave, size, (&mut all, report), progress).await?;
            if wave.is_canary() && tally.proves_nothing() {
                self.stop.because(format!(
                    "the canary wave has proven nothing: nobody was brought to the version, and another migrator was at work on {} up to \
                     the end",
                    tally.busy
                ));
            }
            if self.stop.reason().is_some() {
                return Ok(());
            }
            // This wave has shown that the version works: new tenants need not be born at the old one.
            if !raised && tally.succeeded > 0 && tally.failed == 0 {
                self.raise_generation().await?;
                raised = true;
            }
        }
        let Some(last) = waves.last().filter(|wave| wave.of(self.total).is_none()) else { return Ok(()) };
        while self.stop.reason().is_none() && self.pending().await? > 0 {
            if self.wave(last, None, (&mut all, report), progress).await?.is_idle() {
                break;
            }
        }
        Ok(())
    }

    /// While no worker is there, the queue's session is the run's only one. It may be lost: who looks shall not think that we are gone.
    async fn stay(&self) {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            // Whoever needs it next is told why it is not to be had.
            let _ = self.queue.lock().await.client(self.migrator).await;
        }
    }

    async fn raise_generation(&self) -> Result<(), MigratorError> {
        generation::raise(self.queue.lock().await.client(self.migrator).await?, self.task.target.version).await
    }

    async fn pending(&self) -> Result<u64, MigratorError> {
        self.queue.lock().await.pending(self.migrator).await
    }

    async fn wave(
        &self,
        wave: &Wave,
        size: Option<u64>,
        (all, report): (&mut Tally, &mut UpReport),
        progress: &mut impl FnMut(Progress<'_>),
    ) -> Result<Tally, MigratorError> {
        self.queue.lock().await.begin(size, wave.is_canary());
        let (workers, mut reports) = self.start_workers(size);
        let mut tally = Tally::default();
        while let Some((tenant, counted)) = reports.recv().await {
            let one = Tally::of(tenant.outcome);
            tally.add(one);
            all.add(one);
            report.migrated += one.succeeded;
            report.failed += one.failed + one.busy;
            self.judge(wave, &tenant, one, all.failed);
            progress(Progress::Tenant(&tenant));
            // Who doesn't wait for this any more is gone.
            let _ = counted.send(());
        }
        join(workers).await.map(|()| tally)
    }

    /// The workers of a wave, and what they tell.
    fn start_workers(&self, size: Option<u64>) -> (JoinSet<Result<(), Ended>>, mpsc::Receiver<Told>) {
        let most = usize::try_from(size.unwrap_or(self.total)).unwrap_or(usize::MAX).max(1);
        let number = self.options.workers.clamp(1, most);
        let (send, receive) = mpsc::channel(number);
        let mut workers = JoinSet::new();
        for _ in 0..number {
            let worker = Worker {
                migrator: self.migrator.clone(),
                queue: self.queue.clone(),
                task: self.task.clone(),
                retries: self.options.retries,
                stop: self.stop.clone(),
                reports: send.clone(),
            };
            workers.spawn(worker.run());
        }
        (workers, receive)
    }

    /// Stops the run when this was one failure too many.
    fn judge(&self, wave: &Wave, tenant: &TenantReport, one: Tally, failed: u64) {
        if wave.is_canary() && one.failed > 0 {
            let name = named(tenant.tenant.as_str(), tenant.slug.as_deref());
            self.stop.because(format!("{name} failed in the canary wave"));
        } else if self.options.max_failures.exceeded(failed, self.total) {
            let limit = self.options.max_failures;
            self.stop.because(format!("{failed} tenant(s) failed, and --max-failures {limit} allows no more"));
        }
    }

    /// Writes the end down. When even that fails, the run shows as killed, and what failed is told.
    async fn end(&self, report: &mut UpReport, result: &Result<(), MigratorError>) -> Result<(), MigratorError> {
        let mut queue = self.queue.lock().await;
        let (left, client) = match queue.left(self.migrator).await {
            Ok(left) => left,
            Err(_) if result.is_err() => return Ok(()),
            Err(error) => return Err(error),
        };
        report.left = left;
        report.stopped = self.stop.reason();
        let (ending, message) = match result {
            Err(error) => (Ending::Failed, Some(error.to_string())),
            Ok(()) if report.stopped.is_some() => (Ending::Stopped, report.stopped.clone()),
            Ok(()) => (Ending::Completed, None),
        };
        run::end(client, self.task.run_id, ending, message.as_deref()).await
    }
}

/// Waits for the workers of a wave. One that ended without a tenant in hand is a failure only when no other did its part.
async fn join(mut workers: JoinSet<Result<(), Ended>>) -> Result<(), MigratorError> {
    let (mut result, mut without, mut done) = (Ok(()), None, 0);
    while let Some(ended) = workers.join_next().await {
        match ended {
            Ok(Ok(())) => done += 1,
            Ok(Err(Ended::WithoutTenant(error))) => {
                tracing::warn!(%error, "a worker ended; the others do its part");
                without = without.or(Some(error));
            }
            Ok(Err(Ended::WithTenant(error))) => result = result.and(Err(error)),
            Err(error) => {
                let error = MigratorError::Invalid(format!("a worker ended unexpectedly: {error}"));
                result = result.and(Err(error));
            }
        }
    }
    match without {
        Some(error) if done == 0 => result.and(Err(error)),
        _ => result,
    }
}
