//! What every page has: head, header with search, strip, synthetic banner, footer.

use axum::http::StatusCode;
use maud::{DOCTYPE, Markup, html};
use weir_record_store::{IncidentRow, Severity, State};

use super::text;
use crate::{app::App, live::Strip};

pub(crate) fn page(app: &App, title: &str, query: &str, body: &Markup) -> Markup {
    let strip = app.live.strip();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Weir" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/page.css";
                script src="/page.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to content" }
                header.top {
                    a.mark href="/" { span.sign aria-hidden="true" {} "Weir" }
                    nav aria-label="Pages" {
                        a href="/" { "Incidents" }
                        @if app.own.watch_list().is_some() { a href="/watch" { "Mine" } }
                        a href="/peers" { "Peers" }
                        a href="/openapi.json" { "API" }
                    }
                    form.search role="search" action="/" method="get" {
                        label.unseen for="q" { "Prefix, address or AS number" }
                        input #q type="search" name="q" value=(query) placeholder="Prefix, address or AS number"
                            autocomplete="off" spellcheck="false";
                        button type="submit" { "Search" }
                    }
                }
                div #strip data-live="" { (status(&strip)) }
                main #main tabindex="-1" { (body) }
                footer {
                    p { "Times are event times in UTC; ages are measured in the time of the stream." }
                    p #link role="status" {}
                }
            }
        }
    }
}

fn status(strip: &Strip) -> Markup {
    html! {
        @if strip.synthetic {
            p.banner role="note" { strong { "synthetic" } " These events are made up or replayed as a demonstration. Nothing here happens now." }
        }
        @if strip.services.is_empty() {
            p.quiet.strip { "No service has reported yet; what they say of themselves will stand here." }
        } @else {
            dl.strip {
                div { dt { "Last update" } dd {
                    @match strip.stream_time_us {
                        Some(at) => { (text::update(at, weir_events::time::now_us())) },
                        None => { "none yet" },
                    }
                } }
                div { dt { "Collectors" } dd {
                    @match strip.collectors.as_slice() {
                        [] => { "none yet" },
                        few if few.len() <= 3 => { (few.join(", ")) },
                        many => { span title=(many.join(", ")) { (many.len()) } },
                    }
                } }
                div { dt { "Vantage points" } dd { (text::count(strip.vantage_points.into())) } }
                div { dt { "Baseline" } dd {
                    @match (strip.baseline_percent, strip.warming_percent) {
                        (Some(share), None) => { (format!("{share:.0} %")) },
                        (Some(share), Some(warm)) => { (format!("{share:.0} %, warming {warm} %")) },
                        (None, Some(warm)) => { (format!("warming {warm} %")) },
                        (None, None) => { "none yet" },
                    }
                } }
                div { dt { "Lag" } dd { (text::count(strip.lag)) " records" } }
                @if let Some(stream) = &strip.stream { div { dt { "Stream" } dd { (stream) } } }
            }
        }
    }
}

pub(crate) fn severity(severity: Severity) -> Markup {
    html! { span class=(format!("pill severity-{severity}")) { (severity) } }
}

pub(crate) fn state(state: State) -> Markup {
    html! { span class=(format!("state state-{state}")) { (state) } }
}

/// The marks that belong beside the name of an incident.
pub(crate) fn marks(app: &App, row: &IncidentRow) -> Markup {
    html! {
        (severity(row.severity)) " " (state(row.state))
        @if let Some(points) = row.suspicion {
            " " span.quiet title="How suspicious it is, of 100" { "suspicion " (points) }
        }
        @if let Some(why) = app.own.why(row) { " " span.pill title=(why) { "mine" } }
        @if row.synthetic { " " span.pill.synthetic { "synthetic" } }
    }
}

pub(crate) fn failure(app: &App, problem: &crate::Problem) -> (StatusCode, Markup) {
    let body = html! {
        section.panel { h1 { (problem.title) } p { (problem.detail) } p { a href="/" { "Back to the incidents" } } }
    };
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, page(app, problem.title, "", &body))
}

#[cfg(test)]
mod tests {
    use weir_events::v1::ServiceStatus;

    use super::*;
    use crate::Live;

    #[test]
    fn the_strip_says_how_far_first_tables_are_beside_the_share_of_the_baseline() {
        for (judged, warming, shown) in [
            (0, None, "none yet"),
            (0, Some(0), "warming 0 %"),
            (200, Some(37), "25 %, warming 37 %"),
            (200, None, "25 %"),
        ] {
            let live = Live::new();
            let told = |service: &str, warming_percent| ServiceStatus {
                service: service.to_owned(),
                at_us: weir_events::time::now_us(),
                baseline_stable: judged / 4,
                baseline_judged: judged,
                warming_percent,
                ..ServiceStatus::default()
            };
            live.status(told("conflict-detector", None));
            live.status(told("ingest", warming));
            let page = status(&live.strip()).into_string();
            assert!(page.contains(&format!("<dd>{shown}</dd>")), "{page}");
        }
    }
}
