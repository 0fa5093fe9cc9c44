//! One trace from the bytes that ingest read to the stored incident, as a collector receives it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::Span,
};
use tonic::{
    Request, Response, Status,
    transport::{Identity, ServerTlsConfig, server::TcpIncoming},
};

/// Every emission is traced here, which is a load: two at once would lose spans to each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const PATIENCE: Duration = Duration::from_secs(30);

/// A collector that hands on every span.
struct Collector(Sender<Span>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            for span in resource
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans)
            {
                // Nobody listens any more when the test has ended.
                let _ = self.0.send(span);
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Its address and what it receives; it goes with the runtime. With a certificate it speaks TLS.
fn collect(
    runtime: &tokio::runtime::Runtime,
    identity: Option<Identity>,
) -> (SocketAddr, Receiver<Span>) {
    let (sender, spans) = mpsc::channel();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = tonic::transport::Server::builder();
    if let Some(identity) = identity {
        let tls = ServerTlsConfig::new().identity(identity);
        server = server.tls_config(tls).unwrap();
    }
    runtime.spawn(
        server
            .add_service(TraceServiceServer::new(Collector(sender)))
            .serve_with_incoming(TcpIncoming::from(listener)),
    );
    (address, spans)
}

struct Weir(Child);

impl Drop for Weir {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How many spans of each name.
fn names(seen: &HashMap<Vec<u8>, Span>) -> HashMap<&str, usize> {
    let mut names = HashMap::new();
    for span in seen.values() {
        *names.entry(span.name.as_str()).or_default() += 1;
    }
    names
}

/// The scenario, traced to `endpoint`; every emission begins a trace.
fn traced(endpoint: &str, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command
        .args(["--source", "scenario", "--speed", "200x"])
        .args(["--listen", "127.0.0.1:0", "--grpc", "127.0.0.1:0"])
        .args(["--broker", "127.0.0.1:0", "--data"])
        .arg(data)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("WEIR__TELEMETRY__SAMPLE_RATIO", "1")
        .stdout(Stdio::null());
    command
}

#[test]
fn one_trace_goes_from_the_first_byte_to_the_stored_incident() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (address, spans) = collect(&runtime, None);
    let endpoint = format!("http://{address}");
    let data = tempfile::tempdir().unwrap();
    let child = traced(&endpoint, data.path()).spawn().unwrap();
    let _weir = Weir(child);

    let until = Instant::now() + PATIENCE;
    let mut seen: HashMap<Vec<u8>, Span> = HashMap::new();
    let mut ends: Vec<Span> = Vec::new();
    let stored = loop {
        let left = until.saturating_duration_since(Instant::now());
        let span = spans
            .recv_timeout(left)
            .unwrap_or_else(|_| panic!("{:?}", names(&seen)));
        if span.name == "incident-writer.store" {
            ends.push(span.clone());
        }
        seen.insert(span.span_id.clone(), span);
        // Exports are in no order: look again at all that are stored.
        let complete = ends.iter().find(|span| {
            seen.get(&span.parent_span_id)
                .is_some_and(|judged| seen.contains_key(&judged.parent_span_id))
        });
        if let Some(stored) = complete {
            break stored.clone();
        }
    };
    let judged = &seen[&stored.parent_span_id];
    let published = &seen[&judged.parent_span_id];
    assert_eq!(judged.name, "detector.judge");
    assert_eq!(published.name, "ingest.publish");
    assert!(
        published.parent_span_id.is_empty(),
        "the first has no parent"
    );
    assert!(stored.trace_id == judged.trace_id && judged.trace_id == published.trace_id);
    assert!(published.start_time_unix_nano <= judged.start_time_unix_nano);
    assert!(judged.start_time_unix_nano <= stored.start_time_unix_nano);
    let topic = stored
        .attributes
        .iter()
        .find(|attribute| attribute.key == "messaging.destination.name")
        .unwrap();
    assert!(format!("{topic:?}").contains("bgp-conflicts"), "{topic:?}");
}

fn metrics(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn spans_that_no_collector_takes_are_counted_and_told_once_and_hold_up_nothing() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let data = tempfile::tempdir().unwrap();
    let mut child = traced("http://127.0.0.1:9", data.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let weir = Weir(child);
    let address = said
        .find_map(|line| {
            let line = line.unwrap();
            Some(
                line.split_once("http://")?
                    .1
                    .trim_end_matches('/')
                    .to_owned(),
            )
        })
        .unwrap();
    std::thread::spawn(move || said.for_each(drop));
    let told = log
        .find_map(|line| {
            line.ok()
                .filter(|line| line.contains("the collector does not take traces"))
        })
        .unwrap();
    assert!(told.contains("127.0.0.1:9"), "{told}");

    let lost = || -> u64 {
        let text = metrics(&address);
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("trace_spans_lost_total "));
        count.map_or(0, |count| count.parse().unwrap())
    };
    // Incidents are found meanwhile, and the second batch is counted as well.
    let until = Instant::now() + PATIENCE;
    let first = lost();
    while lost() <= first.max(1) || !metrics(&address).contains("conflicts_total{") {
        assert!(Instant::now() < until, "{}", metrics(&address));
        std::thread::yield_now();
    }
    drop(weir);
    let again = log.filter(|line| {
        let line = line.as_ref();
        line.is_ok_and(|line| line.contains("the collector does not take traces"))
    });
    assert_eq!(again.count(), 0, "it is told once");
}

#[test]
fn an_endpoint_that_is_none_and_a_ca_that_is_not_there_are_refused() {
    let data = tempfile::tempdir().unwrap();
    for (endpoint, ca, reason) in [
        ("collector:4317", None, "neither http:// nor https://"),
        ("https://127.0.0.1:9", Some("/no/such.crt"), "/no/such.crt"),
        (
            "http://127.0.0.1:9",
            Some("/no/such.crt"),
            "is not https://",
        ),
    ] {
        let mut command = traced(endpoint, data.path());
        if let Some(ca) = ca {
            command.env("WEIR__TELEMETRY__OTLP_CA", ca);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(reason), "{text}");
    }
}

/// A certificate for 127.0.0.1 that vouches for itself, and its key, by OpenSSL's program.
fn certificate(folder: &Path) -> Identity {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-subj", "/CN=collector", "-keyout", "key", "-out", "ca"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let read = |name| std::fs::read(folder.join(name)).unwrap();
    Identity::from_pem(read("ca"), read("key"))
}

#[test]
fn a_collector_behind_tls_is_reached_by_its_own_ca_and_by_no_other() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (address, spans) = collect(&runtime, Some(certificate(folder.path())));
    let endpoint = format!("https://{address}");

    let data = tempfile::tempdir().unwrap();
    let trusted = traced(&endpoint, data.path())
        .env("WEIR__TELEMETRY__OTLP_CA", folder.path().join("ca"))
        .spawn()
        .unwrap();
    let trusted = Weir(trusted);
    assert!(!spans.recv_timeout(PATIENCE).unwrap().name.is_empty());
    drop(trusted);
    while spans.recv_timeout(Duration::ZERO).is_ok() {}

    // The system's CAs do not vouch for it.
    let data = tempfile::tempdir().unwrap();
    let mut child = traced(&endpoint, data.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let _strange = Weir(child);
    let away = |line: &String| line.contains("the collector does not take traces");
    assert!(log.any(|line| line.as_ref().is_ok_and(away)));
    assert!(spans.try_recv().is_err(), "it trusted a stranger");
}
