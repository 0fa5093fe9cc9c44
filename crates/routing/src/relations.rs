//! Who buys transit from whom: the relations between neighbouring networks, as inferred from paths (Gao 2001;
//! CAIDA's AS-relationships dataset).
//!
//! Text form: a line `left|right|type` per pair, fields behind the third passed over, lines that begin with `#`
//! too. Types as CAIDA's serial-1 and serial-2 have them, and older lists: -1 = `right` is a customer of `left`,
//! 0 = peers, 1 = `right` is a provider of `left`, 2 or 3 = siblings.

use rustc_hash::FxHashMap;

use crate::Asn;

/// What a neighbour is to a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// It sells transit to it.
    Provider,
    /// It buys transit from it.
    Customer,
    /// They exchange what is their own and their customers'.
    Peer,
    /// Both belong to one organisation: anything goes.
    Sibling,
}

impl Relation {
    /// What the network is to its neighbour.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Provider => Self::Customer,
            Self::Customer => Self::Provider,
            same => same,
        }
    }
}

/// Text that is no list of relations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelationsError {
    /// A line with something else in it.
    #[error(
        "line {line} \"{text}\" is no relation: expected `left|right|type` with two AS numbers and a type of -1, 0, 1, 2 or 3"
    )]
    Line {
        /// From 1 on.
        line: usize,
        /// Its beginning.
        text: String,
    },
    /// Not one relation in it.
    #[error("no relation in it: expected lines of `left|right|type`")]
    Empty,
}

/// Relations by pair of networks. Immutable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relations {
    // What the greater one is to the lesser; `None` where the list contradicts itself.
    of_pair: FxHashMap<(Asn, Asn), Option<Relation>>,
    customers: FxHashMap<Asn, u32>,
}

impl Relations {
    /// Reads a list.
    ///
    /// # Errors
    /// When a line is no relation: nothing is read then.
    pub fn parse(text: &[u8]) -> Result<Self, RelationsError> {
        let mut relations = Self::default();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let (left, right, relation) = fields(line).ok_or_else(|| RelationsError::Line {
                line: number,
                text: String::from_utf8_lossy(line).chars().take(40).collect(),
            })?;
            relations.add(left, right, relation);
        }
        if relations.is_empty() {
            return Err(RelationsError::Empty);
        }
        relations.count_customers();
        Ok(relations)
    }

    fn count_customers(&mut self) {
        for ((asn, neighbour), relation) in &self.of_pair {
            let seller = match relation {
                Some(Relation::Customer) => *asn,
                Some(Relation::Provider) => *neighbour,
                _ => continue,
            };
            *self.customers.entry(seller).or_default() += 1;
        }
    }

    /// How many networks buy transit from this one.
    #[must_use]
    pub fn customers(&self, asn: Asn) -> u32 {
        self.customers.get(&asn).copied().unwrap_or_default()
    }

    /// `relation` is what `right` is to `left`.
    fn add(&mut self, left: Asn, right: Asn, relation: Relation) {
        let (pair, relation) = ordered(left, right, relation);
        let known = self.of_pair.entry(pair).or_insert(Some(relation));
        if *known != Some(relation) {
            *known = None;
        }
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.of_pair.len()
    }

    /// True when nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of_pair.is_empty()
    }

    /// What `neighbour` is to `asn`; `None` = nobody knows, or the list contradicts itself.
    #[must_use]
    pub fn of(&self, asn: Asn, neighbour: Asn) -> Option<Relation> {
        let (pair, _) = ordered(asn, neighbour, Relation::Peer);
        let relation = (*self.of_pair.get(&pair)?)?;
        Some(if pair.0 == asn {
            relation
        } else {
            relation.reversed()
        })
    }

    /// Who passed on a route against the relations (RFC 7908, types 1 to 4): of `hops`, from the nearest to the
    /// origin, the network nearest to the origin that had the route from a provider or a peer and gave it to a
    /// provider or a peer. Prepends count once; a link that nobody knows decides nothing; `are_siblings` knows of
    /// more siblings than the list.
    pub fn leaker(
        &self,
        hops: impl DoubleEndedIterator<Item = Asn>,
        are_siblings: impl Fn(Asn, Asn) -> bool,
    ) -> Option<Asn> {
        let relation = |asn, neighbour| {
            if are_siblings(asn, neighbour) {
                return Some(Relation::Sibling);
            }
            self.of(asn, neighbour)
        };
        let mut hops = hops.rev();
        let mut at = hops.next()?;
        // What the one that gave the route to `at` is to it.
        let mut source: Option<Relation> = None;
        for next in hops {
            if next == at {
                continue;
            }
            let given_to = relation(at, next);
            let upward =
                |of: Option<Relation>| matches!(of, Some(Relation::Provider | Relation::Peer));
            if upward(source) && upward(given_to) {
                return Some(at);
            }
            source = match relation(next, at) {
                // Within one organisation the route is where it was.
                Some(Relation::Sibling) => source,
                other => other,
            };
            at = next;
        }
        None
    }

    /// Who passed on a route that was for customers only (OTC, RFC 9234, 5): from `marked_by`, the network that said
    /// so, it goes down; who gave it to a provider, or, having got it, to a peer, leaked it. `hops` and
    /// `are_siblings` as in [`leaker`](Self::leaker). Who is not on the path may be a route server: that decides
    /// nothing.
    pub fn leaker_of_marked(
        &self,
        hops: impl DoubleEndedIterator<Item = Asn>,
        marked_by: Asn,
        are_siblings: impl Fn(Asn, Asn) -> bool,
    ) -> Option<Asn> {
        let mut hops = hops.rev().skip_while(|hop| *hop != marked_by);
        let mut at = hops.next()?;
        // The mark is set for peers, too, by whichever network of the organisation has the session.
        let mut is_marker = true;
        for next in hops {
            if next == at {
                continue;
            }
            let relation = self.of(at, next);
            let is_sibling = relation == Some(Relation::Sibling) || are_siblings(at, next);
            match relation {
                _ if is_sibling => {}
                Some(Relation::Provider) => return Some(at),
                Some(Relation::Peer) if !is_marker => return Some(at),
                _ => {}
            }
            is_marker &= is_sibling;
            at = next;
        }
        None
    }
}

fn ordered(left: Asn, right: Asn, relation: Relation) -> ((Asn, Asn), Relation) {
    if left <= right {
        ((left, right), relation)
    } else {
        ((right, left), relation.reversed())
    }
}

fn fields(line: &[u8]) -> Option<(Asn, Asn, Relation)> {
    let line = std::str::from_utf8(line).ok()?;
    let mut fields = line.split('|').map(str::trim);
    let mut asn = || fields.next()?.parse().ok().map(Asn);
    let (left, right) = (asn()?, asn()?);
    let relation = match fields.next()? {
        "-1" => Relation::Customer,
        "0" => Relation::Peer,
        "1" => Relation::Provider,
        "2" | "3" => Relation::Sibling,
        _ => return None,
    };
    Some((left, right, relation))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// 64500 and 64501 are peers at the top, each with a customer, 64510 and 64511; 64520 buys from both of these;
    /// 64530 is a sibling of 64510.
    const WORLD: &str = "# a world\n64500|64501|0\n64500|64510|-1\n64511|64501|1|bgp\n64510|64520|-1\n\
                         64511|64520|-1\n64530|64510|3\n64500|64530|-1\n";

    fn world() -> Relations {
        Relations::parse(WORLD.as_bytes()).unwrap()
    }

    #[rstest]
    #[case(64_500, 64_501, Some(Relation::Peer))]
    #[case(64_501, 64_500, Some(Relation::Peer))]
    #[case(64_500, 64_510, Some(Relation::Customer))]
    #[case(64_510, 64_500, Some(Relation::Provider))]
    #[case(64_511, 64_501, Some(Relation::Provider))]
    #[case(64_510, 64_530, Some(Relation::Sibling))]
    #[case(64_500, 64_520, None)]
    fn a_relation_is_read_from_either_side(
        #[case] asn: u32,
        #[case] neighbour: u32,
        #[case] relation: Option<Relation>,
    ) {
        assert_eq!(world().of(Asn(asn), Asn(neighbour)), relation);
    }

    #[rstest]
    #[case::up_over_and_down("64511 64501 64500 64510 64520", None)]
    #[case::down_only("64500 64510 64520", None)]
    #[case::from_one_provider_to_the_other("64501 64511 64520 64510 64500", Some(64_520))]
    #[case::which_prepends("64501 64511 64520 64520 64520 64510 64500", Some(64_520))]
    #[case::from_a_peer_to_a_provider("64520 64511 64501 64500", None)]
    #[case::over_an_unknown_link("64501 64599 64520 64510 64500", None)]
    #[case::out_of_an_unknown_link("64511 64520 64599", None)]
    #[case::from_a_provider_over_a_sibling("64500 64530 64510 64520", None)]
    #[case::nobody("64500", None)]
    #[case::nothing("", None)]
    fn who_passes_on_a_route_against_the_relations_is_named(
        #[case] path: &str,
        #[case] leaker: Option<u32>,
    ) {
        let hops: Vec<Asn> = path
            .split_whitespace()
            .map(|asn| Asn(asn.parse().unwrap()))
            .collect();
        assert_eq!(
            world().leaker(hops.into_iter(), |_, _| false),
            leaker.map(Asn)
        );
    }

    #[rstest]
    #[case::down_only("64520 64510 64500", 64_500, None)]
    #[case::to_a_peer_and_down("64511 64501 64500", 64_500, None)]
    #[case::from_the_customer_up("64501 64511 64520 64510 64500", 64_510, Some(64_520))]
    #[case::which_prepends("64501 64511 64511 64520 64520 64510", 64_510, Some(64_520))]
    #[case::though_nobody_knows_whence("64501 64511 64599 64510 64500", 64_510, Some(64_511))]
    #[case::from_a_peer_to_a_peer("64500 64501 64511", 64_511, Some(64_511))]
    #[case::past_a_peer("64500 64501 64599", 64_599, Some(64_501))]
    #[case::within_one_organisation("64500 64530 64510 64520", 64_500, None)]
    #[case::up_from_a_sibling_of_who_marked_it("64500 64530 64510", 64_510, Some(64_530))]
    #[case::marked_by_nobody_on_the_path("64501 64511 64520 64510 64500", 64_599, None)]
    #[case::marked_by_the_last("64501 64511", 64_501, None)]
    fn who_passes_on_what_was_for_customers_only_is_named(
        #[case] path: &str,
        #[case] marked_by: u32,
        #[case] leaker: Option<u32>,
    ) {
        let hops: Vec<Asn> = path
            .split_whitespace()
            .map(|asn| Asn(asn.parse().unwrap()))
            .collect();
        let found = world().leaker_of_marked(hops.into_iter(), Asn(marked_by), |_, _| false);
        assert_eq!(found, leaker.map(Asn));
    }

    #[test]
    fn who_passes_a_route_on_to_a_sibling_leaks_nothing() {
        let hops = || {
            [64_501, 64_511, 64_520, 64_510, 64_500]
                .map(Asn)
                .into_iter()
        };
        let siblings =
            |one: Asn, other: Asn| one.0.min(other.0) == 64_511 && one.0.max(other.0) == 64_520;
        assert_eq!(world().leaker(hops(), |_, _| false), Some(Asn(64_520)));
        assert_eq!(world().leaker(hops(), siblings), Some(Asn(64_511)));
    }

    #[test]
    fn a_list_that_contradicts_itself_says_nothing_of_the_pair() {
        let relations = Relations::parse(b"1|2|-1\n2|1|-1\n3|1|-1\n1|3|1\n").unwrap();
        assert_eq!(relations.of(Asn(1), Asn(2)), None);
        assert_eq!(relations.of(Asn(1), Asn(3)), Some(Relation::Provider));
    }

    #[rstest]
    #[case::cut("1|2|-1\n3|4", "line 2 \"3|4\"")]
    #[case::no_number("1|x|0", "line 1")]
    #[case::no_type("1|2|7", "line 1")]
    #[case::nothing("# only a remark\n", "no relation in it")]
    fn what_is_no_list_is_refused_and_named(#[case] text: &str, #[case] why: &str) {
        let error = Relations::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
