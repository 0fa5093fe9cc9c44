//! A message that is told, looked at once for all who may want it.

use super::{
    Kind,
    path::{Hops, hops},
};
use crate::update::{Body, Message, Update};

/// A message and what its record in the log says around it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Who heard it.
    pub collector: &'a str,
    /// With `collector` and `seq` the same for every reader of the log, and of no other message.
    pub writer_epoch: u64,
    /// See `writer_epoch`.
    pub seq: u64,
    /// Made up: said by `"synthetic": true`, a key of our own that clients pass over.
    pub synthetic: bool,
    /// What was said.
    pub message: &'a Message,
}

/// A record that RIS Live would tell, with what filters ask of it.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    pub(super) record: Record<'a>,
    pub(super) kind: Kind,
    /// Of an UPDATE that has attributes: only its frame has a path.
    pub(super) hops: Option<Hops<'a>>,
}

impl<'a> Told<'a> {
    /// Looks at a record; `None` when RIS Live does not tell such a message ([`Kind::of`]).
    #[must_use]
    pub fn of(record: Record<'a>) -> Option<Self> {
        let kind = Kind::of(record.message)?;
        let hops = match &record.message.body {
            Body::Update(Update { attributes, .. }) => {
                attributes.as_deref().map(|has| hops(&has.as_path))
            }
            _ => None,
        };
        Some(Self { record, kind, hops })
    }
}
