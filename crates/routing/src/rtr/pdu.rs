//! PDUs as checked values (RFC 8210, 5; the ASPA PDU of draft-ietf-sidrops-8210bis, 5.12).
//!
//! All numbers are big-endian. Each begins with version, type, two bytes of its own and its whole length in bytes.

mod encode;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{Serial, WITH_ASPAS};
use crate::{Asn, Prefix, roa::Vrp};

/// Greatest PDU, in bytes: an ASPA of 65,535 providers.
pub const MAX_PDU_BYTES: usize = 12 + 4 * 65_535;

/// Bytes that every PDU begins with.
const HEADER: usize = 8;

/// A PDU and the version that it is written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Version, at most [`super::MAX_VERSION`].
    pub version: u8,
    /// What it says.
    pub pdu: Pdu,
}

/// What one side says to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pdu {
    /// Cache: there is something new.
    SerialNotify {
        /// Session of the cache.
        session: u16,
        /// The newest serial.
        serial: Serial,
    },
    /// Router: what came after `serial`?
    SerialQuery {
        /// Session that the serial is of.
        session: u16,
        /// What the router has.
        serial: Serial,
    },
    /// Router: everything, please.
    ResetQuery,
    /// Cache: here it begins.
    CacheResponse {
        /// Session of the cache.
        session: u16,
    },
    /// Cache: a VRP, for IPv4 or IPv6.
    Prefix {
        /// It holds from now on; else it holds no more.
        announce: bool,
        /// Which.
        vrp: Vrp,
    },
    /// Cache: that was all of it, up to `serial`.
    EndOfData {
        /// Session of the cache.
        session: u16,
        /// What the router has now.
        serial: Serial,
        /// When to ask again; version 0 does not say.
        timers: Option<Timers>,
    },
    /// Cache: it cannot tell what came after; ask for everything.
    CacheReset,
    /// Cache: a router's key for BGPsec, which we do not use.
    RouterKey,
    /// Either: something is wrong, and the connection ends, but for "no data available".
    ErrorReport {
        /// As [`Code`]; others may come.
        code: u16,
        /// The PDU that it is about, or its beginning, or nothing.
        about: Vec<u8>,
        /// In words.
        text: String,
    },
    /// Cache: whom a network buys transit from. Replaces what was said of it before.
    Aspa {
        /// It holds from now on; else it holds no more, and there are no providers.
        announce: bool,
        /// Who says so.
        customer: Asn,
        /// Ascending, each once.
        providers: Vec<Asn>,
    },
}

/// When to ask again, in seconds (RFC 8210, 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Without a notify, ask again after so long: 1 to 86,400.
    pub refresh: u32,
    /// After a failure, try again after so long: 1 to 7,200.
    pub retry: u32,
    /// Without an answer for so long, the data is too old: 600 to 172,800, and above the other two.
    pub expire: u32,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            refresh: 3_600,
            retry: 600,
            expire: 7_200,
        }
    }
}

impl Timers {
    /// The nearest that the RFC allows.
    #[must_use]
    pub fn within_bounds(self) -> Self {
        let refresh = self.refresh.clamp(1, 86_400);
        let retry = self.retry.clamp(1, 7_200);
        let least = refresh.max(retry).saturating_add(1).max(600);
        Self {
            refresh,
            retry,
            expire: self.expire.clamp(least, 172_800),
        }
    }
}

/// Numbers of error reports (RFC 8210, 12; 9: draft-ietf-sidrops-8210bis).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Code {
    /// A PDU makes no sense, or none where it stands.
    CorruptData = 0,
    /// It is us.
    InternalError = 1,
    /// The cache has nothing yet.
    NoDataAvailable = 2,
    /// Nothing that one asks.
    InvalidRequest = 3,
    /// Another version, please.
    UnsupportedVersion = 4,
    /// There is no such PDU in this version.
    UnsupportedType = 5,
    /// What is withdrawn was not there.
    WithdrawalOfUnknown = 6,
    /// What is announced was there.
    DuplicateAnnouncement = 7,
    /// Not the version that was agreed upon.
    UnexpectedVersion = 8,
    /// An ASPA that nobody can use.
    AspaProviderList = 9,
}

/// Bytes that are no PDU.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PduError {
    /// A version that we do not speak.
    #[error(
        "version {version} is above {}, the greatest that is known",
        super::MAX_VERSION
    )]
    Version {
        /// What was read.
        version: u8,
    },
    /// There is none of this type in this version.
    #[error("version {version} has no PDU of type {kind}")]
    Type {
        /// Version of the PDU.
        version: u8,
        /// Its type.
        kind: u8,
    },
    /// It is longer or shorter than its type allows.
    #[error("a PDU of type {kind} has {length} bytes, expected {expected}")]
    Length {
        /// Its type.
        kind: u8,
        /// What its header says.
        length: u32,
        /// What its type allows.
        expected: &'static str,
    },
    /// A VRP that cannot be.
    #[error(
        "{address}/{length} up to {max_length} for AS{asn}: expected length <= greatest length <= bits of the address"
    )]
    Prefix {
        /// Its address.
        address: IpAddr,
        /// Its length.
        length: u8,
        /// Its greatest length.
        max_length: u8,
        /// Whom it names.
        asn: Asn,
    },
    /// An ASPA without providers.
    #[error("the ASPA of AS{customer} names no provider, expected at least AS0")]
    NoProviders {
        /// Whose.
        customer: Asn,
    },
}

impl PduError {
    /// What an error report calls it.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Version { .. } => Code::UnsupportedVersion,
            Self::Type { .. } => Code::UnsupportedType,
            Self::Length { .. } | Self::Prefix { .. } => Code::CorruptData,
            Self::NoProviders { .. } => Code::AspaProviderList,
        }
    }
}

impl Frame {
    /// The PDU that `bytes` begin with, and how many bytes it takes; `None` = it is not whole yet. What is wrong with
    /// its header is told as soon as that is there, so that nobody waits for more than [`MAX_PDU_BYTES`].
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, PduError> {
        let Some((&[version, kind, high, low, a, b, c, d], _)) =
            bytes.split_first_chunk::<HEADER>()
        else {
            return Ok(None);
        };
        if version > super::MAX_VERSION {
            return Err(PduError::Version { version });
        }
        let length = u32::from_be_bytes([a, b, c, d]);
        let expected = expected(version, kind)?;
        let whole = usize::try_from(length).unwrap_or(usize::MAX);
        let wrong = || PduError::Length {
            kind,
            length,
            expected: expected.text,
        };
        if whole > MAX_PDU_BYTES || !expected.allows(whole) {
            return Err(wrong());
        }
        let Some(body) = bytes.get(HEADER..whole) else {
            return Ok(None);
        };
        let own = u16::from_be_bytes([high, low]);
        let pdu = body_of(kind, own, body).ok_or_else(wrong)??;
        Ok(Some((Self { version, pdu }, whole)))
    }
}

/// Lengths that a type allows, in bytes.
struct Expected {
    least: usize,
    /// 0 = just that one; else any with so many bytes more, again and again.
    step: usize,
    text: &'static str,
}

impl Expected {
    fn allows(&self, length: usize) -> bool {
        match length.checked_sub(self.least) {
            Some(0) => true,
            Some(more) => self.step > 0 && more.is_multiple_of(self.step),
            None => false,
        }
    }
}

fn expected(version: u8, kind: u8) -> Result<Expected, PduError> {
    let (least, step, text) = match kind {
        kind::SERIAL_NOTIFY | kind::SERIAL_QUERY => (12, 0, "12"),
        kind::RESET_QUERY | kind::CACHE_RESPONSE | kind::CACHE_RESET => (8, 0, "8"),
        kind::IPV4_PREFIX => (20, 0, "20"),
        kind::IPV6_PREFIX => (32, 0, "32"),
        kind::END_OF_DATA if version == 0 => (12, 0, "12"),
        kind::END_OF_DATA => (24, 0, "24"),
        kind::ROUTER_KEY if version > 0 => (32, 1, "32 or more, up to the limit"),
        kind::ERROR_REPORT => (16, 1, "16 or more, as what is in it says, up to the limit"),
        kind::ASPA if version >= WITH_ASPAS => (12, 4, "12 and 4 for each provider, up to 65,535"),
        kind => return Err(PduError::Type { version, kind }),
    };
    Ok(Expected { least, step, text })
}

/// Numbers of the types.
mod kind {
    pub(super) const SERIAL_NOTIFY: u8 = 0;
    pub(super) const SERIAL_QUERY: u8 = 1;
    pub(super) const RESET_QUERY: u8 = 2;
    pub(super) const CACHE_RESPONSE: u8 = 3;
    pub(super) const IPV4_PREFIX: u8 = 4;
    pub(super) const IPV6_PREFIX: u8 = 6;
    pub(super) const END_OF_DATA: u8 = 7;
    pub(super) const CACHE_RESET: u8 = 8;
    pub(super) const ROUTER_KEY: u8 = 9;
    pub(super) const ERROR_REPORT: u8 = 10;
    pub(super) const ASPA: u8 = 11;
}

/// `own`: the two bytes of the header whose meaning is the type's. `None` = a length does not add up.
fn body_of(kind: u8, own: u16, body: &[u8]) -> Option<Result<Pdu, PduError>> {
    let mut body = Body(body);
    // Of the two bytes, ASPAs have their flags in the first.
    let [flags, _] = own.to_be_bytes();
    let pdu = match kind {
        kind::SERIAL_NOTIFY => Pdu::SerialNotify {
            session: own,
            serial: Serial(body.u32()?),
        },
        kind::SERIAL_QUERY => Pdu::SerialQuery {
            session: own,
            serial: Serial(body.u32()?),
        },
        kind::RESET_QUERY => Pdu::ResetQuery,
        kind::CACHE_RESPONSE => Pdu::CacheResponse { session: own },
        kind::IPV4_PREFIX => return prefix(body, |body| Some(Ipv4Addr::from(body.take()?).into())),
        kind::IPV6_PREFIX => return prefix(body, |body| Some(Ipv6Addr::from(body.take()?).into())),
        kind::END_OF_DATA => Pdu::EndOfData {
            session: own,
            serial: Serial(body.u32()?),
            timers: body.timers(),
        },
        kind::CACHE_RESET => Pdu::CacheReset,
        kind::ROUTER_KEY => Pdu::RouterKey,
        kind::ERROR_REPORT => Pdu::ErrorReport {
            code: own,
            about: body.counted()?.to_vec(),
            // Some end it with a zero, as C does.
            text: String::from_utf8_lossy(body.counted()?)
                .trim_end_matches('\0')
                .to_owned(),
        },
        _ => return aspa(flags, body),
    };
    Some(Ok(pdu))
}

fn prefix(
    mut body: Body<'_>,
    address: impl FnOnce(&mut Body<'_>) -> Option<IpAddr>,
) -> Option<Result<Pdu, PduError>> {
    let [flags, length, max_length, _] = body.take()?;
    let address = address(&mut body)?;
    let asn = Asn(body.u32()?);
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let checked = Prefix::new(address, length)
        .ok()
        .filter(|_| (length..=bits).contains(&max_length));
    let vrp = checked.map(|prefix| Vrp {
        prefix,
        max_length,
        asn,
    });
    Some(match vrp {
        Some(vrp) => Ok(Pdu::Prefix {
            announce: is_announced(flags),
            vrp,
        }),
        None => Err(PduError::Prefix {
            address,
            length,
            max_length,
            asn,
        }),
    })
}

fn aspa(flags: u8, mut body: Body<'_>) -> Option<Result<Pdu, PduError>> {
    let customer = Asn(body.u32()?);
    let announce = is_announced(flags);
    let mut providers = Vec::new();
    if announce {
        while let Some(provider) = body.u32() {
            providers.push(Asn(provider));
        }
        providers.sort_unstable();
        providers.dedup();
        if providers.is_empty() {
            return Some(Err(PduError::NoProviders { customer }));
        }
    }
    Some(Ok(Pdu::Aspa {
        announce,
        customer,
        providers,
    }))
}

fn is_announced(flags: u8) -> bool {
    flags & 1 == 1
}

/// What is left of a PDU.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    /// Bytes with their count before them.
    fn counted(&mut self) -> Option<&'a [u8]> {
        let count = usize::try_from(self.u32()?).ok()?;
        let (counted, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(counted)
    }

    fn timers(&mut self) -> Option<Timers> {
        Some(Timers {
            refresh: self.u32()?,
            retry: self.u32()?,
            expire: self.u32()?,
        })
    }
}

impl fmt::Display for Pdu {
    /// Its name in the RFCs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SerialNotify { .. } => "Serial Notify",
            Self::SerialQuery { .. } => "Serial Query",
            Self::ResetQuery => "Reset Query",
            Self::CacheResponse { .. } => "Cache Response",
            Self::Prefix { vrp, .. } if vrp.prefix.is_ipv4() => "IPv4 Prefix",
            Self::Prefix { .. } => "IPv6 Prefix",
            Self::EndOfData { .. } => "End of Data",
            Self::CacheReset => "Cache Reset",
            Self::RouterKey => "Router Key",
            Self::ErrorReport { .. } => "Error Report",
            Self::Aspa { .. } => "ASPA",
        })
    }
}

#[cfg(test)]
mod tests;
