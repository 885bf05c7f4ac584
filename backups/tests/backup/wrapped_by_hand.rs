//! A backup whose key a service wrapped is opened without Labor, by the commands of docs/runbooks.md as they stand.
use labor_testing::{Program, bao, open_bao};

use crate::place::{OTHER, Place, programs};
use crate::runbooks::blocks;
use crate::wrapped::wrapped_by_bao;

#[tokio::test]
async fn bao_age_zstd_and_psql_open_a_backup() {
    let place = Place::with_patients(20).await;
    let made = wrapped_by_bao(&place).await.run(&place.tenant).await.unwrap();
    let folder = place.folder().join("by-hand");
    std::fs::create_dir(&folder).unwrap();
    let key = format!("tenants/{}/backups/{}/dump.sql.zst.age", place.tenant, made.backup);
    std::fs::write(folder.join("dump.sql.zst.age"), place.object(&key).await).unwrap();
    let (server, postgres) = (open_bao().await, labor_testing::postgres().await);
    let tools = [bao().unwrap().parent().unwrap().to_owned(), programs()];
    let path = std::env::join_paths(tools.into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())))
        .unwrap();
    for block in blocks("by-hand") {
        let block = format!("cd '{}'\n{block}", folder.display());
        let bash = Program::at("/bin/bash".into()).args(["-euo", "pipefail", "-c", &block]).envs(server.env());
        let bash = bash.env("LABOR_ADMIN_URL", postgres.url(OTHER)).env("LABOR_BACKUP_KEYS", &place.settings.keys);
        bash.env("TENANT", place.tenant.as_str()).env("PATH", &path).output().await.unwrap();
    }
    let other = postgres.connect(OTHER).await.unwrap();
    let count = other.query_one(&format!("SELECT count(*) FROM {}.patients", place.tenant), &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 20);
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["dump.sql.zst.age"], "nothing that is open is left");
}
