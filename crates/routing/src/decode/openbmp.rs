//! The header that OpenBMP puts before each BMP message of its topics `*.bmp_raw` (its message bus specification, 1.7).
//!
//! [`is_frame`] knows such a record by its first octets, [`decode`] reads the header and cuts the message out of the
//! record, for [`bmp::decode`](super::bmp::decode). What OpenBMP calls a collector is the machine that routers speak BMP
//! to. The collectors of RouteViews are routers to it: each has a router group of its own, which is called as it is.

use std::net::{IpAddr, Ipv6Addr};

use super::octets::{CutShort, Octets};

/// What a record begins with: `OBMP`.
const MAGIC: [u8; 4] = *b"OBMP";
/// The version whose fields are read here. A later minor one can only add some behind them.
const VERSION: (u8, u8) = (1, 7);
/// Flags: it is of a router; the router's address has 16 octets.
const ROUTER: u8 = 0x80;
const IPV6: u8 = 0x40;
/// The type of a message as the router sent it.
const BMP_RAW: u8 = 12;

/// A BMP message, and from whom it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// How the machine calls itself that the router speaks to; may be empty.
    pub admin_id: &'a str,
    /// The group that its settings have put the router in; empty or `default` when they say nothing.
    pub router_group: &'a str,
    /// From where the router speaks; unspecified when that was not known.
    pub router: IpAddr,
    /// When the machine received the message, microseconds; `None` when it does not say.
    pub time_us: Option<i64>,
    /// The message: all that stands behind the header.
    pub message: &'a [u8],
}

/// Why bytes are no BMP message in a header of OpenBMP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenBmpError {
    /// Something else.
    #[error("no OBMP at its beginning: want the header of an OpenBMP message")]
    Magic,
    /// A version with other fields.
    #[error("version {major}.{minor} of OpenBMP's header; want 1.7, or a later 1")]
    Version {
        /// The first number.
        major: u8,
        /// The second.
        minor: u8,
    },
    /// Parsed objects, or of the collector itself.
    #[error(
        "an OpenBMP message of type {kind} and flags {flags:#04x}; want type {BMP_RAW} of a router (flag 0x80)"
    )]
    Kind {
        /// Its type.
        kind: u8,
        /// Its flags.
        flags: u8,
    },
    /// A field does not fit into the header.
    #[error("OpenBMP's header is cut short: {0}")]
    CutShort(#[from] CutShort),
    /// A name is not UTF-8.
    #[error("the {what} of OpenBMP's header is no text")]
    Text {
        /// Which.
        what: &'static str,
    },
    /// One record has one message.
    #[error("OpenBMP's header counts {rows} messages; want 1")]
    Rows {
        /// What it counts.
        rows: u32,
    },
    /// The record has another length than its header claims.
    #[error("{left} octets stand behind OpenBMP's header, which claims {claimed}")]
    Length {
        /// What the header claims.
        claimed: u32,
        /// How many there are.
        left: usize,
    },
}

/// True when a record begins as OpenBMP's do. JSON cannot.
#[must_use]
pub fn is_frame(record: &[u8]) -> bool {
    record.starts_with(&MAGIC)
}

/// Reads the header of a whole record. Nothing is copied, and the message is not looked at.
///
/// # Errors
/// When it is not version 1.7 or a later 1, not one message of a router, or a length is wrong.
pub fn decode(record: &[u8]) -> Result<Frame<'_>, OpenBmpError> {
    if !is_frame(record) {
        return Err(OpenBmpError::Magic);
    }
    let mut start = Octets::new(record);
    start.take("magic number", MAGIC.len())?;
    let (major, minor) = (start.u8("major version")?, start.u8("minor version")?);
    if major != VERSION.0 || minor < VERSION.1 {
        return Err(OpenBmpError::Version { major, minor });
    }
    let length = usize::from(start.u16("header length")?);
    let claimed = start.u32("message length")?;
    let mut whole = Octets::new(record);
    let mut header = Octets::new(whole.take("header", length)?);
    header.take("lengths", start.at())?;
    let message = whole.rest();
    let frame = fields(&mut header, message)?;
    if usize::try_from(claimed) != Ok(message.len()) {
        let left = message.len();
        return Err(OpenBmpError::Length { claimed, left });
    }
    Ok(frame)
}

/// What stands behind the lengths.
fn fields<'a>(header: &mut Octets<'a>, message: &'a [u8]) -> Result<Frame<'a>, OpenBmpError> {
    let (flags, kind) = (header.u8("flags")?, header.u8("type")?);
    if kind != BMP_RAW || flags & ROUTER == 0 {
        return Err(OpenBmpError::Kind { kind, flags });
    }
    let seconds = header.u32("timestamp")?;
    let micros = header.u32("microseconds")?;
    header.take("collector hash", 16)?;
    let admin_id = text(header, "collector admin ID")?;
    header.take("router hash", 16)?;
    let router = address(header, flags & IPV6 != 0)?;
    let router_group = text(header, "router group")?;
    let rows = header.u32("row count")?;
    if rows != 1 {
        return Err(OpenBmpError::Rows { rows });
    }
    let time_us = i64::from(seconds) * weir_events::time::SECOND_US + i64::from(micros);
    Ok(Frame {
        admin_id,
        router_group,
        router,
        time_us: (seconds != 0).then_some(time_us),
        message,
    })
}

/// Of 16 octets; an IPv4 address stands in the first four, other than in BMP.
fn address(header: &mut Octets<'_>, is_ipv6: bool) -> Result<IpAddr, CutShort> {
    if is_ipv6 {
        return Ok(Ipv6Addr::from(header.u128("router address")?).into());
    }
    let address = header.ipv4("router address")?;
    header.take("padding of the router address", 12)?;
    Ok(address.into())
}

fn text<'a>(header: &mut Octets<'a>, what: &'static str) -> Result<&'a str, OpenBmpError> {
    let length = header.u16(what)?;
    let octets = header.take(what, length.into())?;
    std::str::from_utf8(octets).map_err(|_| OpenBmpError::Text { what })
}
