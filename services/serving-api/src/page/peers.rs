//! Peers and their session features.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use maud::{Markup, html};
use weir_events::time::{HOUR_US, MINUTE_US};
use weir_features::{EntityKey, FeatureRow, FeatureView, Value};

use super::{chart as svg, layout, text};
use crate::{Problem, app::App};

const SHOWN: usize = 200;

pub(crate) async fn list(State(app): State<App>) -> (StatusCode, Markup) {
    match all(&app).await {
        Ok(body) => (StatusCode::OK, layout::page(&app, "Peers", "", &body)),
        Err(problem) => layout::failure(&app, &problem),
    }
}

pub(crate) async fn show(
    State(app): State<App>,
    Path(entity): Path<String>,
) -> (StatusCode, Markup) {
    match one(&app, &entity).await {
        Ok(body) => (StatusCode::OK, layout::page(&app, &entity, "", &body)),
        Err(problem) => layout::failure(&app, &problem),
    }
}

async fn all(app: &App) -> Result<Markup, Problem> {
    let Some(view) = app.views.first() else {
        return Ok(
            html! { section { h1 #peers-title { "Peers" } p.empty { "No feature view is registered." } } },
        );
    };
    let rows = app.feature_rows(&view.name, SHOWN).await?;
    Ok(html! { section #peers data-live="" {
        div.heading { h1 #peers-title { "Peers" } p.tally { @if rows.len() == SHOWN { "the first " } b { (rows.len()) } " vantage points with session features" } }
        @if rows.is_empty() { p.empty { "No peer has spoken yet. Each one will appear here with its session features after its first message." } }
        @else { (table(view, rows.iter(), app.live.now_us())) }
    } })
}

async fn one(app: &App, entity: &str) -> Result<Markup, Problem> {
    let now_us = app.live.now_us();
    let mut sections = Vec::new();
    let mut newest = None;
    for view in app.views.iter() {
        let rows = app
            .features(&view.name, vec![EntityKey::new(entity)])
            .await?;
        if let Some(row) = rows.into_iter().flatten().next() {
            newest = newest.max(Some(row.event_time_us));
            sections.push((view, row));
        }
    }
    let chart = chart(
        app,
        "peer-messages",
        entity,
        "Messages per minute",
        newest.unwrap_or(now_us),
    )
    .await?;
    let name = entity.rsplit_once(':').map_or_else(
        || entity.to_owned(),
        |(address, asn)| format!("{address} · AS{asn}"),
    );
    Ok(html! { article #peer data-live="" {
        header.story { p.marks { span.kind { "peer" } } h1.mono { (name) } }
        @if sections.is_empty() { p.empty { "Nothing is known of this peer yet. Its features will appear after its first message." } }
        @for (view, row) in &sections {
            section { h2 { "Session" }
                p.quiet { "As of " (text::time(row.event_time_us, now_us)) @if view.is_expired(row.event_time_us, now_us) { ", too old to be served" } }
                dl.facts { @for field in &view.fields { div { dt title=(field.doc) { (label(&field.name)) } dd { (value(row.get(&field.name), now_us)) } } } }
            }
        }
        section { h2 { "Messages" } (chart) }
    } })
}

pub(crate) fn table<'r>(
    view: &FeatureView,
    rows: impl Iterator<Item = &'r FeatureRow>,
    now_us: i64,
) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby="peers-title" { table.dense {
            thead { tr { th scope="col" { "Peer" } @for field in &view.fields { th.number scope="col" title=(field.doc) { (label(&field.name)) } } } }
            tbody { @for row in rows { tr {
                th.mono scope="row" { a href=(format!("/peers/{}", row.entity)) { (row.entity) } }
                @for field in &view.fields { td.number { (value(row.get(&field.name), now_us)) } }
            } } }
        } }
    }
}

/// Bars of the hour around `at_us`: 40 minutes before, 20 after.
pub(crate) async fn chart(
    app: &App,
    aggregate: &'static str,
    key: &str,
    title: &str,
    at_us: i64,
) -> Result<Markup, Problem> {
    let range = at_us - HOUR_US * 2 / 3..at_us + HOUR_US / 3;
    let windows = app
        .windows(aggregate, Some(key.to_owned()), MINUTE_US, range, 60)
        .await?;
    let bars: Vec<_> = windows
        .iter()
        .map(|window| svg::Bar {
            start_us: window.start_us,
            count: window.measures.first().map_or(0, |(_, count)| *count),
        })
        .collect();
    Ok(if bars.is_empty() {
        html! { figure.chart { figcaption { (title) } p.empty { "No window is counted yet. A bar per minute will grow here." } } }
    } else {
        svg::bars(
            title,
            if aggregate == "peer-messages" {
                "messages"
            } else {
                "announcements"
            },
            &bars,
            MINUTE_US,
        )
    })
}

fn label(name: &str) -> String {
    let words = name
        .replace('_', " ")
        .replace("24h", "24\u{a0}h")
        .replace("as path", "AS path");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn value(value: Option<&Value>, now_us: i64) -> Markup {
    html! { @match value {
        None => { span.quiet title="unknown" { "–" } },
        Some(Value::Int64(number)) => { (text::count(*number)) },
        Some(Value::Float64(number)) => { (format!("{number:.2}")) },
        Some(Value::Text(text)) => { (text) },
        Some(Value::Boolean(yes)) => { @if *yes { "yes" } @else { "no" } },
        Some(Value::Timestamp(at)) => { (text::time(*at, now_us)) },
    } }
}
