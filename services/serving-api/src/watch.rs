//! The watch list held against what the detector knows right now, again and again: what only the owner of a prefix can
//! tell. What is found is served, counted in `weir_watch_findings`, and said in the log once when it begins and ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream};
use parking_lot::RwLock;
use weir_conflicts::{
    Thresholds,
    watch::{
        WatchList,
        audit::{Audit, Finding, Share, Subject},
        proposal::SEEN_BY,
    },
};
use weir_events::time::now_us;
use weir_lifecycle::Stop;
use weir_lookups::v1;
use weir_routing::{AsPath, Asn, Prefix};

use crate::{app::App, lookups};

/// Prefixes that are asked for at a time: detectors have other things to do.
const AT_ONCE: usize = 8;
/// While nobody answers, the next round comes after so long at most.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// Findings whose begin or end is said in the log, of one round.
const MOST_SAID: usize = 20;

/// The last round; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Watched(Arc<RwLock<Option<Arc<Round>>>>);

/// What is otherwise than its owner expects.
#[derive(Clone, Default)]
pub(crate) struct Round {
    /// When it ended, by the wall clock.
    pub(crate) at_us: i64,
    /// Own prefixes that were answered for.
    pub(crate) asked: usize,
    /// Those that were not, and why: their findings are those of the round before.
    pub(crate) away: BTreeMap<Prefix, String>,
    /// Own prefixes with more parts than are told: of those the rest was not looked at.
    pub(crate) cut: Vec<Prefix>,
    /// In a fixed order, each with the end of the round, by the wall clock, since which it has been found.
    pub(crate) found: Vec<(Finding, i64)>,
}

impl Round {
    /// The answer, or a note of why there is none.
    fn answer<T>(&mut self, prefix: Prefix, answer: Result<T, String>) -> Option<T> {
        answer
            .map_err(|reason| self.away.insert(prefix, reason))
            .ok()
    }
}

impl Watched {
    /// The last round; `None` = the first one is under way.
    pub(crate) fn last(&self) -> Option<Arc<Round>> {
        self.0.read().clone()
    }
}

/// Looks every so often, until the stop.
pub(crate) async fn watch(app: App, every: Duration, stop: Stop) {
    let Some(list) = app.own.watch_list() else {
        return;
    };
    loop {
        let round = tokio::select! {
            round = look(&app, &list) => round,
            () = stop.wait_async() => return,
        };
        let pause = match round.asked {
            0 => every.min(TRY_AGAIN),
            _ => every,
        };
        let before = app.watched.last().unwrap_or_default();
        let round = after(&before, round, now_us());
        say(&before, &round);
        *app.watched.0.write() = Some(Arc::new(round));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.wait_async() => return,
        }
    }
}

/// Asks for every own prefix and its parts.
async fn look(app: &App, list: &WatchList) -> Round {
    let mut audit = Audit::of(list);
    let mut round = Round::default();
    let own = list.prefixes().filter(|entry| !entry.ignore);
    let own: Vec<Prefix> = own.map(|entry| entry.prefix).collect();
    let (mut shares, mut parts) = (Vec::new(), BTreeSet::new());
    let mut of_own = answers(app, own);
    while let Some((prefix, answer)) = of_own.next().await {
        let Some(answer) = round.answer(prefix, answer) else {
            continue;
        };
        round.asked += 1;
        hear(&mut audit, prefix, &answer);
        shares.push((prefix, share(&answer)));
        let mut mine = announced_in(&answer);
        mine.retain(|part| audit.concerns(part).is_some_and(|of| of.prefix == prefix));
        let all = answer.more_specific_count.unwrap_or_default();
        if !mine.is_empty() && (all.at_least || all.total > answer.more_specific.len() as u64) {
            round.cut.push(prefix);
        }
        parts.extend(mine);
    }
    let mut of_parts = answers(app, parts);
    while let Some((part, answer)) = of_parts.next().await {
        if let Some(answer) = round.answer(part, answer) {
            hear(&mut audit, part, &answer);
        }
    }
    // While tables are being read for the first time, or nobody tells anything, who knows what is missing?
    let strip = app.live.strip();
    if strip.vantage_points > 0 && strip.warming_percent.is_none() {
        for (own, share) in shares {
            audit.share(own, share);
        }
    }
    round.cut.sort_unstable();
    let found = audit.findings(SEEN_BY, &Thresholds::default());
    round.found = found.into_iter().map(|finding| (finding, 0)).collect();
    round
}

/// What is known of each prefix, or why nobody told, as they answer.
fn answers(
    app: &App,
    prefixes: impl IntoIterator<Item = Prefix>,
) -> impl Stream<Item = (Prefix, Result<v1::LookUpPrefixResponse, String>)> + Unpin {
    let asked = prefixes.into_iter();
    let asked = asked.map(move |prefix| Box::pin(async move { (prefix, ask(app, prefix).await) }));
    stream::iter(asked).buffer_unordered(AT_ONCE)
}

async fn ask(app: &App, prefix: Prefix) -> Result<v1::LookUpPrefixResponse, String> {
    let found = lookups::prefix(app, prefix).await;
    found
        .map(|found| found.answer)
        .map_err(|problem| problem.detail)
}

/// Routes that are in doubt are no word for anything.
fn hear(audit: &mut Audit<'_>, prefix: Prefix, answer: &v1::LookUpPrefixResponse) {
    let carriers = answer.origins.iter().flat_map(|origin| &origin.carriers);
    for carrier in carriers.filter(|carrier| !carrier.stale) {
        if let Ok(path) = carrier.as_path.parse::<AsPath>() {
            audit.see(Asn(carrier.peer_asn), prefix, &path);
        }
    }
}

fn announced_in(answer: &v1::LookUpPrefixResponse) -> Vec<Prefix> {
    let told = answer.more_specific.iter();
    told.filter_map(|part| part.prefix.parse().ok()).collect()
}

fn share(answer: &v1::LookUpPrefixResponse) -> Share {
    let number = |of: u32| usize::try_from(of).unwrap_or(usize::MAX);
    Share {
        carry: number(answer.full_feed_carrying),
        of: number(answer.full_feed),
    }
}

/// The round with what it does not know itself: since when it has been so, and what was found of those that are away.
fn after(before: &Round, round: Round, now_us: i64) -> Round {
    let since: BTreeMap<Subject, i64> = before
        .found
        .iter()
        .map(|(finding, since)| (finding.subject(), *since))
        .collect();
    let mut found = BTreeMap::new();
    let kept = before.found.iter().map(|(finding, _)| finding);
    let kept = kept.filter(|finding| round.away.contains_key(&finding.prefix()));
    for finding in kept.chain(round.found.iter().map(|(finding, _)| finding)) {
        let since = since.get(&finding.subject()).copied().unwrap_or(now_us);
        found.insert(finding.subject(), (*finding, since));
    }
    Round {
        at_us: now_us,
        found: found.into_values().collect(),
        ..round
    }
}

/// What began and what ended, and how many there are.
fn say(before: &Round, now: &Round) {
    let subjects = |round: &Round| -> BTreeSet<Subject> {
        let subjects = round.found.iter().map(|(finding, _)| finding.subject());
        subjects.collect()
    };
    let (was, is) = (subjects(before), subjects(now));
    let new = now.found.iter().map(|(finding, _)| finding);
    let new = new.filter(|finding| !was.contains(&finding.subject()));
    for finding in new.take(MOST_SAID) {
        tracing::warn!(%finding, next = "GET /api/v1/watch has all of them", "otherwise than the watch list expects");
    }
    let over = before.found.iter().map(|(finding, _)| finding);
    let over = over.filter(|finding| !is.contains(&finding.subject()));
    for finding in over.take(MOST_SAID) {
        tracing::info!(%finding, "as the watch list expects again");
    }
    for check in Finding::CHECKS {
        let count = is.iter().filter(|subject| subject.check == check).count();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        metrics::gauge!("weir_watch_findings", "check" => check).set(f64::from(count));
    }
}
