//! What a stream says before anything is planted.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    ops::RangeInclusive,
    sync::Arc,
};

use weir_routing::{
    AsPath, Asn, Body, Community, Message, Origin, PathAttributes, Peer, Prefix, Segment, Update,
};

/// A vantage point: where it is heard, and who it is.
pub type VantagePoint = (String, Peer);

/// What one vantage point said of a prefix.
#[derive(Clone, Copy, Debug)]
struct Said {
    at_us: i64,
    peer: usize,
    /// Number of the route; `None` = none any more.
    route: Option<u32>,
}

/// When a vantage point spoke of a prefix last (`None` = before the stream began), and its route since (`None` = none).
pub type Held = (Option<i64>, Option<PathAttributes>);

/// The first route of each vantage point to each prefix, what was said of it later, and what is known of the prefixes.
#[derive(Clone, Debug, Default)]
pub struct World {
    peers: Vec<VantagePoint>,
    numbers: BTreeMap<VantagePoint, usize>,
    routes: BTreeMap<Prefix, BTreeMap<usize, AsPath>>,
    /// Prefixes that were withdrawn, or had another origin at any time.
    restless: BTreeSet<Prefix>,
    /// All that was said of a prefix, as it came.
    said: BTreeMap<Prefix, Vec<Said>>,
    /// Every route that was announced, once: what a table keeps of it.
    announced: Vec<Arc<PathAttributes>>,
    known: HashMap<Arc<PathAttributes>, u32>,
    /// Networks that stand side by side on a path, the lesser ASN first.
    links: BTreeSet<(Asn, Asn)>,
    /// Networks with another one behind them on a path.
    passing_on: BTreeSet<Asn>,
    /// Vantage points whose session came or went, or that told several paths to one prefix.
    unsteady: BTreeSet<VantagePoint>,
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
        let point = || (collector.to_owned(), message.peer);
        match &message.body {
            Body::Update(update) => {
                let mut nlris = update.announced.iter().chain(&update.withdrawn);
                if nlris.any(|nlri| nlri.path_id != 0) {
                    self.unsteady.insert(point());
                }
                let peer = self.number(point());
                self.update(peer, update, at);
            }
            Body::Open(_) | Body::Notification(_) | Body::StateChange { .. } => {
                self.unsteady.insert(point());
            }
            Body::Keepalive | Body::EndOfRib => {}
        }
    }

    /// Who stands beside whom on any path, one pair per line: what a long time before the stream would have taught.
    #[must_use]
    pub fn links(&self) -> String {
        let mut text = String::from("# every link of the stream, as if it had been seen before\n");
        for (lesser, greater) in &self.links {
            // Into a String: cannot fail.
            let _ = writeln!(text, "{lesser}|{greater}");
        }
        text
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

    fn update(&mut self, peer: usize, update: &Update, at_us: i64) {
        let said = |route| Said { at_us, peer, route };
        for nlri in &update.withdrawn {
            self.restless.insert(nlri.prefix);
            self.said.entry(nlri.prefix).or_default().push(said(None));
        }
        let Some(attributes) = &update.attributes else {
            return;
        };
        let route = self.route(attributes);
        for nlri in &update.announced {
            self.said.entry(nlri.prefix).or_default().push(said(route));
        }
        let path = &attributes.as_path;
        let Some(Origin::As(origin)) = path.origin() else {
            let sets = update.announced.iter().map(|nlri| nlri.prefix);
            self.restless.extend(sets);
            return;
        };
        for nlri in &update.announced {
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

    /// The number of a route; `None` = there are more than can be counted.
    fn route(&mut self, attributes: &PathAttributes) -> Option<u32> {
        let is_blackhole = attributes.communities.contains(&Community::BLACKHOLE);
        let kept = PathAttributes {
            as_path: attributes.as_path.clone(),
            communities: is_blackhole
                .then_some(Community::BLACKHOLE)
                .into_iter()
                .collect(),
            only_to_customer: attributes.only_to_customer,
            ..PathAttributes::default()
        };
        if let Some(number) = self.known.get(&kept) {
            return Some(*number);
        }
        let number = u32::try_from(self.announced.len()).ok()?;
        for hops in kept.as_path.segments().iter().filter_map(in_sequence) {
            let pairs = hops.windows(2).filter_map(|pair| match pair {
                [near, far] if near != far => Some((*near, *far)),
                _ => None,
            });
            for (near, far) in pairs {
                self.links.insert((near.min(far), near.max(far)));
                self.passing_on.insert(near);
            }
        }
        let kept = Arc::new(kept);
        self.announced.push(kept.clone());
        self.known.insert(kept, number);
        Some(number)
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
        !said.iter().any(|said| times.contains(&said.at_us))
    }

    /// The routes that vantage points have to a prefix at this event time, by the dump and what was said since.
    #[must_use]
    pub fn routes_at(&self, prefix: &Prefix, at_us: i64) -> BTreeMap<usize, PathAttributes> {
        let held = self.held(|_| true, prefix, at_us).into_iter();
        held.filter_map(|(peer, (_, route))| Some((peer, route?)))
            .collect()
    }

    /// All that a vantage point has spoken of by this event time, or has in the dump.
    #[must_use]
    pub fn table_at(&self, peer: usize, at_us: i64) -> BTreeMap<Prefix, Held> {
        let prefixes = self.said.keys();
        let held = prefixes.filter_map(|prefix| {
            let held = self.held(|asked| asked == peer, prefix, at_us);
            Some((*prefix, held.into_values().next()?))
        });
        held.collect()
    }

    fn held(
        &self,
        is_asked: impl Fn(usize) -> bool,
        prefix: &Prefix,
        at_us: i64,
    ) -> BTreeMap<usize, Held> {
        let said = self.said.get(prefix).map_or(&[][..], Vec::as_slice);
        let mut last: BTreeMap<usize, Said> = BTreeMap::new();
        for said in said.iter().filter(|s| is_asked(s.peer) && s.at_us <= at_us) {
            let known = last.entry(said.peer).or_insert(*said);
            if said.at_us >= known.at_us {
                *known = *said;
            }
        }
        let dumped = self.routes.get(prefix).into_iter().flatten();
        let dumped = dumped.filter(|(peer, _)| is_asked(**peer) && !last.contains_key(peer));
        let dumped = dumped.map(|(peer, path)| (*peer, (None, dumped_as(path))));
        let since = last.iter().map(|(peer, said)| {
            let number = said.route.and_then(|number| usize::try_from(number).ok());
            let route = number.and_then(|number| self.announced.get(number));
            let route = route.map(|route| PathAttributes::clone(route));
            (*peer, (Some(said.at_us), route))
        });
        dumped.chain(since).collect()
    }

    /// The prefixes that a vantage point speaks of at these event times.
    #[must_use]
    pub fn spoken_of(&self, peer: usize, times: &RangeInclusive<i64>) -> BTreeSet<Prefix> {
        let is_then = |said: &Said| said.peer == peer && times.contains(&said.at_us);
        let said = self
            .said
            .iter()
            .filter(|(_, said)| said.iter().any(is_then));
        said.map(|(prefix, _)| *prefix).collect()
    }

    /// How many announcements of a vantage point at these event times say what it had said before, or what the dump has.
    #[must_use]
    pub fn said_again(&self, peer: usize, times: &RangeInclusive<i64>) -> usize {
        let of_prefix = |said: &Vec<Said>| {
            let mut known = None;
            let its = said.iter().filter(|said| said.peer == peer);
            let again = its.filter(|said| {
                let before = known.replace(said.route).unwrap_or(said.route);
                said.route.is_some() && before == said.route && times.contains(&said.at_us)
            });
            again.count()
        };
        self.said.values().map(of_prefix).sum()
    }

    /// True when the two stand side by side on no path of the stream.
    #[must_use]
    pub fn are_apart(&self, one: Asn, other: Asn) -> bool {
        !self.links.contains(&(one.min(other), one.max(other)))
    }

    /// True when a path has another network behind this one.
    #[must_use]
    pub fn passes_on(&self, asn: Asn) -> bool {
        self.passing_on.contains(&asn)
    }

    /// True when the session of a vantage point neither came nor went, and tells one path to each prefix.
    #[must_use]
    pub fn is_steady(&self, peer: usize) -> bool {
        self.peers
            .get(peer)
            .is_some_and(|point| !self.unsteady.contains(point))
    }

    /// The prefixes of each network that the dump has as the origin of any route to it.
    #[must_use]
    pub fn holdings(&self) -> BTreeMap<Asn, Vec<Prefix>> {
        let mut holdings: BTreeMap<Asn, Vec<Prefix>> = BTreeMap::new();
        for (prefix, routes) in &self.routes {
            let origins: BTreeSet<Asn> = routes.values().filter_map(origin).collect();
            for asn in origins {
                holdings.entry(asn).or_default().push(*prefix);
            }
        }
        holdings
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

/// The hops of a sequence.
fn in_sequence(segment: &Segment) -> Option<&[Asn]> {
    match segment {
        Segment::Sequence(hops) => Some(hops),
        _ => None,
    }
}

/// The network that originates a route, where that is one.
pub(crate) fn origin(path: &AsPath) -> Option<Asn> {
    match path.origin() {
        Some(Origin::As(asn)) => Some(asn),
        _ => None,
    }
}

/// A route as it stands in the dump; `None` where its path is more than one sequence, which the dump shortens.
fn dumped_as(path: &AsPath) -> Option<PathAttributes> {
    matches!(path.segments(), [Segment::Sequence(_)]).then(|| PathAttributes {
        as_path: path.clone(),
        ..PathAttributes::default()
    })
}
