//! The peers of one router: which view of each is taken, what is a dump and what is news.
//!
//! A router may tell the same routes several times: before and behind its policy, as what it uses,
//! as what it sends on. One view of a peer is one vantage point; more would count one voice twice.
//! Values in, values out; times are microseconds.

use std::{hash::BuildHasher, net::IpAddr};

use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use smallvec::SmallVec;

use weir_routing::{
    Body, Nlri, Peer, SessionState, Update,
    decode::bmp::{BmpError, Down, Family, PeerHeader, PeerKind, PeerUp, RawUpdate, Session, View},
};

/// Peers of one router.
const MOST_PEERS: usize = 10_000;
/// Routes of unfinished dumps of one router that are remembered: 9 bytes each, or 18.
const MOST_DUMPED: usize = 4 << 20;

/// What is taken of a router.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// Distinguishers of VRFs, as people write them.
    pub(super) distinguishers: Vec<String>,
    pub(super) adj_rib_out: bool,
    /// A dump lasts no longer.
    pub(super) dump_us: i64,
}

/// Why a message of a peer is counted and left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// Of a VRF that is not asked for.
    Instance,
    /// A view of the peer that is not the one taken.
    View,
    /// Routes of other families than IPv4 and IPv6 unicast.
    Family,
    /// Routes of a peer that is not up.
    NoPeerUp,
    /// The same address and AS as a peer in another VRF, or in another view, that is taken.
    SamePeer,
    /// A peer without an address: what the router makes itself.
    NoAddress,
    /// More peers than one router can have.
    TooMany,
}

impl Reason {
    pub(super) const ALL: [Self; 7] = [
        Self::Instance,
        Self::View,
        Self::Family,
        Self::NoPeerUp,
        Self::SamePeer,
        Self::NoAddress,
        Self::TooMany,
    ];

    /// As metrics and logs name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::View => "view",
            Self::Family => "family",
            Self::NoPeerUp => "no-peer-up",
            Self::SamePeer => "same-peer",
            Self::NoAddress => "no-address",
            Self::TooMany => "too-many-peers",
        }
    }
}

/// What becomes of a message: who says what, in order.
pub(super) type Said = SmallVec<[(Peer, Body); 2]>;

/// What one Route Monitoring message becomes.
#[derive(Debug)]
pub(super) enum Heard {
    Said {
        said: Said,
        /// The dump of this peer has just passed its bound.
        late: Option<Peer>,
    },
    NotTaken(Reason),
    Undecodable(BmpError),
}

/// A peer on its router (RFC 7854, 4.2).
type Key = (PeerKind, u64, IpAddr);

pub(super) struct Peers {
    rules: Rules,
    /// Where the router connects from: the address of a Loc-RIB that has none.
    router: IpAddr,
    states: FxHashMap<Key, State>,
    /// Who speaks as this peer, and whether that is its Adj-RIB-Out.
    speakers: FxHashMap<Peer, (Key, bool)>,
    /// Routes that unfinished dumps hold, by hash.
    dumped: usize,
    /// The collector was never heard before: first tables seed. Later ones are news: who could make a table seed by
    /// opening its session anew could hide what it holds.
    seeds: bool,
    /// Whose first table has begun.
    seeded: FxHashSet<Peer>,
}

struct State {
    session: Session,
    /// When the session began, and its ports: what tells two sessions of one peer apart. Nobody knows of one that is
    /// assumed.
    since: Option<(Option<i64>, u16, u16)>,
    /// When its last message was heard.
    heard_us: i64,
    /// Adj-RIB-In or Loc-RIB; Adj-RIB-Out.
    voices: [Option<Voice>; 2],
}

/// One vantage point.
struct Voice {
    peer: Peer,
    view: Option<View>,
    /// The view has told routes.
    heard: bool,
    /// Its table seeds.
    seeds: bool,
    /// Families whose table is under way and seeds.
    dumping: [bool; 2],
    ended: [bool; 2],
    told_end: bool,
    begun_us: i64,
    /// What the dump has named: a second time is news.
    seen: FxHashSet<u64>,
}

impl Peers {
    pub(super) fn new(rules: Rules, router: IpAddr) -> Self {
        Self {
            rules,
            router,
            states: FxHashMap::default(),
            speakers: FxHashMap::default(),
            dumped: 0,
            seeds: true,
            seeded: FxHashSet::default(),
        }
    }

    /// The collector was heard before: its tables are news.
    pub(super) fn seed_no_more(&mut self) {
        self.seeds = false;
    }

    fn admits(&self, header: &PeerHeader) -> Result<Key, Reason> {
        let key = (header.kind, header.distinguisher, header.address);
        if self.states.contains_key(&key) {
            return Ok(key);
        }
        let is_global = matches!(header.kind, PeerKind::Global | PeerKind::LocRib);
        let asked = &self.rules.distinguishers;
        if (!is_global || header.distinguisher != 0)
            && (asked.is_empty() || !asked.contains(&header.instance()))
        {
            return Err(Reason::Instance);
        }
        if header.address.is_unspecified() && header.kind != PeerKind::LocRib {
            return Err(Reason::NoAddress);
        }
        Ok(key)
    }

    /// A session is established. Some routers say so for each view or family: that is one session.
    pub(super) fn up(
        &mut self,
        header: &PeerHeader,
        up: &PeerUp,
        now_us: i64,
    ) -> Result<Said, Reason> {
        let key = self.admits(header)?;
        let since = Some((header.time_us, up.local_port, up.remote_port));
        if let Some(state) = self.states.get_mut(&key) {
            state.heard_us = state.heard_us.max(now_us);
            if header.kind == PeerKind::LocRib || since == state.since {
                state.session = state.session.and(up.session);
                return Ok(Said::new());
            }
        } else if self.states.len() >= MOST_PEERS {
            return Err(Reason::TooMany);
        }
        self.forget(&key);
        let address = self.address(header);
        let mut said = Said::new();
        let heard = self.voice(key, false, Peer::new(address, header.asn), now_us);
        if let Some(voice) = &heard {
            // The detector takes both for one session.
            said.push((voice.peer, Body::Open(up.received)));
            said.push((voice.peer, Body::Open(up.sent)));
        }
        let takes_out = self.rules.adj_rib_out && header.kind != PeerKind::LocRib;
        let sent = takes_out
            .then(|| self.voice(key, true, Peer::new(address, up.sent.asn), now_us))
            .flatten();
        if let Some(voice) = &sent {
            let to = SessionState::Established;
            said.push((voice.peer, Body::StateChange { from: None, to }));
        }
        let refused = heard.is_none();
        let state = State {
            session: up.session,
            since,
            heard_us: now_us,
            voices: [heard, sent],
        };
        self.states.insert(key, state);
        if refused && said.is_empty() {
            return Err(Reason::SamePeer);
        }
        Ok(said)
    }

    /// Opens the session of a peer that was never seen up, when a router is heard from somewhere in the middle. That says
    /// nothing: who hears its routes opens it too, while a session that goes on must not look like a new one. The
    /// beginning of its table was missed, so neither this table nor a later one seeds.
    pub(super) fn assume(&mut self, header: &PeerHeader, now_us: i64) -> Result<(), Reason> {
        let key = self.admits(header)?;
        if self.states.contains_key(&key) {
            return Ok(());
        }
        if self.states.len() >= MOST_PEERS {
            return Err(Reason::TooMany);
        }
        let peer = Peer::new(self.address(header), header.asn);
        if self.seeds {
            self.seeded.insert(peer);
        }
        let voice = self.voice(key, false, peer, now_us);
        let refused = voice.is_none();
        let state = State {
            session: Session::assumed(peer.address),
            since: None,
            heard_us: now_us,
            voices: [voice, None],
        };
        self.states.insert(key, state);
        if refused {
            return Err(Reason::SamePeer);
        }
        Ok(())
    }

    /// The router was not heard for a while up to this time: forgets the peers that have said nothing since, and names
    /// them in order.
    pub(super) fn interrupted(&mut self, until_us: i64) -> Vec<Peer> {
        let states = self.states.iter();
        let silent = states.filter(|(_, state)| state.heard_us < until_us);
        let keys: Vec<Key> = silent.map(|(key, _)| *key).collect();
        let states = keys.iter().filter_map(|key| self.forget(key));
        let mut peers: Vec<Peer> = states
            .flat_map(|state| state.voices.into_iter().flatten())
            .map(|voice| voice.peer)
            .collect();
        peers.sort_unstable();
        peers
    }

    /// What a peer is called by: its address, or for a Loc-RIB that of the router.
    fn address(&self, header: &PeerHeader) -> IpAddr {
        match header.kind {
            PeerKind::LocRib if header.bgp_id.is_unspecified() => self.router,
            PeerKind::LocRib => header.bgp_id.into(),
            _ => header.address,
        }
    }

    /// A vantage point, unless another one speaks as the same peer.
    fn voice(&mut self, key: Key, is_out: bool, peer: Peer, now_us: i64) -> Option<Voice> {
        if *self.speakers.entry(peer).or_insert((key, is_out)) != (key, is_out) {
            return None;
        }
        let seeds = self.seeds && self.seeded.insert(peer);
        Some(Voice {
            peer,
            view: None,
            heard: false,
            seeds,
            dumping: [seeds; 2],
            ended: [false; 2],
            told_end: false,
            begun_us: now_us,
            seen: FxHashSet::default(),
        })
    }

    fn forget(&mut self, key: &Key) -> Option<State> {
        let state = self.states.remove(key)?;
        for voice in state.voices.iter().flatten() {
            self.speakers.remove(&voice.peer);
            self.dumped -= voice.seen.len();
        }
        Some(state)
    }

    /// A session has ended.
    pub(super) fn down(&mut self, header: &PeerHeader, down: Down) -> Result<Said, Reason> {
        let key = self.admits(header)?;
        let state = self.forget(&key).ok_or(Reason::NoPeerUp)?;
        let body = match down {
            Down::LocalNotification(why) | Down::RemoteNotification(why) => Body::Notification(why),
            _ => Body::StateChange {
                from: Some(SessionState::Established),
                to: SessionState::Idle,
            },
        };
        let voices = state.voices.iter().flatten();
        Ok(voices.map(|voice| (voice.peer, body.clone())).collect())
    }

    /// Routes of one view of a peer.
    pub(super) fn routes(
        &mut self,
        header: &PeerHeader,
        raw: &RawUpdate<'_>,
        now_us: i64,
    ) -> Heard {
        let key = match self.admits(header) {
            Ok(key) => key,
            Err(reason) => return Heard::NotTaken(reason),
        };
        let Some(state) = self.states.get_mut(&key) else {
            return Heard::NotTaken(Reason::NoPeerUp);
        };
        state.heard_us = state.heard_us.max(now_us);
        let is_out = matches!(header.view, View::AdjRibOutPre | View::AdjRibOutPost);
        let Some(voice) = &mut state.voices[usize::from(is_out)] else {
            let unasked = is_out && !self.rules.adj_rib_out;
            return Heard::NotTaken(if unasked {
                Reason::View
            } else {
                Reason::SamePeer
            });
        };
        if !voice.may_take(header.view) {
            return Heard::NotTaken(Reason::View);
        }
        let routes = match raw.read(header, &state.session) {
            Ok(routes) => routes,
            Err(error) => return Heard::Undecodable(error),
        };
        if state.since.is_none() && routes.updates.iter().any(has_path_ids) {
            let peer = header.to_string();
            let reason = "a default route twice, which is path identifiers (RFC 7911) read as \
                          routes: no Peer Up of its session was heard"
                .to_owned();
            return Heard::Undecodable(BmpError::Update { peer, reason });
        }
        if routes.updates.is_empty() && routes.end_of_rib.is_none() {
            return Heard::NotTaken(Reason::Family);
        }
        let before = voice.seen.len();
        if !voice.takes(header.view, !routes.updates.is_empty(), now_us) {
            return Heard::NotTaken(Reason::View);
        }
        let late = voice.is_late(now_us, self.rules.dump_us);
        let most = before + MOST_DUMPED.saturating_sub(self.dumped);
        let mut said = Said::new();
        for update in routes.updates {
            voice.tell(update, most, &mut said);
        }
        if let Some(family) = routes.end_of_rib {
            voice.end(family, &state.session, &mut said);
        }
        self.dumped = self.dumped + voice.seen.len() - before;
        Heard::Said {
            said,
            late: late.then_some(voice.peer),
        }
    }
}

impl Voice {
    /// False when this view cannot be the one that is taken, whatever it says.
    fn may_take(&self, view: View) -> bool {
        self.view.is_none_or(|taken| taken == view) || !self.heard || is_preferred(view)
    }

    /// Settles which view is taken: the first that comes, until a better one tells routes. Then
    /// the whole table comes again, of which the other was a part.
    fn takes(&mut self, view: View, has_routes: bool, now_us: i64) -> bool {
        if self.view != Some(view) {
            if self.view.is_some() {
                if !has_routes {
                    return false;
                }
                self.dumping = [self.seeds; 2];
                self.ended = [false; 2];
                self.told_end = false;
                self.begun_us = now_us;
                self.seen.clear();
            }
            self.view = Some(view);
        }
        self.heard |= has_routes;
        true
    }

    /// Ends a dump that has passed its bound; true when that was just now.
    fn is_late(&mut self, now_us: i64, bound_us: i64) -> bool {
        let late = self.dumping != [false; 2] && now_us - self.begun_us > bound_us;
        if late {
            self.dumping = [false; 2];
            self.seen = FxHashSet::default();
        }
        late
    }

    /// Tells an update: what the dump names for the first time apart from what is news.
    fn tell(&mut self, mut update: Update, most: usize, said: &mut Said) {
        if self.dumping == [false; 2] {
            said.push((self.peer, Body::Update(update)));
            return;
        }
        let announced = std::mem::take(&mut update.announced);
        let (dumped, news): (Vec<Nlri>, Vec<Nlri>) = announced
            .into_iter()
            .partition(|nlri| self.is_dump(nlri, most));
        if !news.is_empty() || !update.withdrawn.is_empty() {
            let update = Update {
                attributes: update.attributes.clone().filter(|_| !news.is_empty()),
                announced: news,
                withdrawn: update.withdrawn,
                from_rib: false,
            };
            said.push((self.peer, Body::Update(update)));
        }
        if !dumped.is_empty() {
            let update = Update {
                attributes: update.attributes,
                announced: dumped,
                withdrawn: Vec::new(),
                from_rib: true,
            };
            said.push((self.peer, Body::Update(update)));
        }
    }

    /// Of a dump that is under way, and named for the first time. Without room for more, all of it
    /// counts as named for the first time.
    fn is_dump(&mut self, nlri: &Nlri, most: usize) -> bool {
        if !self.dumping[usize::from(!nlri.prefix.is_ipv4())] {
            return false;
        }
        let hash = FxBuildHasher.hash_one(nlri);
        if self.seen.len() >= most {
            return !self.seen.contains(&hash);
        }
        self.seen.insert(hash)
    }

    /// The table of a family was sent. The peer's is when those of all its families were.
    fn end(&mut self, family: Family, session: &Session, said: &mut Said) {
        let at = usize::from(family == Family::Ipv6);
        self.dumping[at] = false;
        self.ended[at] = true;
        let waits = |family: Family| {
            session.has(family) && !self.ended[usize::from(family == Family::Ipv6)]
        };
        if !self.told_end && !Family::ALL.into_iter().any(waits) {
            self.told_end = true;
            self.dumping = [false; 2];
            self.seen = FxHashSet::default();
            said.push((self.peer, Body::EndOfRib));
        }
    }
}

/// True when routes must be path identifiers in truth: those below 65536 begin with two octets that read as 0.0.0.0/0 or
/// ::/0 each, and nobody names a prefix twice.
fn has_path_ids(update: &Update) -> bool {
    let defaults = |list: &[Nlri], is_ipv4| {
        let prefixes = list.iter().map(|nlri| nlri.prefix);
        prefixes
            .filter(|prefix| prefix.is_ipv4() == is_ipv4 && prefix.length() == 0)
            .count()
    };
    [&update.announced, &update.withdrawn]
        .into_iter()
        .any(|list| defaults(list, true) > 1 || defaults(list, false) > 1)
}

/// What the peer said, and what the router says.
fn is_preferred(view: View) -> bool {
    matches!(view, View::AdjRibInPre | View::AdjRibOutPost | View::LocRib)
}

#[cfg(test)]
mod tests;
