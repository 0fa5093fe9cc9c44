//! Transitions on their way to `bgp-conflicts`, from either stage.

use prost::Message;
use weir_conflicts::{Transition, incident::Change, wire};
use weir_eventlog::{LogError, Publisher, Ticket};
use weir_events::topics::{self, BGP_CONFLICTS};
use weir_lifecycle::trace::Span;

/// Hands a transition to the log, for a record that was received at `received_us`. Effects leave at once: no sync and no
/// database before them (docs/detector.md 13). `latency_us` is when the latency of its delivery begins; 0 = it has none.
pub(crate) fn publish(
    publisher: &Publisher,
    transition: &Transition,
    received_us: i64,
    latency_us: i64,
    span: Option<&Span>,
) -> Result<Ticket, LogError> {
    if transition.incident.change == Change::Opened {
        let kind = transition.incident.kind.name();
        metrics::counter!("conflicts_total", "kind" => kind).increment(1);
    }
    let incident = wire::incident(transition, received_us);
    let traceparent = span.map(Span::traceparent);
    let key = incident.id.as_bytes();
    publisher.publish_traced(
        BGP_CONFLICTS.name,
        topics::partition(&BGP_CONFLICTS, key),
        key,
        &incident.encode_to_vec(),
        latency_us,
        traceparent.as_deref(),
    )
}
