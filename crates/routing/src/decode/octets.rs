//! Octets read from the front, with what is missing named: for formats in network byte order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// There are fewer octets than a field wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at octet {at} wants {wanted} octets, {left} are left")]
pub struct CutShort {
    /// The field.
    pub what: &'static str,
    /// Where it begins, from 0 at the start of what is read.
    pub at: usize,
    /// How many it wants.
    pub wanted: usize,
    /// How many there are.
    pub left: usize,
}

impl From<CutShort> for String {
    /// For the reason of an error that has others too.
    fn from(error: CutShort) -> Self {
        error.to_string()
    }
}

/// What is left of some octets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Octets<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Octets<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self {
            rest: octets,
            at: 0,
        }
    }

    /// How many were read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads everything.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.at += self.rest.len();
        std::mem::take(&mut self.rest)
    }

    pub(crate) fn take(&mut self, what: &'static str, count: usize) -> Result<&'a [u8], CutShort> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                self.at += count;
                Ok(taken)
            }
            None => Err(CutShort {
                what,
                at: self.at,
                wanted: count,
                left: self.rest.len(),
            }),
        }
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], CutShort> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(what, N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, CutShort> {
        Ok(u8::from_be_bytes(self.array(what)?))
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, CutShort> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, CutShort> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, CutShort> {
        Ok(u64::from_be_bytes(self.array(what)?))
    }

    pub(crate) fn u128(&mut self, what: &'static str) -> Result<u128, CutShort> {
        Ok(u128::from_be_bytes(self.array(what)?))
    }

    pub(crate) fn ipv4(&mut self, what: &'static str) -> Result<Ipv4Addr, CutShort> {
        Ok(Ipv4Addr::from(self.array::<4>(what)?))
    }

    /// Of 16 octets; an IPv4 address stands in the last four (RFC 7854, 4.2).
    pub(crate) fn address(
        &mut self,
        what: &'static str,
        is_ipv6: bool,
    ) -> Result<IpAddr, CutShort> {
        let octets = self.array::<16>(what)?;
        Ok(if is_ipv6 {
            Ipv6Addr::from(octets).into()
        } else {
            Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]).into()
        })
    }
}
