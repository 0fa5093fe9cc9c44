//! Small charts as inline SVG: no script, no style attribute; colours come from the stylesheet.

use maud::{Markup, html};
use weir_events::time::rfc3339;
use weir_record_store::TransitionRow;

/// How many vantage points carried the route, over the life of the incident: a stepped line.
#[expect(clippy::cast_precision_loss, reason = "pixels")]
pub(crate) fn sparkline(history: &[TransitionRow], width: u32, height: u32) -> Markup {
    let (Some(first), Some(last)) = (history.first(), history.last()) else {
        return html! {};
    };
    let top = history
        .iter()
        .map(|row| row.visible_peers)
        .max()
        .unwrap_or(1)
        .max(1);
    let (w, h) = (f64::from(width), f64::from(height));
    let length = (last.at_us - first.at_us).max(1) as f64;
    let x = |at: i64| (at - first.at_us) as f64 / length * (w - 6.0) + 2.0;
    let y = |peers: u32| h - 3.0 - f64::from(peers) / f64::from(top) * (h - 6.0);
    let mut line = format!("M2 {:.1}", y(first.visible_peers));
    for row in history {
        line += &format!(" H{:.1} V{:.1}", x(row.at_us), y(row.visible_peers));
    }
    if history.len() == 1 {
        line += &format!(" H{:.1}", w - 4.0);
    }
    let end = if history.len() == 1 {
        w - 4.0
    } else {
        x(last.at_us)
    };
    let label = format!("Seen by {} peers at most, {} now", top, last.visible_peers);
    html! {
        svg.spark viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height) role="img" aria-label=(label) {
            path.area d=(format!("{line} V{h} H2 Z")) {}
            path.line d=(line) {}
            circle.end cx=(format!("{end:.1}")) cy=(format!("{:.1}", y(last.visible_peers))) r="2.2" {}
        }
    }
}

/// One bar.
pub(crate) struct Bar {
    pub(crate) start_us: i64,
    pub(crate) count: u64,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 120.0;

/// Counts per window, oldest at the left; gaps are windows without anything.
#[expect(clippy::cast_precision_loss, reason = "pixels")]
pub(crate) fn bars(title: &str, unit: &str, bars: &[Bar], width_us: i64) -> Markup {
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else {
        return html! {};
    };
    let top = bars.iter().map(|bar| bar.count).max().unwrap_or(1).max(1);
    let slots = ((last.start_us - first.start_us) / width_us.max(1) + 1).max(12) as f64;
    let step = WIDTH / slots;
    let clock = |at: i64| rfc3339(at).chars().skip(11).take(5).collect::<String>();
    html! {
        figure.chart {
            figcaption { (title) span.peak { "peak " (super::text::count(top.cast_signed())) " " (unit) } }
            svg.bars viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img"
                aria-label=(format!("{title}: {} windows, peak {top} {unit}", bars.len())) {
                @for bar in bars {
                    @let height = (bar.count as f64 / top as f64 * (HEIGHT - 4.0)).max(1.0);
                    @let x = ((bar.start_us - first.start_us) / width_us.max(1)) as f64 * step;
                    rect x=(format!("{:.1}", x + step * 0.1)) y=(format!("{:.1}", HEIGHT - height))
                        width=(format!("{:.1}", step * 0.8)) height=(format!("{height:.1}")) {
                        title { (clock(bar.start_us)) " UTC: " (bar.count) " " (unit) }
                    }
                }
            }
            div.axis { span { (clock(first.start_us)) } span { (clock(last.start_us)) " UTC" } }
        }
    }
}
