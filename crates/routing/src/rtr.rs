//! The RPKI-to-Router protocol: what a relying party's cache tells a router of VRPs and ASPAs, and then only what
//! changes. Version 0 (RFC 6810), 1 (RFC 8210) and 2, which adds ASPAs (draft-ietf-sidrops-8210bis).
//!
//! [`Frame`] is a PDU over bytes; [`Session`] is the router's side of a conversation: what is heard goes in, what to
//! do comes out. Neither has a socket or a clock. [`Records`] is what was told, which gives the same JSON as a
//! relying party's file.

mod pdu;
mod records;
mod serial;
mod session;

pub use pdu::{Code, Frame, MAX_PDU_BYTES, Pdu, PduError, Timers};
pub use records::Records;
pub use serial::Serial;
pub use session::{Fault, Session, Step};

/// Greatest version that we speak.
pub const MAX_VERSION: u8 = 2;

/// The first version with ASPAs.
pub(crate) const WITH_ASPAS: u8 = 2;
