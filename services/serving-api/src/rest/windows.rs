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
    let width_us = match params.width.as_deref() {
        None => None,
        Some("1m") => Some(MINUTE_US),
        Some("5m") => Some(5 * MINUTE_US),
        Some(other) => {
            return Err(Problem::bad_request(format!(
                "`width` is `{other}`: write 1m or 5m"
            )));
        }
    };
    let windows = look_up(
        &app,
        Wanted {
            aggregate: &params.aggregate,
            key: params.key,
            width_us,
            from_us: rest::time("from", params.from.as_deref())?,
            to_us: rest::time("to", params.to.as_deref())?,
            limit: params.limit,
        },
    )
    .await?;
    Ok(Json(windows.into_iter().map(to_json).collect()))
}

/// Which windows; absent = the default or no bound.
pub(crate) struct Wanted<'a> {
    pub(crate) aggregate: &'a str,
    pub(crate) key: Option<String>,
    pub(crate) width_us: Option<i64>,
    pub(crate) from_us: Option<i64>,
    pub(crate) to_us: Option<i64>,
    pub(crate) limit: Option<usize>,
}

/// Windows by key, then time.
pub(crate) async fn look_up(app: &App, wanted: Wanted<'_>) -> Result<Vec<Window>, Problem> {
    let Some(aggregate) = weir_windows::by_name(wanted.aggregate) else {
        return Err(Problem::bad_request(format!(
            "`aggregate` is `{}`: write peer-messages or origin-announcements",
            wanted.aggregate
        )));
    };
    let width_us = wanted.width_us.unwrap_or(MINUTE_US);
    if ![MINUTE_US, 5 * MINUTE_US].contains(&width_us) {
        return Err(Problem::bad_request("the width is not one or five minutes"));
    }
    let limit = wanted.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::bad_request(format!(
            "`limit` is {limit}: write 1 to {MAX_LIMIT}"
        )));
    }
    let range = wanted.from_us.unwrap_or(0)..wanted.to_us.unwrap_or(i64::MAX);
    app.windows(aggregate.name, wanted.key, width_us, range, limit)
        .await
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
