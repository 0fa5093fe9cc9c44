//! `GET /api/v1/incidents` and `GET /api/v1/incidents/{id}`.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use weir_events::time::rfc3339;
use weir_record_store::{
    Cursor, Evidence, Filter, IncidentRow, MAX_PAGE, PrefixMatch, Recorded, Severity,
    State as IncidentState, TransitionRow, export::IncidentJson, is_uuid,
};
use weir_routing::prefix::Prefix;

use crate::{app::App, problem::Problem, rest};

const DEFAULT_PAGE: usize = 50;

/// What to list; several values of one parameter are separated by commas.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Names of rules (docs/rules.md): moas, sub-prefix, ..
    r#type: Option<String>,
    /// suspected, confirmed, ended.
    state: Option<String>,
    /// info, low, medium, high, critical.
    severity: Option<String>,
    /// Exactly this prefix, or a member's.
    prefix: Option<String>,
    /// Inside this prefix, or equal; members of groups likewise.
    covered_by: Option<String>,
    /// Around this prefix, or equal; likewise.
    covers: Option<String>,
    /// An origin, expected origin, suspect or victim: 64496 or AS64496.
    asn: Option<String>,
    /// Only those of this case: the `case_id` of one of them.
    case: Option<String>,
    /// First seen at or after: RFC 3339 or microseconds.
    from: Option<String>,
    /// First seen before: RFC 3339 or microseconds.
    to: Option<String>,
    /// true: only made-up ones; false: only real ones.
    synthetic: Option<bool>,
    /// true: only one's own, by the watch list of the settings; false: only those of others. Looks through 10,000
    /// incidents at most, so that a page may have fewer than `limit` and go on nevertheless.
    mine: Option<bool>,
    /// Most incidents to return, 1 to 500; 50 when absent.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// One page, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct IncidentPage {
    /// Incidents in the shape of the incident file, and whose they are.
    incidents: Vec<Listed>,
    /// Give it as `cursor` to go on; null at the end.
    next_cursor: Option<String>,
}

/// An incident in the shape of the incident file, and whose it is. Those of one attack have one `case_id`. `prefix` is null where it is about a network, a
/// vantage point or a group; `members` are what a group consists of (`prefix`, `incident_id`, either may be null), the
/// first 256 of `member_count`.
#[derive(Serialize, ToSchema)]
struct Listed {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    incident: IncidentJson,
    /// Why it is one's own, by the watch list of the settings; null = it is not, or there is no list.
    mine: Option<String>,
}

/// One incident, with evidence and history.
#[derive(Serialize, ToSchema)]
pub(crate) struct IncidentDetail {
    #[serde(flatten)]
    incident: Listed,
    /// Members, when the suspect is an AS_SET.
    suspect_set: Vec<u32>,
    /// Vantage points' routes, by (ASN, address).
    evidence: Vec<EvidenceJson>,
    /// Transitions, oldest first.
    history: Vec<TransitionJson>,
}

#[derive(Serialize, ToSchema)]
struct EvidenceJson {
    collector: String,
    peer_address: Option<String>,
    peer_asn: u32,
    as_path: String,
    at: String,
}

#[derive(Serialize, ToSchema)]
struct TransitionJson {
    at: String,
    transition: &'static str,
    state: &'static str,
    severity: &'static str,
    peers: u32,
    of: u32,
    reasons: Vec<String>,
    member_count: u32,
}

/// Incidents, newest first.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "incidents", params(ListParams), responses(
    (status = 200, body = IncidentPage),
    (status = 400, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(app): State<App>,
    params: Result<Query<ListParams>, QueryRejection>,
) -> Result<Json<IncidentPage>, Problem> {
    let Query(params) = params?;
    let cursor = match params.cursor.as_deref() {
        Some(text) => Some(Cursor::parse(text).ok_or_else(|| {
            Problem::bad_request("`cursor` is not one that this API has given out")
        })?),
        None => None,
    };
    let limit = params.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::bad_request(format!(
            "`limit` is {limit}: write 1 to {MAX_PAGE}"
        )));
    }
    let filter = filter(&params)?;
    let page = app
        .own
        .list(&app.records, &filter, cursor, limit, params.mine)
        .await?;
    Ok(Json(IncidentPage {
        incidents: page.incidents.iter().map(|row| listed(&app, row)).collect(),
        next_cursor: page.next.map(|next| next.to_text()),
    }))
}

fn listed(app: &App, row: &IncidentRow) -> Listed {
    Listed {
        incident: row.into(),
        mine: app.own.why(row),
    }
}

/// One incident with its evidence and history.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", tag = "incidents",
    params(("id" = String, Path, description = "Id of the incident")), responses(
    (status = 200, body = IncidentDetail),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<IncidentDetail>, Problem> {
    let recorded = app.records.get(&id).await?;
    let Recorded { incident, history } =
        recorded.ok_or_else(|| Problem::not_found(format!("there is no incident `{id}`")))?;
    Ok(Json(detail(&app, &incident, &history)))
}

fn detail(app: &App, incident: &IncidentRow, history: &[TransitionRow]) -> IncidentDetail {
    let evidence = |row: &Evidence| EvidenceJson {
        collector: row.collector.clone(),
        peer_address: row.peer_address.map(|address| address.to_string()),
        peer_asn: row.peer_asn,
        as_path: row.as_path.clone(),
        at: rfc3339(row.event_time_us),
    };
    let transition = |row: &TransitionRow| TransitionJson {
        at: rfc3339(row.at_us),
        transition: row.transition.as_str(),
        state: row.state.as_str(),
        severity: row.severity.as_str(),
        peers: row.visible_peers,
        of: row.total_peers,
        reasons: row.reasons.clone(),
        member_count: row.member_count,
    };
    IncidentDetail {
        incident: listed(app, incident),
        suspect_set: incident.suspect_set.clone(),
        evidence: incident.evidence.iter().map(evidence).collect(),
        history: history.iter().map(transition).collect(),
    }
}

fn filter(params: &ListParams) -> Result<Filter, Problem> {
    let prefixes = [
        (
            "prefix",
            &params.prefix,
            PrefixMatch::Exact as fn(Prefix) -> _,
        ),
        ("covered_by", &params.covered_by, PrefixMatch::CoveredBy),
        ("covers", &params.covers, PrefixMatch::Covers),
    ];
    let mut prefix = None;
    for (name, text, wanted) in prefixes {
        let Some(text) = text else { continue };
        let parsed: Prefix = text
            .parse()
            .map_err(|error| Problem::bad_request(format!("`{name}` is `{text}`: {error}")))?;
        if prefix.replace(wanted(parsed)).is_some() {
            return Err(Problem::bad_request(
                "give one of `prefix`, `covered_by`, `covers`",
            ));
        }
    }
    let asn = params.asn.as_deref().map(rest::asn).transpose()?;
    Ok(Filter {
        types: rest::parts(params.r#type.as_deref())
            .map(str::to_owned)
            .collect(),
        states: named(
            "state",
            params.state.as_deref(),
            IncidentState::parse,
            IncidentState::ALL,
        )?,
        severities: named(
            "severity",
            params.severity.as_deref(),
            Severity::parse,
            Severity::ALL,
        )?,
        prefix,
        asn: asn.map(|asn| asn.0),
        case: params.case.as_deref().map(case).transpose()?,
        from_us: rest::time("from", params.from.as_deref())?,
        to_us: rest::time("to", params.to.as_deref())?,
        synthetic: params.synthetic,
    })
}

fn case(id: &str) -> Result<String, Problem> {
    if is_uuid(id) {
        return Ok(id.to_owned());
    }
    Err(Problem::bad_request(format!(
        "`case` is `{id}`: write the `case_id` of an incident"
    )))
}

fn named<T: ToString>(
    name: &str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Option<T>,
    all: &[T],
) -> Result<Vec<T>, Problem> {
    rest::parts(text)
        .map(|part| {
            parse(part).ok_or_else(|| {
                let all: Vec<_> = all.iter().map(ToString::to_string).collect();
                Problem::bad_request(format!("`{name}` is `{part}`: write {}", all.join(", ")))
            })
        })
        .collect()
}
