//! Logs to standard error and metrics for a scraper.

mod component;
pub mod task;

use std::{io::IsTerminal, path::PathBuf};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, filter::ParseError, fmt};

use component::WithComponent;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line for a person; in colour on a terminal.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

/// What is logged, and how: the table `[telemetry]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `human` or `json`; absent = for a person on a terminal, else JSON.
    pub log_format: Option<LogFormat>,
    /// For instance `info,librdkafka=warn`; `RUST_LOG` stands above it.
    pub log_filter: Option<String>,
    /// Where a collector takes traces, OTLP over gRPC: `http://127.0.0.1:4317`, or `https://`; absent = no
    /// traces.
    pub otlp_endpoint: Option<String>,
    /// PEM file of the CA that signed the collector's certificate; absent = the system's CAs.
    pub otlp_ca: Option<PathBuf>,
    /// Share of the emissions of ingest that begin a trace, 0 to 1. Incidents are always traced.
    pub sample_ratio: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log_format: None,
            log_filter: None,
            otlp_endpoint: None,
            otlp_ca: None,
            sample_ratio: 0.001,
        }
    }
}

impl Config {
    /// With `OTEL_EXPORTER_OTLP_ENDPOINT` laid over it.
    #[must_use]
    pub fn with_environment(
        mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        for (name, value) in variables {
            if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
                self.otlp_endpoint = Some(value);
            }
        }
        self
    }
}

/// Why telemetry did not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter of log lines is not one.
    #[error("the log filter (RUST_LOG) {filter:?} is not one: {source}")]
    Filter {
        /// As given.
        filter: String,
        /// Where it is wrong.
        source: ParseError,
    },
    /// It was started before in this process, or by somebody else.
    #[error("telemetry runs already: {0}")]
    Running(String),
}

/// The metrics of this process; cheap to clone.
#[derive(Clone)]
pub struct Telemetry {
    prometheus: PrometheusHandle,
}

/// Bounds of every histogram named `*_seconds`.
const SECONDS: [f64; 17] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
    300.0,
];

/// Starts logs and metrics for the whole process, once. `RUST_LOG` decides what is logged, or
/// else `default_filter`, for instance `info,librdkafka=warn`.
///
/// # Errors
/// When the filter is malformed or something else logs already.
pub fn start(format: LogFormat, default_filter: &str) -> Result<Telemetry, TelemetryError> {
    let config = Config {
        log_format: Some(format),
        ..Config::default()
    };
    start_service(&config, "weir", default_filter)
}

/// As [`start`], by the settings, for the process of one service.
///
/// # Errors
/// As there.
pub fn start_service(
    config: &Config,
    service: &'static str,
    default_filter: &str,
) -> Result<Telemetry, TelemetryError> {
    let filter = std::env::var("RUST_LOG")
        .ok()
        .filter(|filter| !filter.is_empty())
        .or_else(|| config.log_filter.clone())
        .unwrap_or_else(|| default_filter.to_owned());
    let parsed =
        EnvFilter::try_new(&filter).map_err(|source| TelemetryError::Filter { filter, source })?;
    let terminal = std::io::stderr().is_terminal();
    let format = config.log_format.unwrap_or(if terminal {
        LogFormat::Human
    } else {
        LogFormat::Json
    });
    let lines = fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Human => lines.with_ansi(terminal).try_init(),
        LogFormat::Json => lines
            .json()
            .event_format(WithComponent { service })
            .try_init(),
    };
    started.map_err(|error| TelemetryError::Running(error.to_string()))?;
    metrics()
}

/// Starts metrics alone: for a process whose logs are somebody else's.
///
/// # Errors
/// When something else records metrics already.
pub fn metrics() -> Result<Telemetry, TelemetryError> {
    let running = |error: &dyn std::fmt::Display| TelemetryError::Running(error.to_string());
    let prometheus = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .map_err(|error| running(&error))?
        .install_recorder()
        .map_err(|error| running(&error))?;
    metrics::gauge!("build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(Telemetry { prometheus })
}

impl Telemetry {
    #[cfg(test)]
    pub(crate) fn of(prometheus: PrometheusHandle) -> Self {
        Self { prometheus }
    }

    /// All metrics in the text format of Prometheus. Also tidies what histograms hold, so it wants
    /// to be called now and then.
    #[must_use]
    pub fn render(&self) -> String {
        self.prometheus.run_upkeep();
        self.prometheus.render()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered_and_a_second_start_is_refused() {
        let telemetry = start(LogFormat::Human, "info").unwrap();
        metrics::counter!("weir_test_total", "topic" => "bgp-updates").increment(3);
        metrics::histogram!("weir_test_seconds").record(0.003);
        let text = telemetry.render();
        assert!(
            text.contains("weir_test_total{topic=\"bgp-updates\"} 3"),
            "{text}"
        );
        assert!(
            text.contains("weir_test_seconds_bucket{le=\"0.005\"} 1"),
            "{text}"
        );
        assert!(matches!(
            start(LogFormat::Json, "info"),
            Err(TelemetryError::Running(_))
        ));
    }
}
