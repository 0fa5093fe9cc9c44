//! What is otherwise right now than the watch list expects.

use axum::{extract::State, http::StatusCode};
use maud::{Markup, html};

use super::{layout, now};
use crate::{
    app::App,
    rest::watch::{FindingNow, WatchNow, watch_now},
};

pub(crate) async fn show(State(app): State<App>) -> (StatusCode, Markup) {
    match watch_now(&app) {
        Ok(found) => (
            StatusCode::OK,
            layout::page(&app, "Mine", "", &body(&found)),
        ),
        Err(problem) => layout::failure(&app, &problem),
    }
}

fn body(found: &WatchNow) -> Markup {
    html! { article {
        header.story {
            h1 { "Mine" }
            p.lead { (sentence(found)) }
        }
        dl.facts {
            div { dt { "Looked" } dd { @if let Some(at) = &found.looked_at { (now::stamp(at)) } @else { "not yet" } } }
            div { dt { "Networks" } dd { (found.networks) } }
            div { dt { "Prefixes" } dd { (found.answered) " of " (found.prefixes) " answered" } }
        }
        @if let Some(first) = found.away.items.first() {
            p.quiet role="note" { "Not all of it: " (found.away.total) " prefixes without an answer. " (first.prefix) ": " (first.reason) "." }
        }
        @if !found.cut.is_empty() {
            p.quiet role="note" { "Only some parts were looked at of " (found.cut.join(", ")) "." }
        }
        @if !found.findings.is_empty() { section { h2 { "Otherwise than expected" }
            div.scroll tabindex="0" { table {
                thead { tr { th scope="col" { "Prefix" } th scope="col" { "What" } th scope="col" { "Since" } } }
                tbody { @for finding in &found.findings { (row(finding)) } }
            } }
        } }
    } }
}

fn sentence(found: &WatchNow) -> String {
    match (&found.looked_at, found.findings.len()) {
        (None, _) => "The first look is under way.".to_owned(),
        (_, 0) if found.answered == 0 => "No detector has answered yet.".to_owned(),
        (_, 0) => "All that was looked at is as the watch list expects.".to_owned(),
        (_, 1) => "One thing is otherwise than the watch list expects.".to_owned(),
        (_, many) => format!("{many} things are otherwise than the watch list expects."),
    }
}

fn row(finding: &FindingNow) -> Markup {
    html! { tr {
        th.mono scope="row" { (now::link(&finding.prefix)) }
        td.says { (finding.says) }
        td { (now::stamp(&finding.since)) }
    } }
}
