//! What a stream says before anything is planted.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use weir_routing::{AsPath, Asn, Body, Message, Origin, Peer, Prefix, Update};

/// A vantage point: where it is heard, and who it is.
pub type VantagePoint = (String, Peer);

/// The first route of each vantage point to each prefix, and what is known of the prefixes.
#[derive(Clone, Debug, Default)]
pub struct World {
    peers: Vec<VantagePoint>,
    numbers: BTreeMap<VantagePoint, usize>,
    routes: BTreeMap<Prefix, BTreeMap<usize, AsPath>>,
    /// Prefixes that were withdrawn, or had another origin at any time.
    restless: BTreeSet<Prefix>,
    /// When anything was said of a prefix: event times, as they came.
    said: BTreeMap<Prefix, Vec<i64>>,
    /// A path from a vantage point to an origin.
    toward: BTreeMap<(Asn, usize), Vec<Asn>>,
    span: Option<(i64, i64)>,
}

impl World {
    /// Takes in one message of a collector, in any order.
    pub fn hear(&mut self, collector: &str, message: &Message) {
        let at = message.event_time_us;
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
        if let Body::Update(update) = &message.body {
            let peer = self.number((collector.to_owned(), message.peer));
            self.update(peer, update, at);
        }
    }

    fn number(&mut self, point: VantagePoint) -> usize {
        if let Some(number) = self.numbers.get(&point) {
            return *number;
        }
        let number = self.peers.len();
        self.peers.push(point.clone());
        self.numbers.insert(point, number);
        number
    }

    fn update(&mut self, peer: usize, update: &Update, at: i64) {
        for nlri in &update.withdrawn {
            self.restless.insert(nlri.prefix);
        }
        let Some(attributes) = &update.attributes else {
            return;
        };
        let path = &attributes.as_path;
        let Some(Origin::As(origin)) = path.origin() else {
            let sets = update.announced.iter().map(|nlri| nlri.prefix);
            self.restless.extend(sets);
            return;
        };
        for nlri in &update.announced {
            self.said.entry(nlri.prefix).or_default().push(at);
            let routes = self.routes.entry(nlri.prefix).or_default();
            let other = routes
                .values()
                .next()
                .is_some_and(|known| known.origin() != path.origin());
            if other {
                self.restless.insert(nlri.prefix);
            }
            routes.entry(peer).or_insert_with(|| path.clone());
        }
        if !update.announced.is_empty() {
            let hops = || path.asns().collect();
            self.toward.entry((origin, peer)).or_insert_with(hops);
        }
    }

    /// Event times of the first and last message; `None` = nothing was heard.
    #[must_use]
    pub fn span(&self) -> Option<(i64, i64)> {
        self.span
    }

    /// Every vantage point, by number.
    #[must_use]
    pub fn peers(&self) -> &[VantagePoint] {
        &self.peers
    }

    /// The first route of each vantage point to each prefix.
    pub fn routes(&self) -> impl Iterator<Item = (Prefix, &BTreeMap<usize, AsPath>)> {
        self.routes.iter().map(|(prefix, routes)| (*prefix, routes))
    }

    /// Prefixes with one origin all the time, never withdrawn, with no part and no whole of them announced.
    #[must_use]
    pub fn calm(&self) -> Vec<Prefix> {
        let is_alone = |prefix: &Prefix| {
            let whole = (8..prefix.length())
                .any(|length| self.routes.contains_key(&prefix.truncated(length)));
            // What lies in a prefix stands right behind it.
            let next = self.routes.range(*prefix..).nth(1);
            !whole && next.is_none_or(|(next, _)| !prefix.covers(next))
        };
        let calm = self.routes.keys().filter(|p| !self.restless.contains(p));
        calm.filter(|prefix| is_alone(prefix)).copied().collect()
    }

    /// True when nothing is said of the prefix at these event times.
    #[must_use]
    pub fn is_silent(&self, prefix: &Prefix, times: RangeInclusive<i64>) -> bool {
        let said = self.said.get(prefix).map_or(&[][..], Vec::as_slice);
        !said.iter().any(|at| times.contains(at))
    }

    /// True when this network originates the prefix, or a part of it.
    #[must_use]
    pub fn holds_within(&self, prefix: &Prefix, origin: Asn) -> bool {
        let behind = self.routes.range(*prefix..);
        let mut parts = behind.take_while(|(part, _)| prefix.covers(part));
        let is_its = |path: &AsPath| path.origin() == Some(Origin::As(origin));
        parts.any(|(_, routes)| routes.values().any(is_its))
    }

    /// The routes to a prefix.
    #[must_use]
    pub fn routes_to(&self, prefix: &Prefix) -> Option<&BTreeMap<usize, AsPath>> {
        self.routes.get(prefix)
    }

    /// Networks that originate anything, with how many vantage points have a path to each.
    #[must_use]
    pub fn origins(&self) -> BTreeMap<Asn, usize> {
        let mut seen = BTreeMap::new();
        for (origin, _) in self.toward.keys() {
            *seen.entry(*origin).or_insert(0) += 1;
        }
        seen
    }

    /// A path that this vantage point has to this origin.
    #[must_use]
    pub fn path(&self, peer: usize, origin: Asn) -> Option<&[Asn]> {
        self.toward.get(&(origin, peer)).map(Vec::as_slice)
    }
}
