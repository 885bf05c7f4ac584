//! What the pools tell a Prometheus server.
//! Must stay true: no metric has a label, so their number does not grow with that of the practices, and none says anything about one; a
//! connection that is closed is counted for one reason: opened are those that are open and those that were evicted, retired, spent,
//! discarded or lost.
use std::fmt;
use std::sync::Weak;
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::connection::Connection;
use super::turns::Turns;

/// From a pooled connection (tens of microseconds) to a wait that is given up (seconds).
const BIND_SECONDS: [f64; 11] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// What is counted where it happens.
#[derive(Debug)]
pub(super) struct Counters {
    /// Connections that were opened.
    pub(super) connects: Counter,
    /// Attempts to open one that failed.
    pub(super) connect_failures: Counter,
    /// Connections that were closed after a session that did not end well on them.
    pub(super) discarded: Counter,
    /// Connections that nobody used and that had ended, or fell silent with another one.
    pub(super) lost: Counter,
    /// Connections that were closed because they were idle or old.
    pub(super) retired: Counter,
    /// Connections that were closed after the one request they were for: of sign-ins and patients.
    pub(super) spent: Counter,
    /// Sessions that were not to be had in time.
    pub(super) unavailable: Counter,
    bind: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            connects: Counter::default(),
            connect_failures: Counter::default(),
            discarded: Counter::default(),
            lost: Counter::default(),
            retired: Counter::default(),
            spent: Counter::default(),
            unavailable: Counter::default(),
            bind: Histogram::new(BIND_SECONDS),
        }
    }
}

impl Counters {
    /// A session was ready; its request had waited since then.
    pub(super) fn bound(&self, since: Instant) {
        self.bind.observe(since.elapsed().as_secs_f64());
    }

    /// The same counters under their names; `turns` is asked when they are read.
    pub(super) fn register(&self, turns: Weak<Turns<Connection>>, metrics: &mut Registry) {
        let pool = metrics.sub_registry_with_prefix("labor_pool");
        let counters = [
            ("connects", "Connections that were opened", &self.connects),
            ("connect_failures", "Attempts to open a connection that failed", &self.connect_failures),
            (
                "discarded",
                "Connections closed because a request was dropped, got no answer or lost its server on them",
                &self.discarded,
            ),
            ("lost", "Idle connections that had ended or fell silent with another one", &self.lost),
            ("retired", "Connections closed because they were idle or old", &self.retired),
            ("spent", "Connections closed after the one request they were for: of sign-ins and patients", &self.spent),
            ("unavailable", "Sessions that were not to be had in time", &self.unavailable),
        ];
        for (name, help, counter) in counters {
            pool.register(name, help, counter.clone());
        }
        let help = "From the request for a session to its connection";
        pool.register_with_unit("bind", help, Unit::Seconds, self.bind.clone());
        pool.register_collector(Box::new(Now(turns)));
    }
}

/// The census, taken when it is read.
struct Now(Weak<Turns<Connection>>);

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Now")
    }
}

impl Collector for Now {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(turns) = self.0.upgrade() else { return Ok(()) };
        let census = turns.census();
        let number = |count: usize| ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
        for (name, help, value) in [
            ("open", "Connections that are open or being opened", census.open),
            ("idle", "Of these, those nobody uses", census.idle),
            ("waiting", "Requests that wait for a connection", census.waiting),
            ("tenants", "Tenants with connections or waiting requests", census.tenants),
        ] {
            let value = number(value);
            value.encode(encoder.encode_descriptor(name, help, None, value.metric_type())?)?;
        }
        for (name, help, value) in [
            ("evicted", "Connections closed to make room for another tenant or role", census.evicted),
            ("refused", "Requests refused because too many of their tenant and role waited", census.refused),
        ] {
            let value = ConstCounter::new(value);
            value.encode(encoder.encode_descriptor(name, help, None, value.metric_type())?)?;
        }
        Ok(())
    }
}
