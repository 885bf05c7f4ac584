//! Tenants that are after what is wanted, or after what the program knows: told as ahead, by name, with what to do.
use super::Fleet;
use crate::chain::Chain;

#[tokio::test]
async fn who_is_after_the_wanted_version_is_told_and_left_there() {
    let fleet = Fleet::copy("waves_after").await;
    let chain = fleet.whole().await;
    assert_eq!(fleet.ran(fleet.up(&chain, &["--tenant", "p1"])).await.code, Some(0));
    let ran = fleet.ran(fleet.up(&chain, &["--to", "3"])).await;
    let run = ran.lines.last().unwrap();
    assert_eq!((ran.code, &run["migrated"], &run["ahead"]), (Some(3), &4.into(), &1.into()), "{}", ran.text);
    let further = &run["ahead_tenants"][0];
    assert_eq!((&further["slug"], &further["version"]), (&"p1".into(), &6.into()), "{}", ran.text);
    assert_eq!(fleet.versions().await, "intake 3, p1 6, p2 3, p3 3, p4 3");
    let others = fleet.ran(fleet.up(&chain, &["--to", "3", "--tenant", "p2"])).await;
    assert_eq!(others.code, Some(0), "those that were not asked for don't count: {}", others.text);

    fleet.execute("UPDATE control.fleet SET generation = 5").await;
    let ran = fleet.ran(chain.migrator(&fleet.platform, &["up", "--to", "3"])).await;
    assert_eq!(ran.code, Some(3));
    for part in ["1 ahead", "p1 at version 6", "undo --to 3", "new practices are born at version 5"] {
        assert!(ran.text.contains(part), "{part:?} is not in: {}", ran.text);
    }
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));
    fleet.is_whole(6).await;
}

#[tokio::test]
async fn an_older_program_says_that_the_fleet_is_ahead() {
    let fleet = Fleet::copy("waves_older").await;
    let chain = fleet.whole().await;
    assert_eq!(fleet.ran(fleet.up(&chain, &["--tenant", "p1"])).await.code, Some(0));
    assert_eq!(fleet.ran(fleet.up(&chain, &["--to", "3"])).await.code, Some(3));
    let older = Chain::whole(&fleet.platform.folder().join("waves_older_files"));
    for stem in ["V4__search_indexes", "V5__fill_search_name", "V6__search_name_filled"] {
        std::fs::remove_file(older.file(stem)).unwrap();
    }
    let migrator = |arguments: &[&str]| fleet.ran(older.migrator(&fleet.platform, arguments));
    for command in [&["up"][..], &["plan"], &["undo", "--to", "2", "--yes"]] {
        let ran = migrator(command).await;
        assert_eq!(ran.code, Some(3), "{command:?}: {}", ran.text);
        for part in ["V4__search_indexes.sql was applied", "1 tenant(s) are ahead", "p1 at version 6", "newer program"]
        {
            assert!(ran.text.contains(part), "{part:?} is not in: {}", ran.text);
        }
    }
    let status = migrator(&["--json", "status"]).await;
    let told = &status.lines[0];
    assert_eq!((status.code, &told["behind"], &told["ahead"]), (Some(3), &0.into(), &1.into()), "{}", status.text);
    let (tenants, p1) = (told["tenants"].as_array().unwrap(), &told["tenants"][0]);
    assert_eq!((tenants.len(), &p1["slug"], &p1["ahead"]), (1, &"p1".into(), &true.into()), "{}", status.text);
    let text = migrator(&["status"]).await.text;
    assert!(text.contains("6 (ahead)") && !text.contains("(behind)") && text.contains("0 behind"), "{text}");
    fleet.execute("UPDATE control.fleet SET generation = 6").await;
    let born = migrator(&["provision", "born", "--name", "X"]).await;
    assert!(born.code == Some(3) && born.text.contains("born at version 6"), "{}", born.text);
}
