//! What a running `weir` shows at `/metrics` is what `docs/metrics.md` says: names, types, labels.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// What is known of one metric.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    kind: String,
    labels: BTreeSet<String>,
}

/// By name: what the page says, and whether it is there as soon as records flow.
fn documented() -> BTreeMap<String, (Known, bool)> {
    let page = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/metrics.md"
    ));
    let page = page.unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[4].split(", ").filter(|label| !label.is_empty());
        let known = Known {
            kind: cells[2].to_owned(),
            labels: labels.map(str::to_owned).collect(),
        };
        let name = cells[1].trim_matches('`').to_owned();
        (name, (known, cells[5] == "-"))
    })
    .collect()
}

/// By name: what the text shows.
fn shown(text: &str) -> BTreeMap<String, Known> {
    let mut shown: BTreeMap<String, Known> = BTreeMap::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix("# TYPE ") {
            let (name, kind) = header.split_once(' ').unwrap();
            let known = Known {
                kind: kind.to_owned(),
                labels: BTreeSet::new(),
            };
            shown.insert(name.to_owned(), known);
        } else if let Some((name, labels)) = line.split_once('{') {
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|end| name.strip_suffix(end))
                .find(|family| shown.contains_key(*family))
                .unwrap_or(name);
            let labels = labels.split('}').next().unwrap();
            let names = labels
                .split("\",")
                .filter_map(|pair| pair.split('=').next());
            let names = names.filter(|label| *label != "le").map(str::to_owned);
            shown.get_mut(family).unwrap().labels.extend(names);
        }
    }
    shown
}

struct Weir(Child);

impl Drop for Weir {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running scenario, and where its page is.
fn weir(data: &std::path::Path) -> (Weir, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["--source", "scenario", "--speed", "600x"])
        .args(["--listen", "127.0.0.1:0", "--grpc", "127.0.0.1:0"])
        .args(["--broker", "127.0.0.1:0", "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let weir = Weir(child);
    let page = lines
        .find_map(|line| {
            let line = line.unwrap();
            let address = line.strip_prefix("page")?.trim().strip_prefix("http://")?;
            Some(address.trim_end_matches('/').to_owned())
        })
        .unwrap();
    // What it says after this must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (weir, page)
}

fn ask(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn what_is_shown_is_what_the_page_of_metrics_says() {
    let documented = documented();
    let data = tempfile::tempdir().unwrap();
    let (_weir, address) = weir(data.path());
    let until = Instant::now() + PATIENCE;
    let text = loop {
        let text = ask(&address);
        let shown = shown(&text);
        let missing: Vec<_> = documented
            .iter()
            .filter(|(name, (_, always))| *always && !shown.contains_key(*name))
            .map(|(name, _)| name)
            .collect();
        if missing.is_empty() && shown.contains_key("conflicts_total") {
            break text;
        }
        assert!(Instant::now() < until, "{missing:?} is not in {text}");
        std::thread::yield_now();
    };
    for (name, found) in shown(&text) {
        let Some((known, _)) = documented.get(&name) else {
            panic!("docs/metrics.md does not know {name}");
        };
        assert_eq!(&found, known, "{name}");
    }
}
