//! Traces by OTLP: from the bytes that ingest read to the incident that was stored.
//!
//! Ingest samples: one emission of many begins a trace, and its `traceparent` (W3C Trace Context)
//! travels in the record's header; who works on such a record makes a child. Without an endpoint
//! every call here is one look at an empty cell. A collector that is away costs the spans and
//! nothing else: they are exported by a thread of their own, and dropped when its queue is full,
//! which is counted (`export.rs`).

mod export;

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use opentelemetry::{
    Context, KeyValue,
    trace::{
        Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags,
        TraceId, TraceState, Tracer as _, TracerProvider as _,
    },
};
use opentelemetry_otlp::{
    WithExportConfig as _, WithTonicConfig as _,
    tonic_types::transport::{Certificate, ClientTlsConfig},
};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use tokio::runtime::Runtime;

use crate::telemetry::Config;

/// Longest that one export may take.
const EXPORT: Duration = Duration::from_secs(5);
/// Longest that the last export may hold up a stop.
const LAST_EXPORT: Duration = Duration::from_secs(2);

static SOURCE: OnceLock<Source> = OnceLock::new();

struct Source {
    tracer: SdkTracer,
    /// Share of the calls of [`sample`] that begin a trace.
    ratio: f64,
}

/// Why there are no traces.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The endpoint is none.
    #[error(
        "[telemetry] otlp_endpoint is {endpoint:?} ({reason}): write http://host:4317 (or https://), where a \
         collector speaks OTLP over gRPC"
    )]
    Endpoint {
        /// As given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The CA of the collector cannot be read.
    #[error("[telemetry] otlp_ca is {}, which cannot be read: name the PEM file of the CA that signed the collector's certificate", path.display())]
    Ca {
        /// As given.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A CA was named, and the endpoint asks for no TLS.
    #[error(
        "[telemetry] otlp_ca is set, and otlp_endpoint {endpoint:?} is not https://: correct one of them"
    )]
    CaWithoutTls {
        /// As given.
        endpoint: String,
    },
    /// `sample_ratio` is no share.
    #[error("[telemetry] sample_ratio is {ratio}: write a number from 0 to 1")]
    Ratio {
        /// As given.
        ratio: f64,
    },
    /// No thread to export on.
    #[error("cannot start the thread that exports traces")]
    Thread(#[from] std::io::Error),
}

/// Traces of this process. Dropping it exports what is left, for at most two seconds.
pub struct Traces {
    provider: SdkTracerProvider,
    /// The exporter's connection lives on it.
    runtime: Option<Runtime>,
}

/// Starts to export, once in a process; `None` = no endpoint is set.
///
/// # Errors
/// When a setting is none, or there is no thread. A collector that is away is no error.
pub fn start(config: &Config, service: &str) -> Result<Option<Traces>, TraceError> {
    let Some(endpoint) = config
        .otlp_endpoint
        .as_deref()
        .filter(|text| !text.is_empty())
    else {
        return Ok(None);
    };
    let unusable = |reason: String| TraceError::Endpoint {
        endpoint: endpoint.to_owned(),
        reason,
    };
    let tls = match (endpoint.split_once("://"), &config.otlp_ca) {
        (Some(("https", _)), Some(ca)) => Some(ours(ca)?),
        (Some(("https", _)), None) => Some(ClientTlsConfig::new().with_native_roots()),
        (Some(("http", _)), None) => None,
        (Some(("http", _)), Some(_)) => {
            return Err(TraceError::CaWithoutTls {
                endpoint: endpoint.to_owned(),
            });
        }
        _ => {
            return Err(unusable(
                "it begins with neither http:// nor https://".to_owned(),
            ));
        }
    };
    let ratio = config.sample_ratio;
    if !(0.0..=1.0).contains(&ratio) {
        return Err(TraceError::Ratio { ratio });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("otlp")
        .enable_all()
        .build()?;
    let exporter = {
        let _inside = runtime.enter();
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT);
        if let Some(tls) = tls {
            exporter = exporter.with_tls_config(tls);
        }
        exporter
            .build()
            .map_err(|error| unusable(error.to_string()))?
    };
    let resource = Resource::builder()
        .with_service_name(service.to_owned())
        .build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(export::Queue::before(exporter, endpoint))
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(resource)
        .build();
    let source = Source {
        tracer: provider.tracer("weir"),
        ratio,
    };
    if SOURCE.set(source).is_err() {
        tracing::warn!("traces run already in this process; they go on to the first endpoint");
    }
    Ok(Some(Traces {
        provider,
        runtime: Some(runtime),
    }))
}

/// TLS that trusts this CA and no other; the host's name is checked.
fn ours(ca: &Path) -> Result<ClientTlsConfig, TraceError> {
    let pem = std::fs::read(ca).map_err(|source| TraceError::Ca {
        path: ca.to_owned(),
        source,
    })?;
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_EXPORT) {
            tracing::warn!(%error, "the last traces were not exported");
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One step of a trace; it ends when it is dropped.
pub struct Span(opentelemetry_sdk::trace::Span);

/// Begins a trace for a share of the calls, by lot: calls that alternate (one topic, the other) have
/// equal chances. `since_us` is when the work began, microseconds since the
/// Unix epoch.
#[must_use]
pub fn sample(name: &'static str, since_us: i64) -> Option<Span> {
    let source = SOURCE.get()?;
    if rand::random::<f64>() >= source.ratio {
        return None;
    }
    let since = UNIX_EPOCH + Duration::from_micros(u64::try_from(since_us).unwrap_or_default());
    Some(source.span(name, SpanKind::Producer, &Context::new(), since))
}

/// Begins a trace that is always kept, for what is rare; `None` = nobody collects them.
#[must_use]
pub fn root(name: &'static str) -> Option<Span> {
    let source = SOURCE.get()?;
    Some(source.span(name, SpanKind::Consumer, &Context::new(), SystemTime::now()))
}

/// Goes on with the trace of a record; `None` when `traceparent` is none or not sampled.
#[must_use]
pub fn child(name: &'static str, traceparent: &str) -> Option<Span> {
    let source = SOURCE.get()?;
    let parent = parse(traceparent).filter(SpanContext::is_sampled)?;
    let parent = Context::new().with_remote_span_context(parent);
    Some(source.span(name, SpanKind::Consumer, &parent, SystemTime::now()))
}

impl Source {
    fn span(
        &self,
        name: &'static str,
        kind: SpanKind,
        parent: &Context,
        since: SystemTime,
    ) -> Span {
        let builder = SpanBuilder::from_name(name)
            .with_kind(kind)
            .with_start_time(since);
        Span(self.tracer.build_with_context(builder, parent))
    }
}

impl Span {
    /// The record that it is about, in the words of OpenTelemetry's messaging conventions.
    #[must_use]
    pub fn about(mut self, topic: &str, partition: u32, offset: Option<i64>) -> Self {
        self.0
            .set_attribute(KeyValue::new("messaging.system", "kafka"));
        self.0.set_attribute(KeyValue::new(
            "messaging.destination.name",
            topic.to_owned(),
        ));
        self.0.set_attribute(KeyValue::new(
            "messaging.destination.partition.id",
            partition.to_string(),
        ));
        if let Some(offset) = offset {
            self.0
                .set_attribute(KeyValue::new("messaging.kafka.offset", offset));
        }
        self
    }

    /// What a record carries so that others go on with the trace.
    #[must_use]
    pub fn traceparent(&self) -> String {
        let context = self.0.span_context();
        format!("00-{}-{}-01", context.trace_id(), context.span_id())
    }
}

/// W3C Trace Context, 3.2.
fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version.len() != 2 || version == "ff" || trace.len() != 32 || span.len() != 16 {
        return None;
    }
    let flags = u8::from_str_radix(flags.get(..2)?, 16).ok()?;
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(flags),
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_the_recommendation_writes_it() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = parse(good).unwrap();
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(
            context.trace_id().to_string(),
            "0af7651916cd43dd8448eb211c80319c"
        );
        let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        assert!(!parse(unsampled).unwrap().is_sampled());
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c8031-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-x",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn without_an_endpoint_nothing_is_traced_and_a_wrong_one_is_refused() {
        assert!(start(&Config::default(), "test").unwrap().is_none());
        assert!(sample("test", 0).is_none() && root("test").is_none());
        let config = Config {
            otlp_endpoint: Some("collector:4317".to_owned()),
            ..Config::default()
        };
        let refused = start(&config, "test").err().unwrap().to_string();
        assert!(refused.contains("http://host:4317"), "{refused}");
        for sample_ratio in [-0.1, 1.5, f64::NAN] {
            let config = Config {
                otlp_endpoint: Some("http://127.0.0.1:4317".to_owned()),
                sample_ratio,
                ..Config::default()
            };
            let refused = start(&config, "test").err().unwrap().to_string();
            assert!(refused.contains("from 0 to 1"), "{refused}");
        }
    }
}
