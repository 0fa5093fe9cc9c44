//! One trace from the bytes that ingest read to the stored incident, as a collector receives it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    collections::HashMap,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, Sender},
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    trace::v1::Span,
};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

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

/// Its address and what it receives; it goes with the runtime.
fn collect(runtime: &tokio::runtime::Runtime) -> (String, Receiver<Span>) {
    let (sender, spans) = mpsc::channel();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(
        tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(Collector(sender)))
            .serve_with_incoming(TcpIncoming::from(listener)),
    );
    (format!("http://{address}"), spans)
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

#[test]
fn one_trace_goes_from_the_first_byte_to_the_stored_incident() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (endpoint, spans) = collect(&runtime);
    let data = tempfile::tempdir().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["--source", "scenario", "--speed", "600x"])
        .args(["--listen", "127.0.0.1:0", "--grpc", "127.0.0.1:0"])
        .args(["--broker", "127.0.0.1:0", "--data"])
        .arg(data.path())
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("WEIR__TELEMETRY__SAMPLE_RATIO", "1")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
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
