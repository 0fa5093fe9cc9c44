//! PDUs as bytes: what a router says, and what a cache does, which tests and what plays one need.

use std::net::IpAddr;

use super::{Frame, Pdu, kind};
use crate::roa::Vrp;

/// Bytes of a router key whose key is nothing: an identifier of 20 bytes and an ASN.
const EMPTY_KEY: [u8; 24] = [0; 24];

impl Frame {
    /// Puts its bytes behind those of `to`. A router key loses its key, and a withdrawn ASPA its providers.
    pub fn encode(&self, to: &mut Vec<u8>) {
        let begin = to.len();
        to.extend([self.version, self.kind()]);
        to.extend(self.own());
        to.extend([0; 4]);
        self.body(to);
        // No PDU of ours comes near 4 GiB; one that did would be refused by its reader.
        let length = u32::try_from(to.len() - begin).unwrap_or(u32::MAX);
        if let Some(place) = to.get_mut(begin + 4..begin + 8) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    fn kind(&self) -> u8 {
        match &self.pdu {
            Pdu::SerialNotify { .. } => kind::SERIAL_NOTIFY,
            Pdu::SerialQuery { .. } => kind::SERIAL_QUERY,
            Pdu::ResetQuery => kind::RESET_QUERY,
            Pdu::CacheResponse { .. } => kind::CACHE_RESPONSE,
            Pdu::Prefix { vrp, .. } if vrp.prefix.is_ipv4() => kind::IPV4_PREFIX,
            Pdu::Prefix { .. } => kind::IPV6_PREFIX,
            Pdu::EndOfData { .. } => kind::END_OF_DATA,
            Pdu::CacheReset => kind::CACHE_RESET,
            Pdu::RouterKey => kind::ROUTER_KEY,
            Pdu::ErrorReport { .. } => kind::ERROR_REPORT,
            Pdu::Aspa { .. } => kind::ASPA,
        }
    }

    /// The two bytes of the header that are the type's own.
    fn own(&self) -> [u8; 2] {
        match &self.pdu {
            Pdu::SerialNotify { session, .. }
            | Pdu::SerialQuery { session, .. }
            | Pdu::CacheResponse { session }
            | Pdu::EndOfData { session, .. } => session.to_be_bytes(),
            Pdu::ErrorReport { code, .. } => code.to_be_bytes(),
            Pdu::Aspa { announce, .. } => [u8::from(*announce), 0],
            Pdu::ResetQuery | Pdu::Prefix { .. } | Pdu::CacheReset | Pdu::RouterKey => [0; 2],
        }
    }

    fn body(&self, to: &mut Vec<u8>) {
        match &self.pdu {
            Pdu::SerialNotify { serial, .. } | Pdu::SerialQuery { serial, .. } => {
                to.extend(serial.0.to_be_bytes());
            }
            Pdu::ResetQuery | Pdu::CacheResponse { .. } | Pdu::CacheReset => {}
            Pdu::Prefix { announce, vrp } => prefix(to, *announce, vrp),
            Pdu::EndOfData { serial, timers, .. } => {
                to.extend(serial.0.to_be_bytes());
                if self.version > 0 {
                    let timers = timers.unwrap_or_default();
                    for seconds in [timers.refresh, timers.retry, timers.expire] {
                        to.extend(seconds.to_be_bytes());
                    }
                }
            }
            Pdu::RouterKey => to.extend(EMPTY_KEY),
            Pdu::ErrorReport { about, text, .. } => {
                counted(to, about);
                counted(to, text.as_bytes());
            }
            Pdu::Aspa {
                announce,
                customer,
                providers,
            } => {
                to.extend(customer.0.to_be_bytes());
                for provider in providers.iter().filter(|_| *announce) {
                    to.extend(provider.0.to_be_bytes());
                }
            }
        }
    }
}

fn prefix(to: &mut Vec<u8>, announce: bool, vrp: &Vrp) {
    to.extend([u8::from(announce), vrp.prefix.length(), vrp.max_length, 0]);
    match vrp.prefix.address() {
        IpAddr::V4(address) => to.extend(address.octets()),
        IpAddr::V6(address) => to.extend(address.octets()),
    }
    to.extend(vrp.asn.0.to_be_bytes());
}

fn counted(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend(bytes);
}
