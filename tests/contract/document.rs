//! docs/mirth.md and docs/mirth-channel.xml say what the server does: names, paths, scripts, the test value.
//! (The script itself was run by hand in Rhino, the engine's JavaScript: no engine for it is linked for this.)
use std::time::Duration;

use labor_testing::{ChannelSettings, DataType, Queue, Sender, TextCharset};
use roxmltree::{Document, Node};
use serde_json::Value;

const PAGE: &str = include_str!("../../docs/mirth.md");
const CHANNEL: &str = include_str!("../../docs/mirth-channel.xml");

/// The description that the server gives of itself.
fn description() -> Value {
    serde_json::to_value(labor::openapi()).unwrap()
}

/// The JavaScript blocks of the page: transformer and response transformer.
fn scripts() -> Vec<&'static str> {
    PAGE.split("```javascript\n").skip(1).map(|rest| rest.split("```").next().unwrap().trim_end()).collect()
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Node<'a, 'a> {
    node.children().find(|child| child.has_tag_name(name)).ok_or(name).unwrap()
}

fn text<'a>(node: Node<'a, 'a>, name: &str) -> &'a str {
    child(node, name).text().unwrap_or_default()
}

/// Destination, its properties and those of its queue.
fn destination<'a>(channel: &'a Document<'a>) -> (Node<'a, 'a>, Node<'a, 'a>, Node<'a, 'a>) {
    let destination = child(child(channel.root_element(), "destinationConnectors"), "connector");
    let properties = child(destination, "properties");
    (destination, properties, child(properties, "destinationConnectorProperties"))
}

#[test]
fn the_channel_file_sends_the_headers_that_the_server_reads() {
    let (description, channel) = (description(), Document::parse(CHANNEL).unwrap());
    let (_, properties, _) = destination(&channel);
    let entries = child(properties, "headers").children().filter(|entry| entry.has_tag_name("entry"));
    let headers: Vec<(&str, &str)> =
        entries.map(|entry| (text(entry, "string"), text(child(entry, "list"), "string"))).collect();
    let parameters = description["paths"]["/v1/messages"]["post"]["parameters"].as_array().unwrap();
    for parameter in parameters {
        let (name, required) = (parameter["name"].as_str().unwrap(), parameter["required"] == Value::Bool(true));
        assert!(!required || headers.iter().any(|(sent, _)| *sent == name), "{name} is needed and not sent");
    }
    for (name, variable) in headers {
        assert!(parameters.iter().any(|parameter| parameter["name"] == name), "{name} is sent and nobody reads it");
        assert!(PAGE.contains(&format!("| `{name}` | `{variable}` |")), "{name} is not on the page");
        let put = variable.replace("${", "channelMap.put('").replace('}', "',");
        assert!(scripts()[0].contains(&put), "{variable} is not set by the transformer");
    }
}

#[test]
fn the_channel_file_posts_to_the_webhook_in_one_charset() {
    let (description, channel) = (description(), Document::parse(CHANNEL).unwrap());
    let (_, properties, _) = destination(&channel);
    assert_eq!((text(properties, "host"), text(properties, "method")), ("${labUrl}", "post"));
    assert_eq!((text(properties, "content"), text(properties, "contentType")), ("${labBody}", "text/plain"));
    let path = scripts()[0]
        .split("channelMap.put('labUrl', setting('labor.url') + '")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap();
    assert!(description["paths"][path]["post"].is_object(), "{path}");
    let reader = child(child(channel.root_element(), "sourceConnector"), "properties");
    let script = scripts()[0].split("var cs = '").nth(1).unwrap().split('\'').next().unwrap();
    assert_eq!([text(reader, "charsetEncoding"), text(properties, "charset")], [script; 2]);
    assert_eq!((text(reader, "binary"), text(properties, "dataTypeBinary")), ("false", "false"));
    let settings = ChannelSettings::new("", "", "");
    let charset = TextCharset::named(script).unwrap();
    assert_eq!((settings.read_as, settings.sign_as, settings.data_type), (charset, charset, DataType::Text(charset)));
}

#[test]
fn the_channel_files_queue_is_the_one_that_is_played() {
    let channel = Document::parse(CHANNEL).unwrap();
    let (_, properties, queue) = destination(&channel);
    let settings = ChannelSettings::new("", "", "");
    let number = |node, name| text(node, name).parse::<u64>().unwrap();
    assert_eq!(text(queue, "queueEnabled"), "true");
    let interval = Duration::from_millis(number(queue, "retryIntervalMillis"));
    let rotate = text(queue, "rotate") == "true";
    assert_eq!(Queue::Always { interval, rotate }, settings.queue);
    assert_eq!(usize::try_from(number(queue, "threadCount")).unwrap(), settings.threads);
    let regenerate = text(queue, "regenerateTemplate") == "true" && text(queue, "includeFilterTransformer") == "true";
    assert_eq!(regenerate, settings.regenerate);
    assert_eq!(Duration::from_millis(number(properties, "socketTimeout")), settings.socket_timeout);
    assert_eq!(text(properties, "multipart") == "true", settings.multipart);
    assert_eq!(text(properties, "useAuthentication") == "true", settings.basic.is_some());
}

#[test]
fn the_scripts_of_page_and_channel_file_are_the_same() {
    let channel = Document::parse(CHANNEL).unwrap();
    let (destination, ..) = destination(&channel);
    for (transformer, script) in ["transformer", "responseTransformer"].into_iter().zip(scripts()) {
        let steps: Vec<_> =
            child(destination, transformer).descendants().filter(|node| node.has_tag_name("script")).collect();
        assert_eq!(steps.len(), 1, "{transformer}");
        assert_eq!(steps[0].text(), Some(script), "{transformer}");
        for kind in ["inboundDataType", "outboundDataType"] {
            assert_eq!(text(child(destination, transformer), kind), "RAW");
        }
    }
    for constant in ["'HmacSHA256'", "ts + '.'", "'v1=' +", "currentTimeMillis() / 1000"] {
        assert!(scripts()[0].contains(constant), "{constant}");
    }
    assert!(!CHANNEL.contains("v1=4"), "no secret and no signature");
}

#[test]
fn the_pages_test_value_is_right() {
    let sender = Sender::new("http://127.0.0.1:1", "x", b"key").unwrap();
    let signature = sender.signature(1_700_000_000, b"body");
    assert!(PAGE.contains(&format!("body `body`, timestamp `1700000000`, secret `key` give\n`{signature}`")));
}

/// Every status that the server describes is in the page's table, and its texts don't promise what it does not do.
#[test]
fn every_answer_is_on_the_page() {
    let description = description();
    for status in description["paths"]["/v1/messages"]["post"]["responses"].as_object().unwrap().keys() {
        assert!(PAGE.lines().any(|line| line.starts_with(&format!("| {status} |"))), "{status}");
        assert!(!status.starts_with('3') && status != "409", "{status} would lose results or block channels");
    }
    assert!(
        description["paths"]["/v1/messages/self-test"]["post"]["responses"]
            .as_object()
            .unwrap()
            .keys()
            .all(|s| s.as_str() >= "400")
    );
    assert!(PAGE.contains("not imported it into a real engine"));
}
