//! How old features are when they can be read: from the event to the online store.

use metrics::Histogram;
use weir_events::time;
use weir_features::FeatureRow;

/// Of each view, the oldest row of the batch in hand; a writer meets few views.
#[derive(Default)]
pub(super) struct Freshness {
    views: Vec<(String, Histogram, Option<i64>)>,
}

impl Freshness {
    /// The batch is stored: one measurement for each view that it held, of its oldest row.
    pub(super) fn stored(&mut self, rows: &[FeatureRow]) {
        for row in rows {
            let at = self.views.iter().position(|(view, ..)| *view == row.view);
            let at = at.unwrap_or_else(|| self.add(&row.view));
            let oldest = &mut self.views[at].2;
            *oldest = Some(oldest.map_or(row.event_time_us, |time| time.min(row.event_time_us)));
        }
        let now = time::now_us();
        for (_, seconds, oldest) in &mut self.views {
            if let Some(oldest) = oldest.take() {
                let age = u64::try_from(now.saturating_sub(oldest)).unwrap_or(0);
                seconds.record(std::time::Duration::from_micros(age));
            }
        }
    }

    fn add(&mut self, view: &str) -> usize {
        let view = view.to_owned();
        let seconds = metrics::histogram!("feature_freshness_seconds", "view" => view.clone());
        self.views.push((view, seconds, None));
        self.views.len() - 1
    }
}
