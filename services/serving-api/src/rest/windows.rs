//! `GET /api/v1/windows`: counts in event-time windows.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use weir_events::time::{MINUTE_US, rfc3339};
use weir_metric_store::Window;

use crate::{app::App, problem::Problem, rest};

const DEFAULT_LIMIT: usize = 120;
const MAX_LIMIT: usize = 5000;

/// Which windows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WindowParams {
    /// peer-messages or origin-announcements.
    aggregate: String,
    /// One key (`192.0.2.1:64496`, or an ASN); all keys when absent.
    key: Option<String>,
    /// 1m or 5m; 1m when absent.
    width: Option<String>,
    /// Windows that start at or after: RFC 3339 or microseconds.
    from: Option<String>,
    /// Windows that start before: RFC 3339 or microseconds.
    to: Option<String>,
    /// Most windows to return, 1 to 5000; 120 when absent.
    limit: Option<usize>,
}

/// One window of one key.
#[derive(Serialize, ToSchema)]
pub(crate) struct WindowJson {
    key: String,
    start: String,
    end: String,
    /// False while late events may still change it.
    r#final: bool,
    synthetic: bool,
    /// Counts by name.
    measures: BTreeMap<String, u64>,
}

/// Windows by key, then time.
#[utoipa::path(get, path = "/api/v1/windows", tag = "windows", params(WindowParams), responses(
    (status = 200, body = Vec<WindowJson>),
    (status = 400, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(app): State<App>,
    params: Result<Query<WindowParams>, QueryRejection>,
) -> Result<Json<Vec<WindowJson>>, Problem> {
    let Query(params) = params?;
    let Some(aggregate) = weir_windows::by_name(&params.aggregate) else {
        return Err(Problem::bad_request(format!(
            "`aggregate` is `{}`: write peer-messages or origin-announcements",
            params.aggregate
        )));
    };
    let width_us = match params.width.as_deref() {
        None | Some("1m") => MINUTE_US,
        Some("5m") => 5 * MINUTE_US,
        Some(other) => {
            return Err(Problem::bad_request(format!(
                "`width` is `{other}`: write 1m or 5m"
            )));
        }
    };
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::bad_request(format!(
            "`limit` is {limit}: write 1 to {MAX_LIMIT}"
        )));
    }
    let from_us = rest::time("from", params.from.as_deref())?.unwrap_or(0);
    let to_us = rest::time("to", params.to.as_deref())?.unwrap_or(i64::MAX);
    let windows = app
        .windows(aggregate.name, params.key, width_us, from_us..to_us, limit)
        .await?;
    Ok(Json(windows.into_iter().map(to_json).collect()))
}

fn to_json(window: Window) -> WindowJson {
    WindowJson {
        start: rfc3339(window.start_us),
        end: rfc3339(window.end_us),
        r#final: window.is_final,
        synthetic: window.synthetic,
        measures: window.measures.into_iter().collect(),
        key: window.key,
    }
}
