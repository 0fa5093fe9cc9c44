//! The first page: open incidents, those that send traffic astray first; or what a search found.

use std::{collections::HashMap, net::IpAddr};

use axum::{
    extract::{Query, State},
    http::StatusCode,
};
use maud::{Markup, html};
use serde::Deserialize;
use weir_record_store::{Filter, IncidentRow, PrefixMatch, State as IncidentState, TransitionRow};
use weir_routing::prefix::Prefix;

use super::{chart, layout, now, story, text};
use crate::{Problem, app::App};

/// What sends traffic astray.
const ASTRAY: [&str; 9] = [
    "sub-prefix",
    "moas",
    "origin-change",
    "rpki-invalid",
    "aspa-invalid",
    "otc-leak",
    "super-prefix",
    "tier1-sandwich",
    "mass-withdrawal",
];
/// What is untidy, and there in the thousands.
const HYGIENE: [&str; 12] = [
    "route-leak",
    "bogon-prefix",
    "bogon-asn",
    "path-loop",
    "long-path",
    "flap",
    "visibility-loss",
    "default-or-too-specific",
    "fake-first-hop",
    "fake-link",
    "own-sub-prefix",
    "peer-health",
];
const SHOWN: usize = 50;
const ENDED_SHOWN: usize = 10;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Search {
    q: String,
}

pub(crate) async fn show(
    State(app): State<App>,
    Query(search): Query<Search>,
) -> (StatusCode, Markup) {
    let wanted = search.q.trim();
    let made = if wanted.is_empty() {
        overview(&app).await
    } else {
        found(&app, wanted).await
    };
    match made {
        Ok(body) => (
            StatusCode::OK,
            layout::page(&app, "Incidents", wanted, &body),
        ),
        Err(problem) => layout::failure(&app, &problem),
    }
}

async fn overview(app: &App) -> Result<Markup, Problem> {
    let open = vec![IncidentState::Suspected, IncidentState::Confirmed];
    let of = |types: &[&str], states: &[IncidentState]| Filter {
        types: types.iter().map(|kind| (*kind).to_owned()).collect(),
        states: states.to_vec(),
        ..Filter::default()
    };
    let mut astray = app
        .records
        .list(&of(&ASTRAY, &open), None, 500)
        .await?
        .incidents;
    astray.sort_by_key(|row| {
        std::cmp::Reverse((row.severity, row.suspicion, row.state, row.first_seen_us))
    });
    let astray_count = astray.len();
    astray.truncate(SHOWN);
    let hygiene = app
        .records
        .list(&of(&HYGIENE, &open), None, SHOWN)
        .await?
        .incidents;
    let ended = app
        .records
        .list(&of(&ASTRAY, &[IncidentState::Ended]), None, ENDED_SHOWN)
        .await?
        .incidents;
    let counts = app.records.counts().await?;
    let total = |state| {
        counts
            .iter()
            .filter(|c| c.state == state)
            .map(|c| c.incidents)
            .sum::<u64>()
    };
    Ok(html! {
        section #open data-live="" aria-labelledby="open-title" {
            div.heading {
                h1 #open-title { "Open incidents" }
                p.tally {
                    b { (total(IncidentState::Confirmed)) } " confirmed · "
                    b { (total(IncidentState::Suspected)) } " suspected · "
                    b { (total(IncidentState::Ended)) } " ended"
                }
            }
            @if astray.is_empty() {
                p.empty { "No prefix is disputed now. When someone announces a prefix, or a part of one, that another AS has held, it will appear here within milliseconds, first suspected, then confirmed." }
            } @else {
                (cards(app, &astray).await?)
                @if astray_count > SHOWN { p.quiet { "The most severe " (SHOWN) " are shown; " a href={ "/api/v1/incidents?type=" (ASTRAY.join(",")) "&state=suspected,confirmed" } { "the API has all" } "." } }
            }
        }
        section #hygiene data-live="" aria-labelledby="hygiene-title" {
            h2 #hygiene-title { "Hygiene" }
            @if hygiene.is_empty() {
                p.empty { "No bogon and no path loop is announced now. They will be listed here." }
            } @else { (table(app, &hygiene, "hygiene-title")) }
        }
        section #ended data-live="" aria-labelledby="ended-title" {
            h2 #ended-title { "Recently ended" }
            @if ended.is_empty() { p.empty { "Nothing has ended yet. How each incident ended will be told here." } }
            @else { (cards(app, &ended).await?) }
        }
    })
}

async fn found(app: &App, wanted: &str) -> Result<Markup, Problem> {
    let Some(filter) = parse(wanted) else {
        return Ok(html! { section.panel {
            h1 { "Search" }
            p { "“" (wanted) "” is no prefix, address or AS number. Write, for instance, " code { "208.65.152.0/22" } ", " code { "2001:db8::1" } " or " code { "AS17557" } "." }
        } });
    };
    let page = app.records.list(&filter, None, SHOWN).await?;
    Ok(html! {
        section #found data-live="" aria-labelledby="found-title" {
            div.heading { h1 #found-title { "Incidents of " span.mono { (wanted) } } p.tally { b { (page.incidents.len()) } @if page.next.is_some() { " newest" } " found" } }
            (now::links(announced(&filter), filter.asn))
            @if page.incidents.is_empty() { p.empty { "Nothing has been noticed there. New incidents will appear here by themselves." } }
            @else { (cards(app, &page.incidents).await?) }
        }
    })
}

/// A prefix: all that lies in it or around it, and groups with such members. An address: all that holds it. An AS: its
/// incidents.
fn parse(text: &str) -> Option<Filter> {
    if let Ok(prefix) = text.parse::<Prefix>() {
        return Some(Filter {
            prefix: Some(PrefixMatch::Overlaps(prefix)),
            ..Filter::default()
        });
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        let host = Prefix::new(address, if address.is_ipv4() { 32 } else { 128 }).ok()?;
        return Some(Filter {
            prefix: Some(PrefixMatch::Covers(host)),
            ..Filter::default()
        });
    }
    let lower = text.to_ascii_lowercase();
    let asn = lower
        .strip_prefix("as")
        .unwrap_or(&lower)
        .trim()
        .parse()
        .ok()?;
    Some(Filter {
        asn: Some(asn),
        ..Filter::default()
    })
}

/// The prefix that was searched for; an address is none.
fn announced(filter: &Filter) -> Option<Prefix> {
    match filter.prefix {
        Some(PrefixMatch::Overlaps(prefix)) => Some(prefix),
        _ => None,
    }
}

async fn cards(app: &App, rows: &[IncidentRow]) -> Result<Markup, Problem> {
    let ids: Vec<_> = rows.iter().map(|row| row.id.as_str()).collect();
    let histories = app.records.histories(&ids).await?;
    let now_us = app.live.now_us();
    Ok(html! {
        ul.cards { @for row in rows { li { (card(app, row, &histories, now_us)) } } }
    })
}

fn card(
    app: &App,
    row: &IncidentRow,
    histories: &HashMap<String, Vec<TransitionRow>>,
    now_us: i64,
) -> Markup {
    html! {
        article class=(format!("card edge-{}", row.severity)) {
            div.what {
                p.marks { span.kind { (row.kind) } " " (layout::marks(app, row)) }
                h3 { a href=(format!("/incidents/{}", row.id)) { (story::about(row)) } }
                p.line { (story::headline(row)) "." }
                p.when { (text::time(row.first_seen_us, now_us)) }
            }
            div.seen {
                (chart::sparkline(histories.get(&row.id).map_or(&[], Vec::as_slice), 120, 36))
                p { b { (row.visible_peers) } " of " (row.total_peers) " peers" }
            }
        }
    }
}

/// Incidents by line, under a heading.
pub(super) fn table(app: &App, rows: &[IncidentRow], heading: &str) -> Markup {
    let now_us = app.live.now_us();
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby=(heading) { table {
            thead { tr { th scope="col" { "Prefix or AS" } th scope="col" { "What" } th scope="col" { "Severity" } th.number scope="col" { "Peers" } th scope="col" { "First seen" } } }
            tbody { @for row in rows { tr {
                th.mono scope="row" { a href=(format!("/incidents/{}", row.id)) { (story::about(row)) } }
                td { (row.kind) " · " (ases(row)) }
                td { (layout::marks(app, row)) }
                td.number { (row.visible_peers) " of " (row.total_peers) }
                td { (text::time(row.first_seen_us, now_us)) }
            } } }
        } }
    }
}

fn ases(row: &IncidentRow) -> String {
    text::ases(row.suspect_asn.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_knows_prefixes_addresses_and_as_numbers() {
        assert!(matches!(
            parse("10.0.0.0/8").unwrap().prefix,
            Some(PrefixMatch::Overlaps(_))
        ));
        assert!(matches!(
            parse("2001:db8::1").unwrap().prefix,
            Some(PrefixMatch::Covers(_))
        ));
        for text in ["64496", "AS64496", "as64496", "AS 64496"] {
            assert_eq!(parse(text).unwrap().asn, Some(64_496), "{text}");
        }
        for text in ["10.0.0.0/99", "youtube", "<script>", "AS", "99999999999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
