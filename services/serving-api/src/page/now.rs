//! A prefix, or a network, as the detector has it right now.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use maud::{Markup, html};
use utoipa::ToSchema;
use weir_routing::Prefix;

use super::layout;
use crate::{
    Problem,
    app::App,
    lookups::Away,
    rest::lookups::{
        Announced, AsnNow, Listed, OpenIncident, OriginNow, Originated, PrefixNow, VantagePoint,
        look_up, look_up_asn,
    },
};

pub(crate) async fn prefix(
    State(app): State<App>,
    Path((address, length)): Path<(String, String)>,
) -> (StatusCode, Markup) {
    let text = format!("{address}/{length}");
    let now = look_up(&app, &text).await;
    shown(&app, &text, now.map(|now| of_prefix(&now)))
}

pub(crate) async fn asn(State(app): State<App>, Path(text): Path<String>) -> (StatusCode, Markup) {
    let now = look_up_asn(&app, &text).await;
    let title = now.as_ref().map_or(text, |now| format!("AS{}", now.asn));
    shown(&app, &title, now.map(|now| of_asn(&now)))
}

fn shown(app: &App, title: &str, body: Result<Markup, Problem>) -> (StatusCode, Markup) {
    match body {
        Ok(body) => (StatusCode::OK, layout::page(app, title, "", &body)),
        Err(problem) => layout::failure(app, &problem),
    }
}

fn of_prefix(now: &PrefixNow) -> Markup {
    html! { article {
        header.story {
            p.marks { span.kind { "prefix" } }
            h1.mono { (now.prefix) }
            p.lead { (sentence(now)) }
            p.more { a href=(format!("/?q={}", now.prefix)) { "Its incidents, past ones too" } }
        }
        dl.facts {
            div { dt { "As of" } dd { (stamp(&now.as_of)) } }
            div { dt { "Seen by" } dd { (now.visibility.peers) " of " (now.visibility.of) " vantage points" } }
            div { dt { "Full feeds" } dd { (now.full_feed.peers) " of " (now.full_feed.of) } }
        }
        (missing(&now.away))
        @for origin in &now.origins.items { (originating(origin)) }
        (incidents("Open incidents", &now.incidents))
        (around("Covered by", &now.covering))
        (around("More specific", &now.more_specific))
        section { h2 { "Origins of the last 30 days" }
            @if now.history.items.is_empty() { p.empty { "Nobody has originated it." } }
            @else { div.scroll tabindex="0" { table {
                thead { tr { th scope="col" { "Origin" } th scope="col" { "First seen" } th scope="col" { "Last seen" } } }
                tbody { @for past in &now.history.items { tr {
                    th.mono scope="row" { (asns(&past.asns)) }
                    td { (stamp(&past.first_seen)) @if past.from_rib { " (RIB)" } }
                    td { @if past.present { "now" } @else { (stamp(&past.last_seen)) } }
                } } }
            } } }
            (more(&now.history))
        }
    } }
}

/// What there is to say in one line.
fn sentence(now: &PrefixNow) -> String {
    let names = |origin: &OriginNow| {
        let names: Vec<_> = origin.asns.iter().map(|asn| format!("AS{asn}")).collect();
        names.join(" and ")
    };
    match now.origins.items.as_slice() {
        [] if !now.known => "Nobody has announced this very prefix in the last 30 days.".to_owned(),
        [] => "Nobody announces it now.".to_owned(),
        [one] => format!("{} originates it now.", names(one)),
        many => {
            let all: Vec<_> = many.iter().map(names).collect();
            format!("{} origins announce it now: {}.", all.len(), all.join(", "))
        }
    }
}

fn originating(origin: &OriginNow) -> Markup {
    html! { section {
        h2 { "Announced by " (asns(&origin.asns)) }
        p.quiet {
            "RPKI: " (origin.rpki)
            @if origin.stable { ", stable" } @else { ", new" }
            @if let Some(first) = &origin.first_seen { ", known since " (stamp(first)) }
            @if origin.stale > 0 { ", " (origin.stale) " routes in doubt" }
        }
        div.scroll tabindex="0" { table {
            thead { tr { th scope="col" { "Peer" } th scope="col" { "AS path" } th scope="col" { "Collector" } th scope="col" { "Since" } } }
            tbody { @for point in &origin.vantage_points.items { (seen(point)) } }
        } }
        (more(&origin.vantage_points))
    } }
}

fn seen(point: &VantagePoint) -> Markup {
    let entity = format!("{}:{}", point.peer_address, point.peer_asn);
    html! { tr {
        th.mono scope="row" { a href=(format!("/peers/{entity}")) { (entity) } }
        td.mono { (point.as_path) }
        td { (point.collector) }
        td { (stamp(&point.since)) @if point.stale { " (in doubt)" } }
    } }
}

fn of_asn(now: &AsnNow) -> Markup {
    html! { article {
        header.story {
            p.marks { span.kind { "network" } }
            h1.mono { "AS" (now.asn) }
            p.lead { "It originates " (total(&now.ipv4)) " IPv4 and " (total(&now.ipv6)) " IPv6 prefixes now." }
            p.more { a href=(format!("/?q=AS{}", now.asn)) { "Its incidents, past ones too" } }
        }
        dl.facts {
            div { dt { "As of" } dd { (stamp(&now.as_of)) } }
            div { dt { "Neighbours" } dd { (total(&now.neighbours)) } }
        }
        (missing(&now.away))
        (incidents("Suspect of", &now.suspect_of))
        (incidents("Victim of", &now.victim_of))
        (originated("IPv4", &now.ipv4))
        (originated("IPv6", &now.ipv6))
        section { h2 { "Neighbours" }
            @if now.neighbours.items.is_empty() { p.empty { "Nobody was seen beside it." } }
            p { @for (i, beside) in now.neighbours.items.iter().enumerate() {
                @if i > 0 { ", " }
                (asns(&[beside.asn]))
            } }
            (more(&now.neighbours))
        }
    } }
}

fn originated(title: &str, of: &Listed<Originated>) -> Markup {
    html! { @if !of.items.is_empty() { section { h2 { (title) }
        div.scroll tabindex="0" { table {
            thead { tr { th scope="col" { "Prefix" } th scope="col" { "Since" } th scope="col" { "Others" } } }
            tbody { @for one in &of.items { tr {
                th.mono scope="row" { (link(&one.prefix)) }
                td { (stamp(&one.first_seen)) }
                td { (asns(&one.others)) }
            } } }
        } }
        (more(of))
    } } }
}

fn around(title: &str, of: &Listed<Announced>) -> Markup {
    html! { @if !of.items.is_empty() { section { h2 { (title) }
        div.scroll tabindex="0" { table {
            thead { tr { th scope="col" { "Prefix" } th scope="col" { "Originated by" } } }
            tbody { @for one in &of.items { tr {
                th.mono scope="row" { (link(&one.prefix)) }
                td { (asns(&one.origins)) }
            } } }
        } }
        (more(of))
    } } }
}

fn incidents(title: &str, of: &Listed<OpenIncident>) -> Markup {
    html! { @if !of.items.is_empty() { section { h2 { (title) }
        ul { @for one in &of.items { li {
            a href=(format!("/incidents/{}", one.id)) { (one.r#type) @if let Some(prefix) = &one.prefix { " " (prefix) } }
            span.quiet { " · " (one.severity) " · " (one.state) " · suspect AS" (one.suspect_asn) }
        } } }
        (more(of))
    } } }
}

fn missing(away: &[Away]) -> Markup {
    html! { @if let Some(first) = away.first() {
        p.quiet role="note" { "Not all of it: " (away.len()) " partitions did not answer. " (first.reason) "." }
    } }
}

fn total<T: ToSchema>(of: &Listed<T>) -> String {
    let least = if of.at_least { "at least " } else { "" };
    format!("{least}{}", of.total)
}

fn more<T: ToSchema>(of: &Listed<T>) -> Markup {
    let shown = u64::try_from(of.items.len()).unwrap_or(u64::MAX);
    html! { @if of.total > shown { p.quiet { "These are " (shown) " of " (total(of)) "." } } }
}

/// Leads from an incident, or a search, to what there is now.
pub(super) fn links(prefix: Option<Prefix>, asn: Option<u32>) -> Markup {
    let prefix = prefix.map(|prefix| prefix.to_string());
    html! { @if prefix.is_some() || asn.is_some() { p.more {
        "Right now: "
        @if let Some(prefix) = &prefix { "who originates " (link(prefix)) }
        @if prefix.is_some() && asn.is_some() { ", " }
        @if let Some(asn) = asn { "what " (asns(&[asn])) " originates" }
    } } }
}

/// A prefix, and where it is told of.
pub(super) fn link(prefix: &str) -> Markup {
    html! { a.mono href=(format!("/prefixes/{prefix}")) { (prefix) } }
}

fn asns(asns: &[u32]) -> Markup {
    html! { @for (i, asn) in asns.iter().enumerate() {
        @if i > 0 { ", " }
        a href=(format!("/asns/{asn}")) { "AS" (asn) }
    } }
}

pub(super) fn stamp(at: &str) -> Markup {
    let short: String = at.chars().take(19).collect::<String>().replace('T', " ");
    html! { time datetime=(at) title=(at) { (short) " UTC" } }
}
