//! Running programs: their environment, their output, their end.

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::PathBuf,
    time::Duration,
};

use labor_testing::{Error, Program, Sender};

const LIMIT: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Program {
    Program::at(PathBuf::from("/bin/sh")).args(["-c", script])
}

#[tokio::test]
async fn output_is_what_a_program_wrote_and_a_failure_shows_its_last_words() {
    let program = shell("cat; printf ' %s' \"$GREETING\"").env("GREETING", "hello").input("said:");
    assert_eq!(program.output().await.unwrap(), "said: hello");
    let error = shell("echo no such practice >&2; exit 3").output().await.unwrap_err();
    assert!(error.to_string().contains("no such practice") && error.to_string().contains("exit status: 3"), "{error}");
    let slow = shell("sleep 60").limit(Duration::from_millis(100)).output().await;
    assert!(matches!(slow, Err(Error::TooLate { .. })), "{slow:?}");
}

#[tokio::test]
async fn a_program_sees_nothing_of_our_environment_but_the_few_named_variables() {
    let seen = shell("env").output().await.unwrap();
    let allowed = [
        "PATH",
        "HOME",
        "LANG",
        "TZ",
        "RUST_LOG",
        "RUST_BACKTRACE",
        "LLVM_PROFILE_FILE",
        "NO_COLOR",
        "PWD",
        "SHLVL",
        "_",
        "OLDPWD",
    ];
    for line in seen.lines() {
        assert!(allowed.contains(&line.split('=').next().unwrap()), "{line}");
    }
}

#[tokio::test]
async fn a_background_program_is_awaited_by_its_line_and_ended_gently_or_not() {
    let folder = labor_testing::scratch().await.unwrap();
    let program = shell("trap 'echo bye; exit 7' TERM; echo listening on 4711; while :; do sleep 0.05; done");
    let running = program.start(&folder).unwrap();
    assert_eq!(running.wait_for_line("listening", LIMIT).await.unwrap(), "listening on 4711");
    assert_eq!(running.terminate(LIMIT).await.unwrap().code(), Some(7));
    assert!(running.said().contains("bye"));
    let again = program.start(&folder).unwrap();
    assert!(!again.said().contains("bye"), "an earlier run's words were taken for this one's");
    again.kill9();
    assert!(!again.exited().unwrap().success());
    let gone = shell("echo broken; exit 1").start_with_log(&folder.join("broken.log")).unwrap();
    let error = gone.wait_for_line("listening", LIMIT).await.unwrap_err();
    assert!(error.to_string().contains("broken"), "{error}");
}

#[tokio::test]
async fn a_missing_program_says_how_to_build_it() {
    let error = Program::named("labor-nonesuch").unwrap_err();
    assert!(error.to_string().contains("cargo build --workspace --bins"), "{error}");
}

#[tokio::test]
async fn a_sender_posts_raw_bytes_with_its_signature_and_follows_no_redirect() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 4096];
        let mut length = 0;
        while !request[..length].ends_with(b"\xe4\xff") {
            length += stream.read(&mut request[length..]).unwrap();
        }
        let answer = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 12\r\n\r\n{\"code\":\"x\"}";
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..length]).to_lowercase()
    });
    let sender = Sender::new(&base, "lab-1", b"secret").unwrap();
    let answer = sender.send_as("m-1", b"0138000\xe4\xff").await.unwrap();
    assert_eq!((answer.status, answer.json["code"].as_str()), (302, Some("x")));
    let request = server.join().unwrap();
    for part in [
        "post /v1/messages ",
        "x-labor-source: lab-1",
        "x-message-id: m-1",
        "content-type: text/plain",
        "x-labor-signature: v1=",
    ] {
        assert!(request.contains(part), "{part} is missing in {request}");
    }
    let timestamp: u64 =
        request.split("x-labor-timestamp: ").nth(1).unwrap().split('\r').next().unwrap().parse().unwrap();
    assert!(request.contains(&sender.signature(timestamp, b"0138000\xe4\xff")));
}
