//! Fields of JSON messages read straight into our values, without text or trees in between.
//! What does not fit is an error of the reader, which knows line and column.

use std::{borrow::Cow, fmt, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Unexpected, Visitor},
};

use crate::{
    as_path::{AsPath, Segment},
    asn::Asn,
    communities::Community,
    prefix::Prefix,
    update::{Aggregator, Nlri, RouteOrigin},
};

/// A string, borrowed unless it holds escapes. (Inside an `Option`, serde's own `Cow` is always
/// owned.)
#[derive(Default)]
pub(in crate::decode) struct Text<'a>(pub(in crate::decode) Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }
        input.deserialize_str(TextVisitor)
    }
}

/// `[64496, 100]`.
pub(in crate::decode) struct Pair(pub(in crate::decode) Community);

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        <(u16, u16)>::deserialize(input).map(|(asn, value)| Self(Community::new(asn, value)))
    }
}

struct AsnText(Asn);

impl<'de> Deserialize<'de> for AsnText {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = AsnText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an AS number, as number or string")
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<AsnText, E> {
                u32::try_from(number)
                    .map(|number| AsnText(Asn(number)))
                    .map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<AsnText, E> {
                text.parse()
                    .map(AsnText)
                    .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        input.deserialize_any(Text)
    }
}

/// `64496` or `"64496"`.
pub(in crate::decode) fn asn<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Asn>, D::Error> {
    Ok(Option::<AsnText>::deserialize(input)?.map(|text| text.0))
}

/// One hop: an ASN, or the list of a set.
enum Hop {
    As(Asn),
    Set(Vec<Asn>),
}

impl<'de> Deserialize<'de> for Hop {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct HopVisitor;
        impl<'de> Visitor<'de> for HopVisitor {
            type Value = Hop;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an AS number or a list of them")
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Hop, E> {
                u32::try_from(number)
                    .map(|number| Hop::As(Asn(number)))
                    .map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Hop, E> {
                text.parse()
                    .map(Hop::As)
                    .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Hop, A::Error> {
                let mut asns = Vec::new();
                while let Some(AsnText(asn)) = list.next_element()? {
                    asns.push(asn);
                }
                Ok(Hop::Set(asns))
            }
        }
        input.deserialize_any(HopVisitor)
    }
}

/// `[64496, 64497, [64498, 64499]]`, as RIS Live has it, or the text of a path.
pub(in crate::decode) fn path<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<AsPath>, D::Error> {
    struct PathVisitor;
    impl<'de> Visitor<'de> for PathVisitor {
        type Value = Option<AsPath>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an AS path")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            text.parse()
                .map(Some)
                .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut hops: A) -> Result<Self::Value, A::Error> {
            let mut path = AsPath::default();
            let mut sequence = Vec::with_capacity(8);
            while let Some(hop) = hops.next_element()? {
                match hop {
                    Hop::As(asn) => sequence.push(asn),
                    Hop::Set(asns) => {
                        path.push(Segment::Sequence(std::mem::take(&mut sequence)));
                        path.push(Segment::Set(asns));
                    }
                }
            }
            path.push(Segment::Sequence(sequence));
            Ok(Some(path))
        }
    }
    input.deserialize_any(PathVisitor)
}

struct PrefixText(Prefix);

impl<'de> Deserialize<'de> for PrefixText {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = PrefixText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a prefix")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<PrefixText, E> {
                Prefix::from_ascii(text.as_bytes())
                    .map(PrefixText)
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        input.deserialize_str(Text)
    }
}

/// A list of prefixes, one prefix, or nothing.
pub(in crate::decode) fn prefixes<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<Vec<Nlri>, D::Error> {
    struct List;
    impl<'de> Visitor<'de> for List {
        type Value = Vec<Nlri>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of prefixes")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Prefix::from_ascii(text.as_bytes())
                .map(|prefix| vec![prefix.into()])
                .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &"a prefix"))
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut prefixes = Vec::new();
            while let Some(PrefixText(prefix)) = list.next_element()? {
                prefixes.push(prefix.into());
            }
            Ok(prefixes)
        }
    }
    input.deserialize_any(List)
}

/// `igp`, `egp` or `incomplete`, in any case.
pub(in crate::decode) fn route_origin(text: &str) -> Option<RouteOrigin> {
    [
        ("igp", RouteOrigin::Igp),
        ("egp", RouteOrigin::Egp),
        ("incomplete", RouteOrigin::Incomplete),
    ]
    .into_iter()
    .find_map(|(name, origin)| text.eq_ignore_ascii_case(name).then_some(origin))
}

/// `64496:192.0.2.1`.
pub(super) fn aggregator(text: &str) -> Option<Aggregator> {
    let (asn, address) = text.split_once(':')?;
    Some(Aggregator {
        asn: asn.parse().ok()?,
        address: address.parse().ok()?,
    })
}
