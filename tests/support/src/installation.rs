//! Finds the programs that `scripts/install.sh` provides. Nothing is downloaded here.
//!
//! Order for Postgres: `LABOR_POSTGRES_HOME`, the cache, the system, `PATH`; for SeaweedFS: `LABOR_WEED`, the cache, `PATH`;
//! for OpenBao: `LABOR_BAO` and the same. What is named
//! explicitly is used or refused, never passed over. A home counts only if the user who will run it can run all of it, and all of it has
//! one major version: a `pg_dump` of another major refuses the server.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, Result, identity::Identity};

const OLDEST_POSTGRES: u32 = 15;
const POSTGRES_PROGRAMS: [&str; 5] = ["postgres", "initdb", "pg_ctl", "psql", "pg_dump"];
const INSTALL: &str = "run scripts/install.sh demo";
const INSTALL_TEST: &str = "run scripts/install.sh test";

/// An installation of Postgres: server and clients of one major version.
#[derive(Debug, Clone)]
pub struct PostgresHome {
    bin: PathBuf,
    major: u32,
}

impl PostgresHome {
    /// Looks in all places.
    ///
    /// # Errors
    /// [`Error::NoPostgres`] with every place and why it does not serve.
    pub fn find() -> Result<Self> {
        let identity = Identity::of_servers()?;
        let named = env::var_os("LABOR_POSTGRES_HOME").map(|home| vec![Path::new(&home).join("bin")]);
        let mut looked = Vec::new();
        for bin in named.unwrap_or_else(postgres_places) {
            match usable(&bin, identity) {
                Ok(major) => return Ok(Self { bin, major }),
                Err(reason) => looked.push(format!("{}: {reason}", bin.display())),
            }
        }
        if looked.is_empty() {
            looked.push("neither the cache, the system nor PATH has one".into());
        }
        Err(Error::NoPostgres { looked: looked.join("; ") })
    }

    /// The path of one of its programs, such as `pg_dump`.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// The folder of its programs.
    #[must_use]
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// Its major version.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }
}

/// The SeaweedFS server.
///
/// # Errors
/// [`Error::NoProgram`] when it is nowhere.
pub fn weed() -> Result<PathBuf> {
    named_or_cached("weed", "LABOR_WEED", "seaweedfs", INSTALL)
}

/// The OpenBao server, for tests of key services.
///
/// # Errors
/// [`Error::NoProgram`] when it is nowhere.
pub fn bao() -> Result<PathBuf> {
    named_or_cached("bao", "LABOR_BAO", "openbao", INSTALL_TEST)
}

/// The browser for page tests.
///
/// # Errors
/// [`Error::NoProgram`] when it is not installed.
pub fn chromium() -> Result<PathBuf> {
    let places = ["chromium", "chromium-browser", "google-chrome"].into_iter().flat_map(on_path).collect();
    one_of("chromium", places, "PATH", INSTALL_TEST)
}

/// Its WebDriver server.
///
/// # Errors
/// [`Error::NoProgram`] when it is not installed.
pub fn chromedriver() -> Result<PathBuf> {
    one_of("chromedriver", on_path("chromedriver"), "PATH", INSTALL_TEST)
}

/// The folder of Python packages with moto's server, for tests of AWS KMS.
///
/// # Errors
/// [`Error::NoProgram`] when it is nowhere.
pub(crate) fn moto() -> Result<PathBuf> {
    let versions = newest_first(&cache().join("moto")).into_iter();
    let places = versions.map(|packages| packages.join("moto/server.py")).collect();
    let server = one_of("moto", places, "the cache", INSTALL_TEST)?;
    Ok(server.ancestors().nth(2).map(Path::to_owned).unwrap_or_default())
}

/// A program that a variable names, or the newest in a folder of the cache, or one on `PATH`.
fn named_or_cached(program: &str, variable: &str, folder: &str, remedy: &'static str) -> Result<PathBuf> {
    if let Some(named) = env::var_os(variable) {
        return one_of(program, vec![named.into()], variable, remedy);
    }
    let versions = newest_first(&cache().join(folder)).into_iter();
    let mut places: Vec<PathBuf> = versions.map(|version| version.join(program)).collect();
    places.extend(on_path(program));
    one_of(program, places, "the cache and PATH", remedy)
}

/// Where `scripts/install.sh` puts what it downloads: the same three names in the same order as there.
fn cache() -> PathBuf {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("LABOR_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("labor")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/labor")))
        .unwrap_or_else(|| PathBuf::from("/var/cache/labor"))
}

fn postgres_places() -> Vec<PathBuf> {
    let mut homes = newest_first(&cache().join("postgres"));
    homes.extend(newest_first(Path::new("/usr/lib/postgresql")));
    let mut places: Vec<PathBuf> = homes.into_iter().map(|home| home.join("bin")).filter(|bin| bin.is_dir()).collect();
    places.extend(on_path("postgres").iter().filter_map(|program| program.parent().map(Path::to_owned)));
    places
}

/// The folders in a folder, those with the highest version number first; hidden ones (being installed) left out.
fn newest_first(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut versions: Vec<(Vec<u32>, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
            Some((version, entry.path()))
        })
        .collect();
    versions.sort_by(|one, other| other.0.cmp(&one.0));
    versions.into_iter().map(|(_, path)| path).collect()
}

fn on_path(program: &str) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join(program)).filter(|path| path.is_file()).collect()
}

fn one_of(program: &str, places: Vec<PathBuf>, looked: &str, remedy: &'static str) -> Result<PathBuf> {
    let found = places.into_iter().find(|path| path.is_file());
    found.ok_or_else(|| Error::NoProgram { program: program.into(), looked: format!("looked in {looked}"), remedy })
}

/// The major version of a complete installation that `identity` can run, or what is wrong with it.
fn usable(bin: &Path, identity: Identity) -> Result<u32, String> {
    let mut majors = Vec::new();
    for program in POSTGRES_PROGRAMS {
        let mut command = Command::new(bin.join(program));
        command.arg("--version").current_dir("/");
        identity.apply(&mut command);
        let output = command.output().map_err(|error| format!("{program}: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        majors.push(major(&text).ok_or_else(|| format!("{program} does not say its version"))?);
    }
    match majors.as_slice() {
        [first, rest @ ..] if rest.iter().any(|other| other != first) => Err(format!("mixed versions {majors:?}")),
        [first, ..] if *first < OLDEST_POSTGRES => Err(format!("version {first} is too old")),
        [first, ..] => Ok(*first),
        [] => Err("no programs".into()),
    }
}

/// From `initdb (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major(version: &str) -> Option<u32> {
    let number = version.split("(PostgreSQL)").nth(1)?.trim_start();
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_the_programs_say() {
        assert_eq!(major("initdb (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18.6\n"), Some(18));
        assert_eq!(major("psql (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(major("something else 15"), None);
    }

    #[test]
    fn the_newest_version_comes_first_by_number_not_by_letter() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["9.6", "15", "18.6.0", ".18.7.0", "notes"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let names: Vec<_> =
            newest_first(folder.path()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["18.6.0", "15", "9.6"]);
    }

    #[test]
    fn an_incomplete_installation_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let reason = usable(folder.path(), Identity::Ours).unwrap_err();
        assert!(reason.starts_with("postgres:"), "{reason}");
    }
}
