//! Opens connections to tenants: a few at a time, and after a failure only after a pause.
//! Must stay true: no more attempts are under way than allowed, so a server that comes back is not knocked over by all who wait for
//! it; pauses grow while it fails, end at [`LONGEST_PAUSE`], and part of each is chance; an attempt ends within its limit; that one
//! tenant's login is refused slows down nobody; sign-ins, of which anybody can ask for any number, take half of the attempts at most, and
//! with patients' requests, which need a connection each as well, three quarters.
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use labor_catalog::{ClaimRole, SecretNumber, TenantName};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::error::SqlState;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::Connection;
use super::is_for_one_request;
use crate::DbError;
use crate::secrets::Secrets;

/// The first pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// No pause is longer: who waits for a connection gives up after a few seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// No session waits or works for longer, so that one that holds locks delays its own practice only; what nobody waits for any more
/// ends; the server's log shows no parameter, whatever the login has set for itself. SQL that was injected can lift all but the last.
const BOUNDS: &str = "-c lock_timeout=5s -c statement_timeout=20s -c idle_in_transaction_session_timeout=30s \
                      -c client_connection_check_interval=5s -c log_parameter_max_length_on_error=0";

/// The way to the server.
pub(super) struct Connector {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
    secrets: Secrets,
    at_once: Semaphore,
    /// The share of those who need a connection of their own for each request.
    for_one_request: Semaphore,
    /// The part of it that sign-ins can take.
    sign_ins: Semaphore,
    limit: Duration,
    pause: Mutex<Pause>,
}

/// No password opened it.
enum Refused {
    /// The server said so, or could not be reached.
    ByServer(tokio_postgres::Error),
    /// The file lacks the secret that the fleet uses, and no other one fits.
    Lacking(DbError),
}

/// May open one connection.
pub(super) struct Attempt<'c> {
    _one_of_all: SemaphorePermit<'c>,
    _one_of_shares: [Option<SemaphorePermit<'c>>; 2],
}

impl Connector {
    pub(super) fn new(url: &str, secrets: Secrets, at_once: usize, limit: Duration) -> Result<Self, DbError> {
        let unavailable = |error: labor_connect::ConnectError| DbError::Unavailable(error.to_string());
        let config = labor_connect::parse(url, "labor").map_err(unavailable)?;
        let tls = labor_connect::tls().map_err(unavailable)?;
        let pause = Mutex::new(Pause::default());
        let for_one_request = Semaphore::new((at_once * 3 / 4).max(1));
        let sign_ins = Semaphore::new((at_once / 2).max(1));
        let at_once = Semaphore::new(at_once.max(1));
        Ok(Self { config, tls, secrets, at_once, for_one_request, sign_ins, limit, pause })
    }

    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Waits until one more attempt may be made. The caller bounds it.
    pub(super) async fn attempt(&self, role: ClaimRole) -> Option<Attempt<'_>> {
        // The smaller share first: who waits for it stands in nobody's way.
        let shares = [
            (role == ClaimRole::SignIn).then_some(&self.sign_ins),
            is_for_one_request(role).then_some(&self.for_one_request),
        ];
        let mut one_of_shares = [None, None];
        for (one, share) in one_of_shares.iter_mut().zip(shares) {
            if let Some(share) = share {
                *one = Some(share.acquire().await.ok()?);
            }
        }
        let one_of_all = self.at_once.acquire().await.ok()?;
        loop {
            let left = self.pause().left(Instant::now());
            if left.is_zero() {
                return Some(Attempt { _one_of_all: one_of_all, _one_of_shares: one_of_shares });
            }
            tokio::time::sleep(left).await;
        }
    }

    /// Opens a connection with the tenant's login. `number`: of the master secret that its password should come out of.
    pub(super) async fn open(
        &self,
        attempt: Attempt<'_>,
        tenant: &TenantName,
        number: SecretNumber,
    ) -> Result<Connection, DbError> {
        let began = Instant::now();
        let opened = tokio::time::timeout(self.limit, self.try_passwords(tenant, number)).await;
        drop(attempt);
        let (opened, server_failed) = match opened {
            Ok(Ok(connection)) => (Ok(connection), false),
            Ok(Err(Refused::Lacking(error))) => (Err(error), false),
            Ok(Err(Refused::ByServer(error))) => {
                let server_failed = is_the_servers_fault(&error);
                (Err(DbError::from(error)), server_failed)
            }
            Err(_) => {
                (Err(DbError::Unavailable("the server did not answer a new connection in time".to_owned())), true)
            }
        };
        if server_failed {
            self.pause().failed(began, Instant::now(), fastrand::f64());
        } else {
            self.pause().succeeded();
        }
        opened
    }

    /// A login's password may be changing: which master secret it comes out of is remembered nowhere. The fleet's is tried first, the
    /// others only when the server says that the password is wrong, then it again: no moment of a rotation shuts anybody out.
    async fn try_passwords(&self, tenant: &TenantName, number: SecretNumber) -> Result<Connection, Refused> {
        // Somebody may know of a newer one before we do: the file may hold it.
        let ring = self.secrets.latest();
        let mut refused = Refused::Lacking(self.secrets.lacking(number));
        for secret in ring.trials(number) {
            let mut config = self.config.clone();
            config.user(tenant.role()).password(secret.tenant_password(tenant)).options(BOUNDS);
            match Connection::open(&config, self.tls.clone()).await {
                Ok(opened) => return Ok(opened),
                // Also said of a login that is not there.
                Err(error) if error.code() == Some(&SqlState::INVALID_PASSWORD) => {
                    if ring.get(number).is_some() {
                        refused = Refused::ByServer(error);
                    }
                }
                Err(error) => return Err(Refused::ByServer(error)),
            }
        }
        Err(refused)
    }

    fn pause(&self) -> std::sync::MutexGuard<'_, Pause> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether others would fare the same: the server can't be reached, starts, stops or is full. Not so when it refused one login, or
/// has as many connections of that login as it allows.
fn is_the_servers_fault(error: &tokio_postgres::Error) -> bool {
    let Some(db) = error.as_db_error() else { return true };
    // The function that counts a role's connections has the same code as the one that counts all.
    let of_the_role = db.code().code() == "53300" && db.routine() == Some("InitializeSessionUserId");
    matches!(db.code().code().get(..2), Some("08" | "53" | "57" | "58" | "XX")) && !of_the_role
}

/// How long not to try.
#[derive(Debug, Default)]
struct Pause {
    failures: u32,
    until: Option<Instant>,
    last: Option<Instant>,
}

impl Pause {
    fn left(&self, now: Instant) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// `chance`: from 0 to 1. Attempts that were under way together count as one failure.
    fn failed(&mut self, began: Instant, now: Instant, chance: f64) {
        if self.last.is_some_and(|last| began < last) {
            return;
        }
        let longest = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.last = Some(now);
        // Between half and all of it.
        self.until = Some(now + longest.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0));
    }

    fn succeeded(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use labor_catalog::MasterSecret;

    use super::*;

    #[test]
    fn pauses_grow_while_the_server_fails_end_at_a_second_and_are_over_with_the_first_success() {
        let (mut pause, mut now, mut pauses) = (Pause::default(), Instant::now(), Vec::new());
        for _ in 0..7 {
            pause.failed(now, now, 1.0);
            pauses.push(pause.left(now).as_millis());
            now += Duration::from_secs(2);
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
        pause.failed(now, now, 0.0);
        assert_eq!(pause.left(now).as_millis(), 500, "half of it is chance");
        pause.succeeded();
        assert_eq!(pause.left(now), Duration::ZERO);
    }

    #[test]
    fn sign_ins_take_half_of_the_attempts_and_those_who_wait_for_more_are_in_nobodys_way() {
        let secret = MasterSecret::from_hex(&MasterSecret::generate().unwrap()).unwrap();
        let connector = Connector::new("postgres://localhost/labor", secret.into(), 4, LONGEST_PAUSE).unwrap();
        let [one, two, mut three] = [(); 3].map(|()| Box::pin(connector.attempt(ClaimRole::SignIn)));
        let sign_ins = [one.now_or_never().flatten().unwrap(), two.now_or_never().flatten().unwrap()];
        assert!(three.as_mut().now_or_never().is_none(), "a third sign-in");
        let reads = [(); 2].map(|()| connector.attempt(ClaimRole::Doctor).now_or_never().flatten());
        assert!(reads.iter().all(Option::is_some), "doctors wait behind sign-ins");
        drop(sign_ins);
        assert!(three.now_or_never().is_some());
    }

    #[test]
    fn patients_and_sign_ins_together_leave_a_quarter_and_sign_ins_leave_one_to_patients() {
        let secret = MasterSecret::from_hex(&MasterSecret::generate().unwrap()).unwrap();
        let connector = Connector::new("postgres://localhost/labor", secret.into(), 4, LONGEST_PAUSE).unwrap();
        let now = |role| connector.attempt(role).now_or_never().flatten();
        let _sign_ins = [now(ClaimRole::SignIn).unwrap(), now(ClaimRole::SignIn).unwrap()];
        let patient = now(ClaimRole::Patient).expect("a patient waits behind sign-ins");
        assert!(now(ClaimRole::Patient).is_none(), "patients and sign-ins take all");
        let _doctor = now(ClaimRole::Doctor).expect("a doctor waits behind patients");
        drop(patient);
        assert!(now(ClaimRole::Patient).is_some());
    }

    #[test]
    fn attempts_that_fail_together_count_once() {
        let (mut pause, began) = (Pause::default(), Instant::now());
        let now = began + Duration::from_millis(1);
        for _ in 0..8 {
            pause.failed(began, now, 1.0);
        }
        assert_eq!(pause.left(now), FIRST_PAUSE);
    }
}
