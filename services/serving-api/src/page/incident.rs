//! One incident: its story, its evidence, how it went, and what its peers were doing.

use std::collections::BTreeMap;

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use maud::{Markup, html};
use weir_features::EntityKey;
use weir_record_store::{Filter, IncidentRow, Recorded, TransitionRow};

use super::{chart, layout, now, overview, peers, story, text};
use crate::{Problem, app::App};

/// Peers whose features and messages are shown.
const PEERS_SHOWN: usize = 8;
const CHARTS_SHOWN: usize = 2;
/// Other incidents of its case that are shown.
const OTHERS_SHOWN: usize = 50;

pub(crate) async fn show(State(app): State<App>, Path(id): Path<String>) -> (StatusCode, Markup) {
    match build(&app, &id).await {
        Ok((title, body)) => (StatusCode::OK, layout::page(&app, &title, "", &body)),
        Err(problem) => layout::failure(&app, &problem),
    }
}

async fn build(app: &App, id: &str) -> Result<(String, Markup), Problem> {
    let recorded = app.records.get(id).await?;
    let Recorded { incident, history } = recorded.ok_or_else(|| {
        Problem::not_found("There is no incident with this id. It may belong to another stream.")
    })?;
    let mut entities: Vec<_> = incident.evidence.iter().map(|e| e.entity()).collect();
    entities.dedup();
    entities.truncate(PEERS_SHOWN);
    let now_us = app.live.now_us();
    let around = incident.first_seen_us.max(incident.last_seen_us);
    let origin = match incident.suspect_asn {
        Some(asn) => {
            peers::chart(
                app,
                "origin-announcements",
                &asn.to_string(),
                &format!("Announcements by AS{asn} per minute"),
                around,
            )
            .await?
        }
        None => html! {},
    };
    let mut charts = Vec::new();
    for entity in entities.iter().take(CHARTS_SHOWN) {
        charts.push(
            peers::chart(
                app,
                "peer-messages",
                entity,
                &format!("Messages of {entity} per minute"),
                around,
            )
            .await?,
        );
    }
    let body = html! {
        article #incident data-live="" {
            header.story {
                p.marks { span.kind { (incident.kind) } " " (layout::marks(app, &incident)) }
                h1.mono { (story::about(&incident)) }
                @for (i, paragraph) in story::paragraphs(&incident).iter().enumerate() {
                    p class=(if i == 0 { "lead" } else { "more" }) { (paragraph) }
                }
                @for reason in &incident.reasons { p.reason { (story::reason(reason)) } }
                (now::links(incident.prefix, incident.suspect_asn))
            }
            (facts(&incident, now_us))
            (others(app, &incident).await?)
            @if incident.member_count > 0 { section aria-labelledby="members-title" {
                h2 #members-title { "What belongs to it" }
                (members(&incident))
            } }
            section aria-labelledby="evidence-title" {
                h2 #evidence-title { "Evidence" }
                (evidence(&incident))
            }
            section aria-labelledby="history-title" {
                h2 #history-title { "How it went" }
                div.wide { (chart::sparkline(&history, 640, 96)) }
                (timeline(&history))
            }
            section aria-labelledby="peers-title" {
                h2 #peers-title { "Peers that carried it" }
                (features(app, &entities).await?)
            }
            section aria-labelledby="traffic-title" {
                h2 #traffic-title { "Around that time" }
                div.charts { (origin) @for chart in &charts { (chart) } }
            }
        }
    };
    let title = format!("{} {}", incident.kind, story::about(&incident));
    Ok((title, body))
}

fn facts(row: &IncidentRow, now_us: i64) -> Markup {
    let time = |at: Option<i64>| html! { @match at { Some(at) => { (text::time(at, now_us)) }, None => { span.quiet { "not" } } } };
    html! {
        dl.facts {
            div { dt { "Suspect" } dd { (asns(row.suspect_asn.as_slice())) } }
            div { dt { "Victim" } dd { (asns(&row.victim_asns)) } }
            div { dt { "Expected origin" } dd { (asns(&row.expected_origins)) } }
            div { dt { "Origins now" } dd { (asns(&row.origins)) } }
            @if let Some(covering) = row.covering_prefix { div { dt { "Covering prefix" } dd { a.mono href=(format!("/?q={covering}")) { (covering) } } } }
            div { dt { "Seen by" } dd { (row.visible_peers) " of " (row.total_peers) " vantage points" } }
            div { dt { "First seen" } dd { (text::time(row.first_seen_us, now_us)) } }
            div { dt { "Confirmed" } dd { (time(row.confirmed_at_us)) } }
            div { dt { "Last seen" } dd { (text::time(row.last_seen_us, now_us)) } }
            div { dt { "Ended" } dd { (time(row.ended_at_us)) @if let Some(reason) = row.end_reason { " · " (reason) } } }
        }
    }
}

fn asns(asns: &[u32]) -> Markup {
    html! {
        @if asns.is_empty() { span.quiet { "none known" } }
        @for (i, asn) in asns.iter().enumerate() {
            @if i > 0 { ", " }
            a href=(format!("/?q=AS{asn}")) { "AS" (asn) }
        }
    }
}

/// The other incidents of the same attack, where there are any.
async fn others(app: &App, row: &IncidentRow) -> Result<Markup, Problem> {
    let of_case = Filter {
        case: Some(row.case_id.clone()),
        ..Filter::default()
    };
    let page = app.records.list(&of_case, None, OTHERS_SHOWN + 1).await?;
    let mut others = page.incidents;
    others.retain(|other| other.id != row.id);
    if others.is_empty() {
        return Ok(html! {});
    }
    let is_cut = page.next.is_some() || others.len() > OTHERS_SHOWN;
    others.truncate(OTHERS_SHOWN);
    Ok(html! {
        section aria-labelledby="case-title" {
            h2 #case-title { "Part of one case with" }
            (overview::table(app, &others, "case-title"))
            @if is_cut { p.quiet { "These are the newest " (others.len()) "; " a href=(format!("/api/v1/incidents?case={}", row.case_id)) { "the API has all" } "." } }
        }
    })
}

fn members(row: &IncidentRow) -> Markup {
    let shown = row.members.len();
    html! {
        @if shown > 0 { div.scroll tabindex="0" role="region" aria-labelledby="members-title" { table {
            thead { tr { th scope="col" { "Prefix" } th scope="col" { "Incident" } } }
            tbody { @for member in &row.members { tr {
                th.mono scope="row" { @match member.prefix {
                    Some(prefix) => { a href=(format!("/?q={prefix}")) { (prefix) } },
                    None => { span.quiet { "none" } },
                } }
                td.mono { @match &member.incident_id {
                    Some(id) => { a href=(format!("/incidents/{id}")) { (id) } },
                    None => { span.quiet { "none of its own" } },
                } }
            } } }
        } } }
        @if u32::try_from(shown).is_ok_and(|shown| shown < row.member_count) {
            p.quiet { "These are " (shown) " of " (text::count(row.member_count.into())) "." }
        }
    }
}

fn evidence(row: &IncidentRow) -> Markup {
    if row.evidence.is_empty() {
        return html! { p.empty { "No vantage point is recorded. Each peer's route will be listed here with its path." } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby="evidence-title" { table {
            thead { tr { th scope="col" { "Peer" } th scope="col" { "AS path" } th scope="col" { "Collector" } th scope="col" { "At" } } }
            tbody { @for e in &row.evidence { tr {
                th.mono scope="row" { a href=(format!("/peers/{}", e.entity())) { (e.entity()) } }
                td.mono { (path(&e.as_path, row.suspect_asn)) }
                td { (e.collector) }
                td { (text::clock(e.event_time_us)) }
            } } }
        } }
    }
}

/// The path with the suspect marked.
fn path(as_path: &str, suspect: Option<u32>) -> Markup {
    let suspect = suspect.map(|asn| asn.to_string());
    html! { @for (i, step) in as_path.split(' ').enumerate() {
        @if i > 0 { " " }
        @if Some(step) == suspect.as_deref() { mark { (step) } } @else { (step) }
    } }
}

/// Steps that are worth a line: what only repeats "updated" is told by the curve.
fn timeline(history: &[TransitionRow]) -> Markup {
    let mut previous: Option<&TransitionRow> = None;
    let mut steps = Vec::new();
    for row in history {
        if row.transition != weir_record_store::Transition::Updated
            || previous.is_some_and(|before| {
                before.severity != row.severity || before.reasons != row.reasons
            })
        {
            steps.push(row);
        }
        previous = Some(row);
    }
    html! {
        ol.timeline { @for row in steps { li {
            (text::clock(row.at_us)) " " b { (row.transition) }
            span.quiet { " · " (row.severity) " · " (row.visible_peers) " of " (row.total_peers) " peers" }
        } } }
    }
}

/// Peers in columns would not fit a phone: one row per peer, one column per feature.
async fn features(app: &App, entities: &[String]) -> Result<Markup, Problem> {
    let Some(view) = app.views.first() else {
        return Ok(html! { p.empty { "No feature view is registered." } });
    };
    let keys: Vec<_> = entities
        .iter()
        .map(|entity| EntityKey::new(entity.as_str()))
        .collect();
    let rows: BTreeMap<_, _> = app
        .features(&view.name, keys)
        .await?
        .into_iter()
        .flatten()
        .map(|row| (row.entity.as_str().to_owned(), row))
        .collect();
    if rows.is_empty() {
        return Ok(
            html! { p.empty { "No features of these peers yet. They will stand here once their messages are folded." } },
        );
    }
    Ok(peers::table(view, rows.values(), app.live.now_us()))
}
