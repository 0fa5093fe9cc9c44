//! Reasons, as they stand in incidents.

/// No origin of the prefix was stable: nothing to compare with.
pub const NO_BASELINE: &str = "no-baseline";
/// The stable origin lost its last route while the incident was open.
pub const STABLE_ORIGIN_GONE: &str = "stable-origin-gone";
/// The victim stands on the path right before the suspect: a customer's part.
pub const CUSTOMER: &str = "customer-sub-allocation";
/// The victim stands on the path.
pub const VICTIM_ON_PATH: &str = "victim-on-path";
/// A host route with the community of RFC 7999.
pub const BLACKHOLE: &str = "blackhole";
/// A ROA allows the suspect to originate the prefix.
pub const RPKI_VALID: &str = "rpki-valid";
/// ROAs forbid the suspect to originate the prefix.
pub const RPKI_INVALID: &str = "rpki-invalid";
/// The VRPs are too old to say either.
pub const VRPS_STALE: &str = "vrps-stale";
/// ROAs name others.
pub const RPKI_ASN: &str = "roa-names-others";
/// A ROA names the origin, for shorter prefixes.
pub const RPKI_LENGTH: &str = "roa-allows-shorter";
/// A ROA of AS0: nobody may originate it.
pub const RPKI_AS0: &str = "roa-of-as0";
/// The origin has held the prefix for a day or more.
pub const PREVIOUSLY_SEEN: &str = "previously-seen";
/// The same origin announces the covering prefix, and may.
pub const VALID_COVERING: &str = "valid-covering-prefix";
/// One organisation holds the suspect and a victim.
pub const SIBLING: &str = "sibling-of-victim";
/// The suspect buys transit from a victim.
pub const CUSTOMER_OF_VICTIM: &str = "customer-of-victim";
/// The suspect sells transit to a victim.
pub const PROVIDER_OF_VICTIM: &str = "provider-of-victim";
/// The suspect stands right before the victim on paths to what it now originates, or to a part of that, which
/// peers of K ASNs have had for a while.
pub const TRANSIT_OF_VICTIM: &str = "transit-of-victim";
/// The prefix is on the list of those that are announced from many places at once.
pub const ANYCAST: &str = "anycast-prefix";
/// The suspect is on the list of DDoS protection services, which originate what others hold to scrub its traffic.
pub const DPS: &str = "ddos-protection";
/// Nobody says who sells transit to whom: the new neighbour may be an upstream like many.
pub const NO_RELATIONS: &str = "no-relations";
/// Many prefixes of one victim at once: a transfer, or a merger, more than anything else.
pub const MASS: &str = "mass";
/// The vantage point has said nothing for much longer than it ever did.
pub const SILENT: &str = "silent";
/// The vantage point says again what it has said.
pub const SAID_AGAIN: &str = "said-again";
/// The vantage point's clock is off.
pub const CLOCK_OFF: &str = "clock-off";
/// Too few carry it from its origin to confirm anything: most likely that withdrew it.
pub const WITHDRAWN_EVERYWHERE: &str = "withdrawn-everywhere";
/// A confirmed `flap` of the prefix was open.
pub const FLAPPING: &str = "flapping";
/// What was lost is a part of what its origin still holds: traffic goes there by the whole.
pub const INSIDE_WHAT_STAYS: &str = "inside-what-stays";
/// It has not lasted for long so far.
pub const BRIEF: &str = "brief";
/// Every reason, for reading them back.
pub const ALL: [&str; 28] = [
    NO_BASELINE,
    STABLE_ORIGIN_GONE,
    CUSTOMER,
    VICTIM_ON_PATH,
    BLACKHOLE,
    RPKI_VALID,
    RPKI_INVALID,
    VRPS_STALE,
    RPKI_ASN,
    RPKI_LENGTH,
    RPKI_AS0,
    PREVIOUSLY_SEEN,
    VALID_COVERING,
    SIBLING,
    CUSTOMER_OF_VICTIM,
    PROVIDER_OF_VICTIM,
    TRANSIT_OF_VICTIM,
    ANYCAST,
    DPS,
    NO_RELATIONS,
    MASS,
    SILENT,
    SAID_AGAIN,
    CLOCK_OFF,
    WITHDRAWN_EVERYWHERE,
    FLAPPING,
    INSIDE_WHAT_STAYS,
    BRIEF,
];
