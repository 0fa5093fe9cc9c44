//! What ends a connection to a cache, and how it is told.

use crate::rtr::{Code, Pdu, PduError, Serial, records::MAX_ENTRIES};

/// Of the PDU that a report is about, at most so many bytes go back.
const ABOUT: usize = 4_096;

/// What is wrong with what a cache says.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Fault {
    /// It does not speak our version. The next connection offers the lower one, and may be made at once.
    #[error("the cache does not speak version {offered}; version {lower} is tried next")]
    UnsupportedVersion {
        /// What we offered.
        offered: u8,
        /// What is offered next.
        lower: u8,
    },
    /// It reports an error.
    #[error("the cache reports error {code}: {text}")]
    Refused {
        /// As [`Code`], mostly.
        code: u16,
        /// In its words.
        text: String,
    },
    /// Bytes that are no PDU.
    #[error(transparent)]
    Malformed(#[from] PduError),
    /// A PDU where there should be another.
    #[error("{pdu} where {expected} was expected")]
    Unexpected {
        /// Its name.
        pdu: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A PDU in another version than the others.
    #[error("a PDU of version {version}, expected {agreed}")]
    OtherVersion {
        /// Its version.
        version: u8,
        /// What was agreed upon, or offered.
        agreed: u8,
    },
    /// The cache has begun anew.
    #[error("session {session}, expected {held}: the cache has begun anew")]
    OtherSession {
        /// The new one.
        session: u16,
        /// What we had.
        held: u16,
    },
    /// The changes lead back.
    #[error("changes up to serial {serial}, expected none before {held}")]
    OldSerial {
        /// Where they end.
        serial: Serial,
        /// Where they should begin.
        held: Serial,
    },
    /// Announced, and was there.
    #[error("{what} is announced and was there already")]
    Duplicate {
        /// Which record.
        what: String,
    },
    /// Withdrawn, and was not there.
    #[error("{what} is withdrawn and was not there")]
    Unknown {
        /// Which record.
        what: String,
    },
    /// More than anybody signs.
    #[error("more than {MAX_ENTRIES} records")]
    TooMany,
}

impl Fault {
    /// The report for the cache; `None` = none is due: a report is never answered by one.
    pub(super) fn report(&self, about: &[u8]) -> Option<Pdu> {
        let code = self.code()?;
        // Its second byte is the type. Whatever it is, it ends where it says.
        let length = about.get(4..8).and_then(|bytes| bytes.try_into().ok());
        let length = length.map_or(0, u32::from_be_bytes);
        let end = usize::try_from(length).unwrap_or(ABOUT).min(ABOUT);
        if about.get(1) == Some(&10) {
            return None;
        }
        Some(Pdu::ErrorReport {
            code: code as u16,
            about: about.get(..end).unwrap_or(about).to_vec(),
            text: self.to_string(),
        })
    }

    fn code(&self) -> Option<Code> {
        Some(match self {
            Self::UnsupportedVersion { .. } | Self::Refused { .. } => return None,
            Self::Malformed(error) => error.code(),
            Self::Unexpected { .. } | Self::OtherSession { .. } | Self::OldSerial { .. } => {
                Code::CorruptData
            }
            Self::OtherVersion { .. } => Code::UnexpectedVersion,
            Self::Duplicate { .. } => Code::DuplicateAnnouncement,
            Self::Unknown { .. } => Code::WithdrawalOfUnknown,
            Self::TooMany => Code::InternalError,
        })
    }

    /// A record, for people.
    pub(super) fn record(pdu: &Pdu) -> String {
        match pdu {
            Pdu::Prefix { vrp, .. } => {
                format!("{} up to {} for AS{}", vrp.prefix, vrp.max_length, vrp.asn)
            }
            Pdu::Aspa { customer, .. } => format!("the ASPA of AS{customer}"),
            other => other.to_string(),
        }
    }
}
