//! What the regional registries have given to nobody: their statistics files in the format `delegated-extended` (NRO
//! Extended Allocation and Assignment Reports; APNIC's "RIR statistics exchange format"). Nobody may announce it.
//!
//! Text form: fields between `|`, blanks around them passed over, as are empty lines and lines that begin with `#`. First
//! the version line `version|registry|serial|records|startdate|enddate|UTCoffset`, then summary lines
//! `registry|*|type|*|count|summary`, and records `registry|cc|type|start|value|date|status|opaque-id`, of which more
//! fields may follow. `value` counts addresses for `ipv4`, which need not be a power of two; it is the prefix length for
//! `ipv6`, and counts numbers for `asn`.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

use smallvec::SmallVec;

use crate::{Prefix, lists};

/// Most records of a file: some times what the greatest of them has.
pub const MAX_RECORDS: usize = 1 << 21;

/// A record of fewer bits than the greatest that IANA reserves is a slip.
const SHORTEST: u8 = 3;

const A_VERSION: &str = "the version line first, `version|registry|serial|records|startdate|enddate|UTCoffset` of version 2";
const A_SUMMARY: &str = "`registry|*|type|*|count|summary` with a type of ipv4, ipv6 or asn";
const A_RECORD: &str =
    "`registry|cc|type|start|value|date|status` with a type of ipv4, ipv6 or asn";
const A_STATUS: &str = "a status of allocated, assigned, available or reserved";
const A_V4: &str =
    "an IPv4 address, and a count of addresses that lie behind it, 536870912 at most";
const A_V6: &str = "an IPv6 address without host bits, and a prefix length from 3 to 128";
const A_NUMBER: &str = "an AS number, and a count of numbers that lie behind it";

/// Text that is no statistics file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelegatedError {
    /// A line with something else in it.
    #[error("line {line} \"{text}\": expected {expected}")]
    Line {
        /// From 1 on.
        line: usize,
        /// Its beginning.
        text: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// Fewer records than its summary says.
    #[error(
        "only {found} records of {kind}, and its summary line says {told}: expected a whole file"
    )]
    Cut {
        /// Of which type.
        kind: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        told: usize,
    },
    /// More than any registry has.
    #[error("line {line}: more than the {MAX_RECORDS} records that are read")]
    TooMany {
        /// The first line that is one too many.
        line: usize,
    },
    /// No version line.
    #[error("nothing in it: expected {A_VERSION}")]
    Empty,
}

/// What one file says that nobody has: `available` and `reserved`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delegated {
    /// The last day that it tells of, `YYYYMMDD`.
    pub date: String,
    /// Addresses, in the order of the file.
    pub prefixes: Vec<Prefix>,
    /// AS numbers, in the order of the file.
    pub asns: Vec<RangeInclusive<u32>>,
}

/// A type of record.
#[derive(Clone, Copy)]
enum Kind {
    V4,
    V6,
    Asn,
}

impl Kind {
    const NAMES: [&str; 3] = ["ipv4", "ipv6", "asn"];

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "ipv4" => Some(Self::V4),
            "ipv6" => Some(Self::V6),
            "asn" => Some(Self::Asn),
            _ => None,
        }
    }
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    read: Delegated,
    has_version: bool,
    /// Records by type, as the summary says and as there are.
    told: [usize; 3],
    found: [usize; 3],
}

impl Delegated {
    /// Reads a file.
    ///
    /// # Errors
    /// When a line is none of the format, or records are missing: nothing is read then.
    pub fn parse(text: &[u8]) -> Result<Self, DelegatedError> {
        let mut reader = Reader::default();
        for (line, of_line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let of_line = of_line.trim_ascii();
            if of_line.is_empty() || of_line.starts_with(b"#") {
                continue;
            }
            let done = reader.line(of_line);
            done.map_err(|expected| DelegatedError::Line {
                line,
                text: lists::quoted(of_line),
                expected,
            })?;
            if reader.found.iter().sum::<usize>() > MAX_RECORDS {
                return Err(DelegatedError::TooMany { line });
            }
        }
        reader.whole()
    }
}

impl Reader {
    /// Reads a line; an error says what was expected.
    fn line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let line = std::str::from_utf8(line).map_err(|_| A_RECORD)?;
        let fields: SmallVec<[&str; 8]> = line.split('|').map(str::trim).collect();
        if !self.has_version {
            self.read.date = version(&fields).ok_or(A_VERSION)?.to_owned();
            self.has_version = true;
            return Ok(());
        }
        match *fields {
            [_, "*", kind, _, count, "summary", ..] => {
                let kind = Kind::from_name(kind).ok_or(A_SUMMARY)?;
                let told = self.told.get_mut(kind as usize).ok_or(A_SUMMARY)?;
                *told = count.parse().map_err(|_| A_SUMMARY)?;
                Ok(())
            }
            [_, _, kind, start, value, _, status, ..] => {
                let kind = Kind::from_name(kind).ok_or(A_RECORD)?;
                let found = self.found.get_mut(kind as usize).ok_or(A_RECORD)?;
                *found += 1;
                match status {
                    "available" | "reserved" => self.keep(kind, start, value),
                    "allocated" | "assigned" => Ok(()),
                    _ => Err(A_STATUS),
                }
            }
            _ => Err(A_RECORD),
        }
    }

    fn keep(&mut self, kind: Kind, start: &str, value: &str) -> Result<(), &'static str> {
        match kind {
            Kind::V4 => self
                .read
                .prefixes
                .extend(addresses(start, value).ok_or(A_V4)?),
            Kind::V6 => self.read.prefixes.push(prefix(start, value).ok_or(A_V6)?),
            Kind::Asn => self.read.asns.push(numbers(start, value).ok_or(A_NUMBER)?),
        }
        Ok(())
    }

    /// All of it, when nothing is missing.
    fn whole(self) -> Result<Delegated, DelegatedError> {
        if !self.has_version {
            return Err(DelegatedError::Empty);
        }
        let counts = self.found.into_iter().zip(self.told);
        for (kind, (found, told)) in Kind::NAMES.into_iter().zip(counts) {
            if found < told {
                return Err(DelegatedError::Cut { kind, found, told });
            }
        }
        Ok(self.read)
    }
}

/// The last day that the file tells of.
fn version<'a>(fields: &[&'a str]) -> Option<&'a str> {
    let [version, _, _, _, _, date, _] = *fields else {
        return None;
    };
    let is_date = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
    (version.split('.').next() == Some("2") && is_date).then_some(date)
}

/// The fewest prefixes that hold just these addresses.
fn addresses(start: &str, count: &str) -> Option<SmallVec<[Prefix; 2]>> {
    let start: Ipv4Addr = start.parse().ok()?;
    let count: u32 = count.parse().ok()?;
    let mut at = u64::from(start.to_bits());
    let end = at + u64::from(count);
    if count == 0 || count > 1 << (32 - SHORTEST) || end > 1 << 32 {
        return None;
    }
    let mut prefixes = SmallVec::new();
    while at < end {
        let bits = at.trailing_zeros().min((end - at).ilog2());
        let address = Ipv4Addr::from_bits(u32::try_from(at).ok()?);
        let length = u8::try_from(32_u32.checked_sub(bits)?).ok()?;
        prefixes.push(Prefix::new(address.into(), length).ok()?);
        at += 1 << bits;
    }
    Some(prefixes)
}

fn prefix(start: &str, length: &str) -> Option<Prefix> {
    let start: Ipv6Addr = start.parse().ok()?;
    let prefix = Prefix::new(start.into(), length.parse().ok()?).ok()?;
    (prefix.length() >= SHORTEST && prefix.address() == start).then_some(prefix)
}

fn numbers(start: &str, count: &str) -> Option<RangeInclusive<u32>> {
    let start: u32 = start.parse().ok()?;
    let more = count.parse::<u32>().ok()?.checked_sub(1)?;
    Some(start..=start.checked_add(more)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const FILE: &str = "# made up\n2|registry|20261121|7|19830101|20261120|+0100\n\
        registry|*|asn|*|2|summary\nregistry|*|ipv4|*|3|summary\nregistry|*|ipv6|*|2|summary\n\n\
        registry|ZZ|asn|64496|4|20200101|reserved|\n\
        registry|DE|asn|64500|1|20200101|allocated|a-1|e-stats\n\
        registry||ipv4|198.51.100.0|768||available|\n\
        registry|ZZ|ipv4|198.18.0.1|6||reserved\n\
        registry|NL|ipv4|203.0.113.0|256|20200101|assigned|a-2\n\
        registry|  |ipv6| 2001:db8:: |32||available|\n\
        registry|NL|ipv6|3fff::|20|20200101|allocated|a-2\n";

    fn line(record: &str) -> Result<Delegated, DelegatedError> {
        Delegated::parse(format!("2|r|1|1|0|20261120|+0\n{record}").as_bytes())
    }

    #[test]
    fn what_nobody_has_is_read_and_the_rest_only_counted() {
        let read = Delegated::parse(FILE.as_bytes()).unwrap();
        let prefixes: Vec<_> = read.prefixes.iter().map(Prefix::to_string).collect();
        assert_eq!(
            prefixes,
            [
                "198.51.100.0/23",
                "198.51.102.0/24",
                "198.18.0.1/32",
                "198.18.0.2/31",
                "198.18.0.4/31",
                "198.18.0.6/32",
                "2001:db8::/32"
            ]
        );
        assert_eq!(read.asns, [64_496..=64_499]);
        assert_eq!(read.date, "20261120");
    }

    #[rstest]
    #[case::the_last_address("r||ipv4|255.255.255.255|1||reserved", true)]
    #[case::behind_the_last("r||ipv4|255.255.255.255|2||reserved", false)]
    #[case::no_address("r||ipv4|198.51.100.0|0||reserved", false)]
    #[case::an_eighth_of_all("r||ipv4|224.0.0.0|536870912||reserved", true)]
    #[case::more_than_that("r||ipv4|0.0.0.0|536870913||reserved", false)]
    #[case::a_prefix("r||ipv4|198.51.100.0/24|256||reserved", false)]
    #[case::host_bits("r||ipv6|2001:db8::1|32||reserved", false)]
    #[case::all_of_ipv6("r||ipv6|::|0||reserved", false)]
    #[case::too_long("r||ipv6|2001:db8::|129||reserved", false)]
    #[case::the_last_number("r||asn|4294967295|1||reserved", true)]
    #[case::behind_the_last_number("r||asn|4294967295|2||reserved", false)]
    #[case::no_number("r||asn|64496|0||reserved", false)]
    #[case::another_status("r||asn|64496|1||borrowed", false)]
    #[case::another_type("r||ipv5|64496|1||reserved", false)]
    #[case::too_few_fields("r||asn|64496|1|reserved", false)]
    #[case::a_summary_of_nothing("r|*|asn|*|many|summary", false)]
    fn a_record_is_whole_or_refused_with_its_line(#[case] record: &str, #[case] is_read: bool) {
        match line(record) {
            Ok(_) => assert!(is_read, "{record}"),
            Err(error) => {
                assert!(!is_read, "{error}");
                let told = error.to_string();
                assert!(told.starts_with("line 2 \"r|"), "{told}");
                assert!(told.contains("expected"), "{told}");
            }
        }
    }

    #[rstest]
    #[case::cut(&FILE[..FILE.len() - 50], "only 1 records of ipv6, and its summary line says 2")]
    #[case::in_the_midst(&FILE[..FILE.len() - 20], "line 13")]
    #[case::no_version(&FILE[56..], "expected the version line first")]
    #[case::another_version("3|r|1|1|0|20261120|+0", "line 1")]
    #[case::nothing("# only a remark\n", "nothing in it")]
    fn what_is_no_whole_file_is_refused_and_named(#[case] text: &str, #[case] why: &str) {
        let error = Delegated::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    proptest! {
        #[test]
        fn prefixes_hold_just_the_addresses_that_were_counted(start: u32, count in 1_u32..1 << 20) {
            let text = Ipv4Addr::from_bits(start).to_string();
            let end = u64::from(start) + u64::from(count);
            let found = addresses(&text, &count.to_string());
            prop_assert_eq!(found.is_some(), end <= 1 << 32);
            let mut at = u64::from(start);
            for prefix in found.unwrap_or_default() {
                let first = (prefix.bits() >> 96) as u64;
                prop_assert_eq!(first, at);
                at += 1 << (32 - prefix.length());
            }
            prop_assert!(at == end || end > 1 << 32);
        }
    }
}
