//! Tenants with equal definitions, and the text of their dumps: read from one member, tried on another.
//! Must stay true: no layout is used that was not tried; what is tried is a whole dump, rows included, in one snapshot.
use std::collections::BTreeMap;

use labor_catalog::TenantName;
use serde::Serialize;
use tokio::sync::mpsc::{self, Receiver};
use tokio_postgres::Client;

use crate::fleet::Line;
use crate::layout::{Layout, Reader};
use crate::pipe::Chunk;
use crate::program::PgDump;
use crate::proof::{self, Contents};
use crate::script::Outline;
use crate::snapshot::Snapshot;
use crate::{Backup, BackupError};

/// Making and trying a layout takes two real dumps: what the members of a smaller class cost anyway.
const WORTH_A_LAYOUT: usize = 3;
/// How often a layout is made when something comes between. A member that is not what the ledger says is only passed over.
const ATTEMPTS: usize = 3;
/// So many reasons are told when no layout came of it.
const TOLD: usize = 3;
/// Pages of a tenant that is not compared: 64 MiB, a few seconds.
const LARGE: i64 = 8192;

/// Who is to be backed up, of `control.tenants t`: a spare has nothing in it yet. `run`, `verify` and `status` mean the same ones by "all".
macro_rules! to_be_backed_up {
    () => {
        "(t.state NOT IN ('spare', 'deleted'))"
    };
}
pub(crate) use to_be_backed_up;

/// All tenants that are to be backed up: with the fingerprint that the ledger has, the pages of their tables, as of the last
/// VACUUM if there was one.
const MEMBERS: &str = concat!("SELECT t.name, coalesce(l.fingerprint, ''), coalesce(l.version, 0), CASE WHEN n.oid IS NOT NULL THEN coalesce(c.pages, 0) END
    FROM control.tenants t
    LEFT JOIN control.ledger l ON l.tenant = t.name
    LEFT JOIN pg_namespace n ON n.nspname = t.name
    LEFT JOIN (SELECT relnamespace, sum(CASE WHEN reltuples < 0 THEN pg_relation_size(oid) / 8192 ELSE relpages END)::bigint AS pages
                 FROM pg_class WHERE relkind = 'r' GROUP BY relnamespace) c ON c.relnamespace = n.oid
   WHERE ", to_be_backed_up!(), " ORDER BY t.name");

/// One tenant.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) tenant: TenantName,
    fingerprint: String,
    version: i32,
    /// None: it has no schema.
    pages: Option<i64>,
}

/// A class, and how its members were dumped.
#[derive(Clone, Debug, Serialize)]
pub struct Class {
    /// The ledger's fingerprint of its definitions.
    pub fingerprint: String,
    /// The version of its schema.
    pub version: i32,
    /// How many tenants are in it.
    pub tenants: usize,
    /// Whose real dump gave the text; none: each was dumped by `pg_dump`.
    pub read_from: Option<TenantName>,
    /// Whose dump by that text was equal to a real `pg_dump`.
    pub tried_on: Option<TenantName>,
    /// How many of its tables had rows.
    pub with_rows: usize,
    /// Why the text is not used: its members were dumped by `pg_dump`.
    pub fault: Option<String>,
}

impl Class {
    /// Whether a tenant has the definitions that the ledger says, and nothing that only `pg_dump` can tell.
    fn has(&self, contents: &Contents) -> bool {
        contents.fingerprint == self.fingerprint && contents.version == self.version && contents.besides.is_some()
    }
}

/// The tenants to be backed up.
pub(crate) async fn members(client: &Client) -> Result<Vec<Member>, BackupError> {
    let rows = client.query(MEMBERS, &[]).await.map_err(BackupError::during("list the tenants"))?;
    let member = |row: &tokio_postgres::Row| {
        let tenant = TenantName::parse(row.get(0)).map_err(|error| BackupError::Invalid(error.to_string()))?;
        Ok(Member { tenant, fingerprint: row.get(1), version: row.get(2), pages: row.get(3) })
    };
    rows.iter().map(member).collect()
}

impl Backup {
    /// The layout of each class that is worth one.
    pub(crate) async fn layouts(
        &self,
        program: &PgDump,
        members: &[Member],
    ) -> Result<(Vec<Layout>, Vec<Class>), BackupError> {
        let mut by_class = BTreeMap::<(&str, i32), Vec<&Member>>::new();
        for member in members {
            by_class.entry((&member.fingerprint, member.version)).or_default().push(member);
        }
        let (mut layouts, mut classes, mut line) = (Vec::new(), Vec::new(), Line::default());
        for ((fingerprint, version), mut members) in by_class {
            let tenants = members.len();
            members.retain(|member| member.pages.is_some());
            members.sort_by_key(|member| member.pages);
            let fingerprint = fingerprint.to_owned();
            let mut class =
                Class { fingerprint, version, tenants, read_from: None, tried_on: None, with_rows: 0, fault: None };
            if members.len() >= WORTH_A_LAYOUT && !class.fingerprint.is_empty() {
                layouts.extend(Box::pin(self.layout(&mut line, program, &members, &mut class)).await?);
            }
            classes.push(class);
        }
        Ok((layouts, classes))
    }

    /// Read from a small member, tried on another; on others when one of them has drifted, was deleted, or its connection was cut.
    /// Without one the class has a fault.
    async fn layout(
        &self,
        line: &mut Line,
        program: &PgDump,
        members: &[&Member],
        class: &mut Class,
    ) -> Result<Option<Layout>, BackupError> {
        let (mut left, mut whys, mut failed) = (members.to_vec(), Vec::new(), 0);
        while failed < ATTEMPTS && left.len() > 1 {
            let reader = left[failed % left.len()];
            let others: Vec<_> = left.iter().copied().filter(|other| other.tenant != reader.tenant).collect();
            let Some(other) = any_of(&worth_trying(&others))? else { break };
            self.say(&format!("{}: its text for {} tenants, tried on {}", reader.tenant, class.tenants, other.tenant));
            match Box::pin(self.made_and_tried(line, program, class, [reader, other])).await {
                Ok(Tried::Same { layout, with_rows }) => {
                    (class.read_from, class.tried_on) = (Some(reader.tenant.clone()), Some(other.tenant.clone()));
                    class.with_rows = with_rows;
                    return Ok(Some(*layout));
                }
                Ok(Tried::Drifted { tenant }) => {
                    left.retain(|member| member.tenant != tenant);
                    whys.push(format!(
                        "the definitions of {tenant} are not what the ledger says, or have more to them"
                    ));
                }
                // Which of the two is the odd one nobody can tell. Without both there are still two of the others, if those are more.
                Ok(Tried::Unlike) => {
                    let (one, two) = (&reader.tenant, &other.tenant);
                    left.retain(|member| member.tenant != *one && member.tenant != *two);
                    whys.push(format!("{one} and {two} differ in comments or rights"));
                }
                // No matter how often: this is what the comparison is for.
                Ok(Tried::Differs(how)) => {
                    whys =
                        vec![format!("the dump of {} by the text of its class is not pg_dump's: {how}", other.tenant)];
                    break;
                }
                Err(BackupError::Stopped) => return Err(BackupError::Stopped),
                Err(error) => {
                    *line = Line::default();
                    failed += 1;
                    whys.push(error.to_string());
                }
            }
        }
        if let Some(more) = whys.len().checked_sub(TOLD).filter(|more| *more > 0) {
            whys.truncate(TOLD);
            whys.push(format!("and {more} more"));
        }
        let whys = whys.join("; ");
        class.fault = Some(format!("all {} tenants of a class were dumped by pg_dump: {whys}", class.tenants));
        Ok(None)
    }

    /// The layout of the first of the two, tried on the second.
    async fn made_and_tried(
        &self,
        line: &mut Line,
        program: &PgDump,
        class: &Class,
        [reader, other]: [&Member; 2],
    ) -> Result<Tried, BackupError> {
        let Some(layout) = self.read_layout(line, program, &reader.tenant, class).await? else {
            return Ok(Tried::Drifted { tenant: reader.tenant.clone() });
        };
        self.try_layout(line, program, class, layout, &other.tenant).await
    }

    /// None: the tenant is not what the ledger says.
    async fn read_layout(
        &self,
        line: &mut Line,
        program: &PgDump,
        tenant: &TenantName,
        class: &Class,
    ) -> Result<Option<Layout>, BackupError> {
        let client = line.open(self).await?;
        let snapshot = self.unless_stopped(Snapshot::open(client, tenant)).await?;
        let contents = self.unless_stopped(proof::all(&snapshot.transaction, tenant)).await?;
        if !class.has(&contents) {
            return Ok(None);
        }
        let (to, mut text) = mpsc::channel::<Chunk>(4);
        let mut reader = Reader::default();
        let reading = async {
            while let Some(chunk) = text.recv().await {
                reader.feed(&chunk.map_err(BackupError::io("read from pg_dump"))?);
            }
            Ok(())
        };
        let dumping = self.dump(program, tenant, &snapshot, to);
        self.unless_stopped(async { tokio::try_join!(dumping, reading) }).await?;
        reader.finish(tenant.clone(), contents).map(Some)
    }

    /// Compares a member's whole dump by the layout with a real one.
    async fn try_layout(
        &self,
        line: &mut Line,
        program: &PgDump,
        class: &Class,
        layout: Layout,
        tenant: &TenantName,
    ) -> Result<Tried, BackupError> {
        let client = line.open(self).await?;
        let snapshot = self.unless_stopped(Snapshot::open(client, tenant)).await?;
        let contents = self.unless_stopped(proof::all(&snapshot.transaction, tenant)).await?;
        if !class.has(&contents) {
            return Ok(Tried::Drifted { tenant: tenant.clone() });
        }
        if !layout.fits(&contents) {
            return Ok(Tried::Unlike);
        }
        let ((to_real, real), (to_ours, ours)) = (mpsc::channel(4), mpsc::channel(4));
        let work = async {
            tokio::try_join!(
                self.dump(program, tenant, &snapshot, to_real),
                layout.pass_on(&snapshot.transaction, tenant, &contents, to_ours),
                outline(real),
                outline(ours)
            )
        };
        let ((), (), real, ours) = self.unless_stopped(work).await?;
        let with_rows = contents.tables.values().filter(|table| table.rows > 0).count();
        Ok(match real.difference(&ours)? {
            Some(how) => Tried::Differs(how),
            None => Tried::Same { layout: Box::new(layout), with_rows },
        })
    }
}

/// What came of a comparison.
enum Tried {
    /// So many tables had rows.
    Same { layout: Box<Layout>, with_rows: usize },
    /// In this.
    Differs(String),
    /// Nothing was compared: its definitions are not those that the ledger has for the class.
    Drifted { tenant: TenantName },
    /// Nothing was compared: the two have other comments or rights.
    Unlike,
}

/// Whom to compare: tables without rows prove nothing about rows, and a large tenant takes long. So the larger half of those that are
/// not large.
fn worth_trying<'a>(by_size: &[&'a Member]) -> Vec<&'a Member> {
    let small = by_size.iter().filter(|member| member.pages.is_some_and(|pages| pages <= LARGE)).count().max(1);
    by_size.iter().take(small).skip(small / 2).copied().collect()
}

fn any_of<'a>(members: &[&'a Member]) -> Result<Option<&'a Member>, BackupError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)?;
    let at = u64::from_ne_bytes(random).checked_rem(members.len() as u64);
    Ok(at.and_then(|at| members.get(usize::try_from(at).ok()?).copied()))
}

async fn outline(mut text: Receiver<Chunk>) -> Result<Outline, BackupError> {
    let mut outline = Outline::default();
    while let Some(chunk) = text.recv().await {
        outline.feed(&chunk.map_err(BackupError::io("read a dump"))?);
    }
    Ok(outline)
}
