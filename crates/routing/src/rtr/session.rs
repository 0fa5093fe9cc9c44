//! The router's side of a conversation with one cache, as a value: what is heard goes in, what to do comes out.
//!
//! The version is agreed upon downwards; a transfer changes nothing before its End of Data; whatever does not fit
//! ends the connection, with an error report, and the next one begins anew. What was told before is kept until the
//! next whole transfer takes its place, for whoever goes on by its age.

mod fault;

use std::mem;

use super::{
    Frame, MAX_VERSION, Pdu, PduError, Records, Serial, Timers, WITH_ASPAS,
    records::{Changes, Clash},
};

pub use fault::Fault;

/// A conversation with one cache, over as many connections as it takes.
#[derive(Debug, Default)]
pub struct Session {
    version: Version,
    /// Session of the cache, and the serial of `records` in it; `None` = everything is asked for next.
    at: Option<(u16, Serial)>,
    stage: Stage,
    records: Records,
    /// The version of the last whole transfer has ASPAs.
    has_aspas: bool,
    timers: Timers,
    /// The newest serial that a notify named, until it is asked for.
    notified: Option<Serial>,
}

/// What we speak.
#[derive(Debug)]
struct Version {
    number: u8,
    /// The cache has answered in it.
    agreed: bool,
    /// It was offered because the cache said nothing at all to a greater one.
    guessed: bool,
}

impl Default for Version {
    fn default() -> Self {
        Self {
            number: MAX_VERSION,
            agreed: false,
            guessed: false,
        }
    }
}

#[derive(Debug, Default)]
enum Stage {
    /// No connection.
    #[default]
    Away,
    /// Nothing is asked.
    Idle,
    /// A query is on its way, for everything or for what came after.
    Asked { full: bool },
    /// Between Cache Response and End of Data.
    Receiving { session: u16, changes: Changes },
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: read on.
    Wait,
    /// Send this.
    Ask(Frame),
    /// A transfer is whole, and [`Session::records`] are as of now.
    Loaded {
        /// They were told from nothing, not as changes.
        full: bool,
        /// They are others than before.
        changed: bool,
        /// Send this: there is more already.
        ask: Option<Frame>,
    },
    /// Send the report, if there is one, and close the connection.
    End {
        /// What to tell the cache.
        report: Option<Frame>,
        /// What is wrong.
        fault: Fault,
    },
}

impl Session {
    /// A connection was made: the first thing to send on it.
    pub fn connected(&mut self) -> Frame {
        self.notified = None;
        self.query()
    }

    /// The refresh interval is over: what to send, unless an answer is awaited already.
    pub fn refresh(&mut self) -> Option<Frame> {
        matches!(self.stage, Stage::Idle).then(|| self.query())
    }

    /// The connection is lost. True when another version may do: the cache never said a word in this one.
    pub fn lost(&mut self) -> bool {
        let unheard = matches!(mem::take(&mut self.stage), Stage::Asked { .. });
        if self.version.agreed && self.version.guessed {
            // It may have been away rather than old: the next connection finds out.
            self.at = None;
            self.version = Version::default();
            return false;
        }
        if self.version.agreed || !unheard {
            return false;
        }
        let lower = self.version.number.checked_sub(1);
        self.version.number = lower.unwrap_or(MAX_VERSION);
        self.version.guessed = lower.is_some();
        lower.is_some()
    }

    /// What the cache says.
    pub fn feed(&mut self, frame: &Frame) -> Step {
        match self.hear(frame) {
            Ok(step) => step,
            Err(fault) => {
                let mut about = Vec::new();
                frame.encode(&mut about);
                self.end(fault, &about)
            }
        }
    }

    /// The cache sent bytes that are no PDU; `about`: those, from where it begins.
    pub fn malformed(&mut self, error: PduError, about: &[u8]) -> Step {
        self.end(Fault::Malformed(error), about)
    }

    /// What was told, as of the last whole transfer, of this session or one before.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// True when the cache told ASPAs too, as of [`Self::records`]: else none say nothing.
    #[must_use]
    pub fn has_aspas(&self) -> bool {
        self.has_aspas
    }

    /// Version that is spoken, or tried.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version.number
    }

    /// When to ask again.
    #[must_use]
    pub fn timers(&self) -> Timers {
        self.timers
    }

    /// True while the cache owes an answer.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        matches!(self.stage, Stage::Asked { .. } | Stage::Receiving { .. })
    }

    fn query(&mut self) -> Frame {
        self.stage = Stage::Asked {
            full: self.at.is_none(),
        };
        self.frame(match self.at {
            Some((session, serial)) => Pdu::SerialQuery { session, serial },
            None => Pdu::ResetQuery,
        })
    }

    fn frame(&self, pdu: Pdu) -> Frame {
        Frame {
            version: self.version.number,
            pdu,
        }
    }

    fn hear(&mut self, frame: &Frame) -> Result<Step, Fault> {
        if let Pdu::ErrorReport { code, text, .. } = &frame.pdu {
            return Err(self.refused(frame.version, *code, text));
        }
        if !self.version.agreed && matches!(frame.pdu, Pdu::SerialNotify { .. }) {
            // It may come before the answer, in whatever version (RFC 8210, 7).
            return Ok(Step::Wait);
        }
        self.agree(frame.version)?;
        match &frame.pdu {
            Pdu::SerialNotify { session, serial } => self.notify(*session, *serial),
            Pdu::CacheResponse { session } => self.response(*session),
            Pdu::CacheReset if matches!(self.stage, Stage::Asked { full: false }) => {
                self.at = None;
                Ok(Step::Ask(self.query()))
            }
            Pdu::EndOfData {
                session,
                serial,
                timers,
            } => self.end_of_data(*session, *serial, *timers),
            Pdu::Prefix { .. } | Pdu::Aspa { .. } | Pdu::RouterKey => self.record(&frame.pdu),
            pdu => Err(Fault::Unexpected {
                pdu: pdu.to_string(),
                expected: self.expected(),
            }),
        }
    }

    /// What the cache may send now, for people.
    fn expected(&self) -> &'static str {
        match self.stage {
            Stage::Away => "nothing, without a query",
            Stage::Idle => "Serial Notify",
            Stage::Asked { full: true } => "Cache Response",
            Stage::Asked { full: false } => "Cache Response or Cache Reset",
            Stage::Receiving { .. } => "records or End of Data",
        }
    }

    fn agree(&mut self, version: u8) -> Result<(), Fault> {
        let Version { number, agreed, .. } = &mut self.version;
        // The first answer may be in a lower version than the query, which settles it (RFC 8210, 7).
        if version > *number || (*agreed && version < *number) {
            return Err(Fault::OtherVersion {
                version,
                agreed: *number,
            });
        }
        (*number, *agreed) = (version, true);
        Ok(())
    }

    fn refused(&self, version: u8, code: u16, text: &str) -> Fault {
        let offered = self.version.number;
        let lower = if version < offered {
            Some(version)
        } else {
            offered.checked_sub(1)
        };
        match lower {
            Some(lower) if code == super::Code::UnsupportedVersion as u16 => {
                Fault::UnsupportedVersion { offered, lower }
            }
            _ => Fault::Refused {
                code,
                text: text.to_owned(),
            },
        }
    }

    fn notify(&mut self, session: u16, serial: Serial) -> Result<Step, Fault> {
        let Some((held, at)) = self.at else {
            self.notified = Some(serial);
            return Ok(Step::Wait);
        };
        if session != held {
            return Err(Fault::OtherSession { session, held });
        }
        if !serial.is_after(at) {
            return Ok(Step::Wait);
        }
        if matches!(self.stage, Stage::Idle) {
            return Ok(Step::Ask(self.query()));
        }
        self.notified = Some(serial);
        Ok(Step::Wait)
    }

    fn response(&mut self, session: u16) -> Result<Step, Fault> {
        let Stage::Asked { full } = self.stage else {
            return Err(Fault::Unexpected {
                pdu: Pdu::CacheResponse { session }.to_string(),
                expected: self.expected(),
            });
        };
        if let Some((held, _)) = self.at
            && held != session
        {
            return Err(Fault::OtherSession { session, held });
        }
        let changes = Changes::new(full);
        self.stage = Stage::Receiving { session, changes };
        Ok(Step::Wait)
    }

    fn record(&mut self, pdu: &Pdu) -> Result<Step, Fault> {
        let expected = self.expected();
        let Stage::Receiving { changes, .. } = &mut self.stage else {
            let pdu = pdu.to_string();
            return Err(Fault::Unexpected { pdu, expected });
        };
        let taken = match pdu {
            Pdu::Prefix { announce, vrp } => changes.vrp(*vrp, *announce, &self.records),
            Pdu::Aspa {
                announce,
                customer,
                providers,
            } => {
                let providers = announce.then_some(&providers[..]);
                changes.aspa(*customer, providers, &self.records)
            }
            // Router keys: whoever feeds us counts them.
            _ => return Ok(Step::Wait),
        };
        let what = || Fault::record(pdu);
        match taken {
            Ok(()) => Ok(Step::Wait),
            Err(Clash::Duplicate) => Err(Fault::Duplicate { what: what() }),
            Err(Clash::Unknown) => Err(Fault::Unknown { what: what() }),
            Err(Clash::TooMany) => Err(Fault::TooMany),
        }
    }

    fn end_of_data(
        &mut self,
        session: u16,
        serial: Serial,
        timers: Option<Timers>,
    ) -> Result<Step, Fault> {
        let expected = self.expected();
        let Stage::Receiving {
            session: held,
            changes,
        } = mem::replace(&mut self.stage, Stage::Idle)
        else {
            return Err(Fault::Unexpected {
                pdu: "End of Data".to_owned(),
                expected,
            });
        };
        if session != held {
            return Err(Fault::OtherSession { session, held });
        }
        if let Some((_, held)) = self.at
            && serial != held
            && !serial.is_after(held)
        {
            return Err(Fault::OldSerial { serial, held });
        }
        let full = changes.is_full();
        let changed = self.records.apply(changes);
        self.has_aspas = self.version.number >= WITH_ASPAS;
        self.at = Some((session, serial));
        self.timers = timers.unwrap_or_default().within_bounds();
        let newer = self.notified.take().filter(|told| told.is_after(serial));
        Ok(Step::Loaded {
            full,
            changed,
            ask: newer.map(|_| self.query()),
        })
    }

    /// Nothing of this connection counts any more.
    fn end(&mut self, fault: Fault, about: &[u8]) -> Step {
        let report = fault.report(about).map(|pdu| self.frame(pdu));
        self.stage = Stage::Away;
        self.at = None;
        self.version = Version::default();
        if let Fault::UnsupportedVersion { lower, .. } = fault {
            self.version.number = lower;
        }
        Step::End { report, fault }
    }
}

#[cfg(test)]
mod tests;
