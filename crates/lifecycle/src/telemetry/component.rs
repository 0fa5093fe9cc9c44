//! JSON lines that say who speaks: `service` is the process, `component` the part of it (`kafka`,
//! `record-store`, ...), so that one grep finds every word about one engine.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent,
        format::{Format, FormatFields, Json, JsonFields, Writer},
    },
    registry::LookupSpan,
};

/// The line of tracing's own JSON format with `service` and `component` in front.
pub(super) struct WithComponent {
    pub(super) service: &'static str,
}

impl<S> FormatEvent<S, JsonFields> for WithComponent
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    JsonFields: for<'a> FormatFields<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let lines: Format<Json> = Format::default().json().flatten_event(true);
        let mut line = String::new();
        lines.format_event(context, Writer::new(&mut line), event)?;
        let rest = line.strip_prefix('{').unwrap_or(&line);
        let component = component(event.metadata().target());
        write!(
            writer,
            "{{\"service\":\"{}\",\"component\":\"{component}\",{rest}",
            self.service
        )
    }
}

/// The crate that speaks, under the name that people know: the event log and its client are `kafka`.
fn component(target: &str) -> String {
    match target.split("::").next().unwrap_or(target) {
        "weir_eventlog" | "librdkafka" | "rdkafka" => "kafka".to_owned(),
        other => other
            .trim_start_matches("weir_")
            .replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
    }
}

#[cfg(test)]
mod tests {
    use super::component;

    #[test]
    fn a_component_is_named_after_its_crate_and_the_log_is_called_kafka() {
        for (target, wanted) in [
            ("weir_eventlog::subscriber", "kafka"),
            ("librdkafka", "kafka"),
            ("weir_record_store::postgres", "record-store"),
            ("fred", "fred"),
        ] {
            assert_eq!(component(target), wanted);
        }
    }
}
