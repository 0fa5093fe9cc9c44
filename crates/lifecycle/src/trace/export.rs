//! To the collector, and a count of what did not get there. A collector that is away is told once,
//! and once when it is back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use metrics::Counter;
use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};

/// Spans that wait for the collector; more are lost.
const QUEUE: usize = 16_384;
/// Spans of one export.
const BATCH: usize = 2_048;
/// Between two exports.
const EVERY: Duration = Duration::from_secs(1);

/// What both ends of the queue know.
#[derive(Debug)]
struct Known {
    /// Spans between the end of their work and the collector's answer.
    waiting: AtomicUsize,
    away: AtomicBool,
    lost: Counter,
    endpoint: String,
}

impl Known {
    fn lose(&self, spans: usize) {
        self.lost.increment(spans as u64);
    }
}

/// Takes spans from those who work, without ever holding them up.
#[derive(Debug)]
pub(super) struct Queue {
    batches: BatchSpanProcessor,
    known: Arc<Known>,
}

/// Hands batches to the collector, on a thread of its own.
#[derive(Debug)]
struct Counted<E> {
    collector: E,
    known: Arc<Known>,
}

impl Queue {
    pub(super) fn before(collector: impl SpanExporter + 'static, endpoint: &str) -> Self {
        let known = Arc::new(Known {
            waiting: AtomicUsize::new(0),
            away: AtomicBool::new(false),
            lost: metrics::counter!("trace_spans_lost_total"),
            endpoint: endpoint.to_owned(),
        });
        let counted = Counted {
            collector,
            known: Arc::clone(&known),
        };
        // Never full before our own bound, where what is lost is counted.
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(EVERY)
            .build();
        let batches = BatchSpanProcessor::builder(counted)
            .with_batch_config(config)
            .build();
        Self { batches, known }
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.known.waiting.fetch_add(1, Ordering::Relaxed) < QUEUE {
            self.batches.on_end(span);
        } else {
            self.known.waiting.fetch_sub(1, Ordering::Relaxed);
            self.known.lose(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (spans, known) = (batch.len(), &self.known);
        let outcome = self.collector.export(batch).await;
        known.waiting.fetch_sub(spans, Ordering::Relaxed);
        let endpoint = known.endpoint.as_str();
        match &outcome {
            Ok(()) => {
                if known.away.swap(false, Ordering::Relaxed) {
                    tracing::info!(endpoint, "the collector of traces takes them again");
                }
            }
            Err(error) => {
                known.lose(spans);
                if !known.away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        endpoint,
                        %error,
                        "the collector does not take traces: they are lost and counted in \
                         trace_spans_lost_total until it does; nothing else waits for it"
                    );
                }
            }
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.collector.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.collector.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.collector.set_resource(resource);
    }
}
