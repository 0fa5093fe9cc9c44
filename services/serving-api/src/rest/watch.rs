//! `GET /api/v1/watch`: what is otherwise right now than the watch list expects.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use weir_conflicts::watch::audit::Finding;
use weir_events::time::rfc3339;

use super::lookups::Listed;
use crate::{app::App, problem::Problem, watch::Round};

/// Most prefixes that are named of those that nobody answered for.
const MOST_AWAY: usize = 64;

/// Own prefixes as the detector has them now, held against the watch list.
#[derive(Serialize, ToSchema)]
pub(crate) struct WatchNow {
    /// When it was looked last, by the wall clock; null = the first look is under way.
    pub(crate) looked_at: Option<String>,
    /// Own networks and prefixes of the list.
    pub(crate) networks: usize,
    pub(crate) prefixes: usize,
    /// Own prefixes that the detector answered for.
    pub(crate) answered: usize,
    pub(crate) findings: Vec<FindingNow>,
    /// Prefixes that nobody answered for: what is said of them is of an earlier look.
    pub(crate) away: Listed<Unanswered>,
    /// Own prefixes with so many announced parts that only some were looked at.
    pub(crate) cut: Vec<String>,
}

/// Something that its owner does not expect.
#[derive(Serialize, ToSchema)]
pub(crate) struct FindingNow {
    /// missing, visibility, no-export, origin, part or upstream (docs/watch.md).
    pub(crate) check: &'static str,
    /// The prefix; of an upstream the first one that it stands before.
    pub(crate) prefix: String,
    /// Who originates it, where that matters.
    pub(crate) origin: Option<u32>,
    /// Who stands right before the origin.
    pub(crate) upstream: Option<u32>,
    /// All of it as a sentence.
    pub(crate) says: String,
    /// Since which look it has been so, by the wall clock.
    pub(crate) since: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Unanswered {
    pub(crate) prefix: String,
    pub(crate) reason: String,
}

/// What is otherwise right now than the watch list expects: own prefixes that are missing or hidden, and origins, parts
/// and upstreams that nobody expects.
#[utoipa::path(get, path = "/api/v1/watch", tag = "look-ups", responses(
    (status = 200, body = WatchNow),
    (status = 400, description = "There is no watch list", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn now(State(app): State<App>) -> Result<Json<WatchNow>, Problem> {
    Ok(Json(watch_now(&app)?))
}

/// The same for the page.
pub(crate) fn watch_now(app: &App) -> Result<WatchNow, Problem> {
    let list = app.own.watch_list().ok_or_else(|| {
        Problem::bad_request(
            "there is no watch list: name one as `watch` of [serving_api] (docs/watch.md)",
        )
    })?;
    let last = app.watched.last();
    let looked_at = last.as_ref().map(|round| rfc3339(round.at_us));
    let round = last.unwrap_or_default();
    Ok(WatchNow {
        looked_at,
        networks: list.networks().len(),
        prefixes: list.prefixes().len(),
        answered: round.asked,
        findings: round
            .found
            .iter()
            .map(|(finding, since)| told(finding, *since))
            .collect(),
        away: away(&round),
        cut: round.cut.iter().map(ToString::to_string).collect(),
    })
}

fn told(finding: &Finding, since_us: i64) -> FindingNow {
    let about = finding.subject();
    FindingNow {
        check: about.check,
        prefix: finding.prefix().to_string(),
        origin: about.origin.map(|asn| asn.0),
        upstream: about.upstream.map(|asn| asn.0),
        says: finding.to_string(),
        since: rfc3339(since_us),
    }
}

fn away(round: &Round) -> Listed<Unanswered> {
    let named = round.away.iter().take(MOST_AWAY);
    Listed {
        total: round.away.len() as u64,
        at_least: false,
        items: named
            .map(|(prefix, reason)| Unanswered {
                prefix: prefix.to_string(),
                reason: reason.clone(),
            })
            .collect(),
    }
}
