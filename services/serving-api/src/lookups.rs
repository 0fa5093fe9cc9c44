//! Asks the detector what it knows right now, and puts together what several partitions answer.

use std::time::Instant;

use axum::http::StatusCode;
use futures_util::future::join_all;
use serde::Serialize;
use tonic::{Code, Status};
use utoipa::ToSchema;
use weir_events::topics::BGP_UPDATES;
use weir_lookups::v1;
use weir_routing::{Asn, Prefix};

use crate::{app::App, problem::Problem};

/// Most entries of a list that was put together.
const MOST: usize = 64;
/// Seconds after which it makes sense to ask again.
const ASK_AGAIN_S: u32 = 5;

/// A partition that did not answer: what only it knows is missing.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Away {
    /// Of `bgp-updates`.
    pub(crate) partition: u32,
    /// Who should answer, and why it does not.
    pub(crate) reason: String,
}

/// What is known of a prefix, and who did not say what lies in it.
pub(crate) struct Found<T> {
    pub(crate) answer: T,
    pub(crate) away: Vec<Away>,
}

/// Asks the partition of the prefix; of one that is shorter than an address block all of them, since what lies in it
/// is spread.
pub(crate) async fn prefix(
    app: &App,
    prefix: Prefix,
) -> Result<Found<v1::LookUpPrefixResponse>, Problem> {
    let home = prefix.block().partition();
    let asked = (0..BGP_UPDATES.partitions).filter(|p| *p == home || prefix.spans_blocks());
    let answers = asked.map(|partition| async move {
        let answer = of_partition(app, partition, async |address| {
            app.lookups.prefix(address, partition, prefix).await
        });
        (partition, answer.await)
    });
    let (mut at_home, mut elsewhere, mut away) = (None, Vec::new(), Vec::new());
    for (partition, answer) in join_all(answers).await {
        match answer {
            Ok(answer) if partition == home => at_home = Some(answer),
            Ok(answer) => elsewhere.push(answer),
            Err(reason) => away.push(Away { partition, reason }),
        }
    }
    let Some(mut answer) = at_home else {
        away.retain(|away| away.partition == home);
        return Err(unavailable(&prefix.to_string(), &away));
    };
    for other in elsewhere {
        answer.as_of_us = answer.as_of_us.min(other.as_of_us);
        add_up(&mut answer.more_specific_count, other.more_specific_count);
        answer.more_specific.extend(other.more_specific);
    }
    in_order(&mut answer.more_specific, |one| &one.prefix);
    Ok(Found { answer, away })
}

/// Asks all partitions for a network.
pub(crate) async fn asn(app: &App, asn: Asn) -> Result<Found<v1::LookUpAsnResponse>, Problem> {
    let answers = (0..BGP_UPDATES.partitions).map(|partition| async move {
        let answer = of_partition(app, partition, async |address| {
            app.lookups.asn(address, partition, asn).await
        });
        (partition, answer.await)
    });
    let (mut all, mut away): (Option<v1::LookUpAsnResponse>, _) = (None, Vec::new());
    for (partition, answer) in join_all(answers).await {
        match answer {
            Ok(answer) => match &mut all {
                Some(all) => add_asn(all, answer),
                None => all = Some(answer),
            },
            Err(reason) => away.push(Away { partition, reason }),
        }
    }
    let Some(mut answer) = all else {
        return Err(unavailable(&format!("AS{asn}"), &away));
    };
    in_order(&mut answer.ipv4, |one| &one.prefix);
    in_order(&mut answer.ipv6, |one| &one.prefix);
    answer.neighbours.truncate(MOST);
    answer.suspect_of.truncate(MOST);
    answer.victim_of.truncate(MOST);
    Ok(Found { answer, away })
}

/// Asks who has a partition; else says why there is no answer.
async fn of_partition<T>(
    app: &App,
    partition: u32,
    ask: impl AsyncFnOnce(&str) -> Result<T, Status>,
) -> Result<T, String> {
    let owner = app.live.owner(partition, Instant::now())?;
    ask(&owner.address).await.map_err(|status| {
        let (name, says) = (owner.name(), status.message());
        match status.code() {
            Code::Unauthenticated => {
                tracing::error!(owner = name, address = owner.address, "look-ups: {says}");
                format!("{name} refused our token: set the same token of [lookups] here and there")
            }
            Code::DeadlineExceeded | Code::Cancelled => format!("{name} did not answer in time"),
            _ => format!("{name}: {says}"),
        }
    })
}

fn unavailable(what: &str, away: &[Away]) -> Problem {
    let why = away.first().map(|first| {
        let Away { partition, reason } = first;
        format!(": {reason} (partition {partition} of {})", BGP_UPDATES.name)
    });
    let detail = format!("nobody who knows {what} answers{}", why.unwrap_or_default());
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(ASK_AGAIN_S)
}

fn add_asn(all: &mut v1::LookUpAsnResponse, more: v1::LookUpAsnResponse) {
    all.as_of_us = all.as_of_us.min(more.as_of_us);
    add_up(&mut all.ipv4_count, more.ipv4_count);
    add_up(&mut all.ipv6_count, more.ipv6_count);
    add_up(&mut all.suspect_of_count, more.suspect_of_count);
    add_up(&mut all.victim_of_count, more.victim_of_count);
    all.ipv4.extend(more.ipv4);
    all.ipv6.extend(more.ipv6);
    all.suspect_of.extend(more.suspect_of);
    all.victim_of.extend(more.victim_of);
    all.neighbours = beside(
        std::mem::take(&mut all.neighbours),
        more.neighbours,
        (&mut all.neighbour_count, more.neighbour_count),
    );
}

/// Who stands beside a network by either word: since the earlier time, and a RIB (no time) is the earliest.
fn beside(
    mut all: Vec<v1::Neighbour>,
    more: Vec<v1::Neighbour>,
    (count, other): (&mut Option<v1::Length>, Option<v1::Length>),
) -> Vec<v1::Neighbour> {
    let is_cut = |shown: &[v1::Neighbour], of: &Option<v1::Length>| {
        of.is_some_and(|of| of.at_least || of.total > shown.len() as u64)
    };
    let at_least = is_cut(&all, count) || is_cut(&more, &other);
    for one in more {
        match all.binary_search_by_key(&one.asn, |known| known.asn) {
            Ok(at) => {
                if let Some(known) = all.get_mut(at) {
                    known.first_us = known.first_us.min(one.first_us);
                    known.last_day_us = known.last_day_us.max(one.last_day_us);
                }
            }
            Err(at) => all.insert(at, one),
        }
    }
    let told = [*count, other].into_iter().flatten();
    let total = told.map(|of| of.total).max().unwrap_or_default();
    *count = Some(v1::Length {
        total: total.max(all.len() as u64),
        at_least,
    });
    all
}

fn add_up(count: &mut Option<v1::Length>, more: Option<v1::Length>) {
    let (count, more) = (count.get_or_insert_default(), more.unwrap_or_default());
    count.total += more.total;
    count.at_least |= more.at_least;
}

/// The least of them in the order of addresses, not of text.
fn in_order<T>(all: &mut Vec<T>, prefix: impl Fn(&T) -> &str) {
    all.sort_by_key(|one| prefix(one).parse::<Prefix>().ok());
    all.truncate(MOST);
}
