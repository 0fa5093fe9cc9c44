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

use crate::{
    app::App,
    lookups::{self, Found},
};

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
#[derive(Default)]
pub(crate) struct Round {
    /// When it ended, by the wall clock.
    pub(crate) at_us: i64,
    /// Own prefixes that were answered for.
    pub(crate) asked: usize,
    /// Those that were not, and parts, and why: findings of what lies in them are those of the round before.
    pub(crate) away: BTreeMap<Prefix, String>,
    /// It was told how many have them: else what was missing or hidden in the round before still is.
    counted: bool,
    /// Own prefixes with more parts than are told: of those the rest was not looked at.
    pub(crate) cut: Vec<Prefix>,
    /// In a fixed order, each with the end of the round, by the wall clock, since which it has been found.
    pub(crate) found: Vec<(Finding, i64)>,
}

impl Round {
    /// The answer, or a note of why there is none.
    fn answer(&mut self, prefix: Prefix, answer: Result<Told, String>) -> Option<Told> {
        answer
            .map_err(|reason| self.away.insert(prefix, reason))
            .ok()
    }

    /// True when nobody could say anything of this finding.
    fn leaves_open(&self, finding: &Finding) -> bool {
        let prefix = finding.prefix();
        let mut holding = (0..=prefix.length()).map(|length| prefix.truncated(length));
        let hangs_on_counts = matches!(finding, Finding::Missing(_) | Finding::Hidden(..));
        holding.any(|holding| self.away.contains_key(&holding)) || hangs_on_counts && !self.counted
    }
}

/// What the detector told of a prefix.
struct Told {
    /// Who has it now, and how. Routes that are in doubt are no word for anything.
    routes: Vec<(Asn, AsPath)>,
    /// What is announced in it, or the first of that.
    parts: Vec<Prefix>,
    has_more_parts: bool,
    share: Share,
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
        shares.push((prefix, answer.share));
        let is_own = |part: &Prefix| audit.concerns(part).is_some_and(|of| of.prefix == prefix);
        let before = parts.len();
        parts.extend(answer.parts.into_iter().filter(is_own));
        if answer.has_more_parts && parts.len() > before {
            round.cut.push(prefix);
        }
    }
    let mut of_parts = answers(app, parts);
    while let Some((part, answer)) = of_parts.next().await {
        if let Some(answer) = round.answer(part, answer) {
            hear(&mut audit, part, &answer);
        }
    }
    // While tables are being read for the first time, or nobody tells anything, who knows what is missing?
    let strip = app.live.strip();
    round.counted = strip.vantage_points > 0 && strip.warming_percent.is_none();
    if round.counted {
        for (own, share) in shares {
            audit.share(own, share);
        }
    }
    round.cut.sort_unstable();
    let found = audit.findings(SEEN_BY, &Thresholds::default());
    round.found = found.into_iter().map(|finding| (finding, 0)).collect();
    round
}

fn hear(audit: &mut Audit<'_>, prefix: Prefix, told: &Told) {
    for (by, path) in &told.routes {
        audit.see(*by, prefix, path);
    }
}

/// What is known of each prefix, or why nobody told, as they answer.
fn answers(
    app: &App,
    prefixes: impl IntoIterator<Item = Prefix>,
) -> impl Stream<Item = (Prefix, Result<Told, String>)> + Unpin {
    let asked = prefixes.into_iter();
    let asked = asked.map(move |prefix| Box::pin(async move { (prefix, ask(app, prefix).await) }));
    stream::iter(asked).buffer_unordered(AT_ONCE)
}

/// An answer of which a part is away is none: nobody knows what is missing in it.
async fn ask(app: &App, prefix: Prefix) -> Result<Told, String> {
    let found = lookups::prefix(app, prefix).await;
    let Found { answer, away } = found.map_err(|problem| problem.detail)?;
    match away.into_iter().next() {
        Some(away) => Err(away.reason),
        None => told(&answer),
    }
}

fn told(answer: &v1::LookUpPrefixResponse) -> Result<Told, String> {
    let carriers = answer.origins.iter().flat_map(|origin| &origin.carriers);
    let routes = carriers.filter(|carrier| !carrier.stale).map(|carrier| {
        let path = carrier.as_path.parse::<AsPath>();
        path.map(|path| (Asn(carrier.peer_asn), path))
            .map_err(|error| format!("path `{}`: {error}", carrier.as_path))
    });
    let parts = answer.more_specific.iter().map(|part| {
        let prefix = part.prefix.parse::<Prefix>();
        prefix.map_err(|error| format!("part `{}`: {error}", part.prefix))
    });
    let all = answer.more_specific_count.unwrap_or_default();
    let number = |of: u32| usize::try_from(of).unwrap_or(usize::MAX);
    Ok(Told {
        routes: routes.collect::<Result<_, String>>()?,
        parts: parts.collect::<Result<_, String>>()?,
        has_more_parts: all.at_least || all.total > answer.more_specific.len() as u64,
        share: Share {
            carry: number(answer.full_feed_carrying),
            of: number(answer.full_feed),
        },
    })
}

/// The round with what it does not know itself: since when it has been so, and what was found of what it leaves open.
fn after(before: &Round, round: Round, now_us: i64) -> Round {
    let since: BTreeMap<Subject, i64> = before
        .found
        .iter()
        .map(|(finding, since)| (finding.subject(), *since))
        .collect();
    let mut found = BTreeMap::new();
    let kept = before.found.iter().map(|(finding, _)| finding);
    let kept = kept.filter(|finding| round.leaves_open(finding));
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
