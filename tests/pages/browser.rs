//! A headless Chromium of one test's own, driven through ChromeDriver. Both end with `end`; what a failing test leaves is ended by the next
//! run that takes the folder.
use std::net::TcpListener;
use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use labor_testing::{Program, Running, chromedriver, chromium, scratch, until};

/// A browser with one page.
pub(crate) struct Browser {
    pub(crate) page: Client,
    driver: Running,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = scratch().await.unwrap().join(format!("browser-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        let driver = Program::at(chromedriver().unwrap())
            .args([format!("--port={port}")])
            .env("HOME", &folder)
            .env("TMPDIR", &folder);
        let driver = driver.start(&folder).unwrap();
        let page = until("the browser", Duration::from_secs(60), async || {
            let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
            builder.capabilities(capabilities(&folder));
            Ok(builder.connect(&format!("http://127.0.0.1:{port}")).await.map_err(|error| error.to_string()))
        })
        .await
        .unwrap();
        Self { page, driver }
    }

    /// Lets the browser end before its driver does: alone it would go on writing into this run's folder.
    pub(crate) async fn end(self) {
        self.page.close().await.unwrap();
        drop(self.driver);
    }
}

fn capabilities(folder: &std::path::Path) -> fantoccini::wd::Capabilities {
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        "--window-size=1100,900",
        &format!("--user-data-dir={}", folder.join("profile").display()),
    ];
    let options = serde_json::json!({ "binary": chromium().unwrap(), "args": arguments });
    [("goog:chromeOptions".to_owned(), options)].into_iter().collect()
}
