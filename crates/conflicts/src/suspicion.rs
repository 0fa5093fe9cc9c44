//! How suspicious an incident is, from 0 to 100: where its type begins, and what raised or lowered it since. A sum
//! of points, so that people can follow it; `docs/rules.md` has the same table.

use crate::{
    incident::{EndReason, Incident, Severity, reason},
    rules,
};

/// Points of what is known of the route.
pub const FACTS: [(&str, i32); 4] = [
    (reason::RPKI_INVALID, 15),
    (reason::RPKI_ASN, 10),
    (reason::RPKI_AS0, 10),
    (reason::RPKI_LENGTH, -45),
];

/// Points of what excuses the suspect. The strongest counts, and only while every route has one: while the incident is
/// milder than it would be with a route that has none.
pub const EXCUSES: [(&str, i32); 16] = [
    (reason::TRANSIT_OF_VICTIM, -30),
    (reason::VICTIM_ON_PATH, -30),
    (reason::ANYCAST, -30),
    (reason::FLAPPING, -30),
    (reason::INSIDE_WHAT_STAYS, -30),
    (reason::DPS, -40),
    (reason::CUSTOMER_OF_VICTIM, -40),
    (reason::PROVIDER_OF_VICTIM, -40),
    (reason::NO_BASELINE, -40),
    (reason::PREVIOUSLY_SEEN, -40),
    (reason::VALID_COVERING, -40),
    (reason::BLACKHOLE, -50),
    (reason::WITHDRAWN_EVERYWHERE, -50),
    (reason::CUSTOMER, -60),
    (reason::RPKI_VALID, -60),
    (reason::SIBLING, -60),
];

/// Excuses of single routes; the others are of the incident.
const OF_A_ROUTE: [&str; 5] = [
    reason::VICTIM_ON_PATH,
    reason::PREVIOUSLY_SEEN,
    reason::VALID_COVERING,
    reason::BLACKHOLE,
    reason::CUSTOMER,
];

/// Excuses that anybody can have, by forging the tail of a path or by announcing a prefix that many announce: none
/// where ROAs forbid the route.
const FOR_ANYBODY: [&str; 5] = [
    reason::TRANSIT_OF_VICTIM,
    reason::VICTIM_ON_PATH,
    reason::CUSTOMER,
    reason::ANYCAST,
    reason::DPS,
];

/// What K peer ASNs at one time add.
pub const CONFIRMED: i32 = 10;
/// What a half or more of the vantage points adds.
pub const WIDELY_SEEN: i32 = 5;
/// What is taken while one peer ASN alone has carried it.
pub const ONE_PEER: i32 = -10;

/// Where a type of this base severity begins.
#[must_use]
pub fn beginning(severity: Severity) -> i32 {
    match severity {
        Severity::Info => 5,
        Severity::Low => 20,
        Severity::Medium => 45,
        Severity::High => 65,
        Severity::Critical => 80,
    }
}

impl Incident {
    /// How suspicious it is: 0 = harmless, 100 = without doubt. Follows from its other fields.
    #[must_use]
    pub fn suspicion(&self) -> u8 {
        if self.end_reason == Some(EndReason::Explained) {
            return 0;
        }
        let said = |(why, points): &(&str, i32)| self.reasons.contains(why).then_some(*points);
        let facts: i32 = FACTS.iter().filter_map(said).sum();
        let sum = beginning(rules::severity(self.kind)) + facts + self.excuse() + self.audience();
        u8::try_from(sum.clamp(0, 100)).unwrap_or_default()
    }

    fn excuse(&self) -> i32 {
        let is = |why| self.reasons.contains(&why);
        let base = rules::severity(self.kind);
        // Other reasons than excuses make a route, or the incident, milder too.
        let of_route = if is(reason::RPKI_LENGTH) {
            Severity::Low
        } else {
            base
        };
        let of_route = of_route.min(self.at_most());
        let holds = |why| {
            let without = if OF_A_ROUTE.contains(&why) {
                of_route
            } else {
                base
            };
            let forged = is(reason::RPKI_INVALID) && FOR_ANYBODY.contains(&why);
            is(why) && self.severity < without && !forged
        };
        let excuses = EXCUSES.iter().filter(|(why, _)| holds(why));
        excuses.map(|(_, points)| *points).min().unwrap_or_default()
    }

    /// By who carries it, and has carried it.
    fn audience(&self) -> i32 {
        let confirmed = self.confirmed_at_us.is_some();
        let widely_seen =
            self.visible_peers > 0 && self.visible_peers.saturating_mul(2) >= self.total_peers;
        let points = [
            (confirmed, CONFIRMED),
            (confirmed && widely_seen, WIDELY_SEEN),
            (self.peer_asns.len() <= 1, ONE_PEER),
        ];
        let held = points.iter().filter(|(holds, _)| *holds);
        held.map(|(_, points)| points).sum()
    }
}
