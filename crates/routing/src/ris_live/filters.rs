//! The subscriptions of one client. Those with a prefix are found by prefix, so that a client which
//! watches thousands of them costs a message some look-ups, not thousands of comparisons.

use std::collections::BTreeMap;

use super::{
    subscription::{PrefixFilter, Subscription},
    told::Told,
};
use crate::{prefix::Prefix, update::Body};

/// Each message is compared with every subscription that names no prefix, and with every one of the
/// same prefix: there may be no more of these.
const MOST_COMPARED: usize = 256;

/// Joined by OR, each there once.
#[derive(Clone, Debug)]
pub struct Filters {
    limit: usize,
    count: usize,
    /// Those without a prefix.
    anywhere: Vec<Subscription>,
    by_prefix: BTreeMap<Prefix, Vec<Subscription>>,
    /// How many prefixes of each family and length there are.
    lengths: BTreeMap<(bool, u8), usize>,
    /// How many look for what covers them.
    upwards: usize,
}

/// The request goes beyond what one client may have.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "this connection has {count} subscriptions{which} and asks for {more} more: want {limit} at most"
)]
pub struct TooMany {
    /// Nothing, or what those have in common that are too many.
    pub which: &'static str,
    /// What it has.
    pub count: usize,
    /// What the request would add; each prefix of a list counts.
    pub more: usize,
    /// What it may have.
    pub limit: usize,
}

impl Filters {
    /// None yet, and never more than `limit`.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            count: 0,
            anywhere: Vec::new(),
            by_prefix: BTreeMap::new(),
            lengths: BTreeMap::new(),
            upwards: 0,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// True when nothing is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds all of them, or none. What is there already stays there once.
    ///
    /// # Errors
    /// When there would be too many.
    pub fn add(&mut self, subscriptions: &[Subscription]) -> Result<(), TooMany> {
        let fresh = subscriptions.iter().filter(|one| !self.has(one));
        let more = fresh.count();
        within("", self.count, more, self.limit)?;
        for one in subscriptions.iter().filter(|one| !self.has(one)) {
            // Those of one request differ in their prefixes.
            match one.prefix {
                None => within(" without a prefix", self.anywhere.len(), 1, MOST_COMPARED)?,
                Some(filter) => {
                    let here = self.by_prefix.get(&filter.prefix).map_or(0, Vec::len);
                    within(" of the same prefix", here, 1, MOST_COMPARED)?;
                }
            }
        }
        for subscription in subscriptions {
            if !self.has(subscription) {
                self.insert(subscription.clone());
            }
        }
        Ok(())
    }

    fn insert(&mut self, subscription: Subscription) {
        self.count += 1;
        let Some(filter) = subscription.prefix else {
            self.anywhere.push(subscription);
            return;
        };
        self.upwards += usize::from(filter.less_specific);
        let here = self.by_prefix.entry(filter.prefix).or_default();
        if here.is_empty() {
            *self.lengths.entry(length(filter.prefix)).or_default() += 1;
        }
        here.push(subscription);
    }

    /// Takes the equal one away; false when there is none.
    pub fn remove(&mut self, subscription: &Subscription) -> bool {
        let Some(filter) = subscription.prefix else {
            let found = take(&mut self.anywhere, subscription);
            self.count -= usize::from(found);
            return found;
        };
        let Some(here) = self.by_prefix.get_mut(&filter.prefix) else {
            return false;
        };
        let found = take(here, subscription);
        if here.is_empty() {
            self.by_prefix.remove(&filter.prefix);
            if let Some(count) = self.lengths.get_mut(&length(filter.prefix)) {
                *count -= 1;
            }
            self.lengths.retain(|_, count| *count > 0);
        }
        self.upwards -= usize::from(found && filter.less_specific);
        self.count -= usize::from(found);
        found
    }

    /// True when an equal one is there.
    fn has(&self, subscription: &Subscription) -> bool {
        match subscription.prefix {
            None => self.anywhere.contains(subscription),
            Some(filter) => {
                let here = self.by_prefix.get(&filter.prefix);
                here.is_some_and(|here| here.contains(subscription))
            }
        }
    }

    /// True when any subscription wants the message.
    #[must_use]
    pub fn want(&self, told: &Told<'_>) -> bool {
        let mut anywhere = self.anywhere.iter();
        if anywhere.any(|one| one.wants(told)) {
            return true;
        }
        let Body::Update(update) = &told.record.message.body else {
            return false;
        };
        if self.by_prefix.is_empty() {
            return false;
        }
        let mut named = update.announced.iter().chain(&update.withdrawn);
        named.any(|nlri| self.want_prefix(nlri.prefix, told))
    }

    fn want_prefix(&self, prefix: Prefix, told: &Told<'_>) -> bool {
        let family = prefix.is_ipv4();
        let lengths = self.lengths.range((family, 0)..=(family, prefix.length()));
        let covering = lengths.filter_map(|((_, length), _)| {
            let covering = prefix.truncated(*length);
            self.by_prefix.get(&covering)
        });
        let wants = |one: &Subscription, may: fn(PrefixFilter) -> bool| {
            one.prefix
                .is_some_and(|filter| filter.prefix == prefix || may(filter))
                && one.wants(told)
        };
        if covering
            .flatten()
            .any(|one| wants(one, |filter| filter.more_specific))
        {
            return true;
        }
        if self.upwards == 0 {
            return false;
        }
        // In the order of prefixes, what it covers stands right behind it.
        self.by_prefix
            .range(prefix..)
            .take_while(|(covered, _)| prefix.covers(covered))
            .flat_map(|(_, here)| here)
            .any(|one| wants(one, |filter| filter.less_specific))
    }
}

fn within(which: &'static str, count: usize, more: usize, limit: usize) -> Result<(), TooMany> {
    if count + more > limit {
        return Err(TooMany {
            which,
            count,
            more,
            limit,
        });
    }
    Ok(())
}

fn length(prefix: Prefix) -> (bool, u8) {
    (prefix.is_ipv4(), prefix.length())
}

fn take(from: &mut Vec<Subscription>, subscription: &Subscription) -> bool {
    let place = from.iter().position(|one| one == subscription);
    if let Some(place) = place {
        from.swap_remove(place);
    }
    place.is_some()
}
