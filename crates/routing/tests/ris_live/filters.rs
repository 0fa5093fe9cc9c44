//! Compiled filters choose what the manual, read word by word over the JSON, chooses.

use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};
use weir_routing::{
    Message,
    ris_live::{Filters, Record, Request, Subscription, Told, frame, request},
};

use crate::generated::{self, COLLECTORS, PEERS};

/// The data of a `ris_subscribe`.
fn subscription() -> impl Strategy<Value = Value> {
    let kinds = [
        "UPDATE",
        "OPEN",
        "NOTIFICATION",
        "KEEPALIVE",
        "RIS_PEER_STATE",
    ];
    let keys = [
        "announcements",
        "withdrawals",
        "path",
        "community",
        "origin",
        "med",
        "aggregator",
        "direction",
        "asn",
        "notification",
        "state",
        "peer",
        "timestamp",
    ];
    let hosts = [COLLECTORS[0], COLLECTORS[2], "rrc21.ripe.net"];
    let text = |values: &[&'static str]| option::weighted(0.2, select(values.to_vec()));
    (
        (text(&hosts), text(&kinds), text(&keys), text(&PEERS)),
        option::weighted(0.3, path()),
        option::weighted(0.6, vec(generated::prefix(), 1..3)),
        option::of(any::<bool>()),
        option::of(any::<bool>()),
    )
        .prop_map(|((host, kind, require, peer), path, prefix, more, less)| {
            let prefix = prefix.map(|list| match list.as_slice() {
                [one] => json!(one),
                all => json!(all),
            });
            let values = [
                ("host", host.map(Value::from)),
                ("type", kind.map(Value::from)),
                ("require", require.map(Value::from)),
                ("peer", peer.map(Value::from)),
                ("path", path),
                ("prefix", prefix),
                ("moreSpecific", more.map(Value::from)),
                ("lessSpecific", less.map(Value::from)),
            ];
            let mut data = Map::new();
            for (key, value) in values {
                if let Some(value) = value {
                    data.insert(key.to_owned(), value);
                }
            }
            Value::Object(data)
        })
}

fn path() -> impl Strategy<Value = Value> {
    let hop = prop_oneof![
        3 => generated::asn().prop_map(|asn| asn.to_string()),
        1 => vec(generated::asn(), 1..3).prop_map(|asns| {
            let asns: Vec<_> = asns.iter().map(ToString::to_string).collect();
            format!("[{}]", asns.join(","))
        }),
    ];
    let mark = |mark: &'static str| select(vec!["", mark]);
    let pattern = (mark("!"), mark("^"), vec(hop, 1..3), mark("$"));
    prop_oneof![
        1 => generated::asn().prop_map(|asn| json!(asn)),
        3 => pattern.prop_map(|(not, first, hops, last)| {
            json!(format!("{not}{first}{}{last}", hops.join(",")))
        }),
    ]
}

/// The frame's data fits every key of the subscription, by the text of both.
fn fits(data: &Value, subscription: &Value) -> bool {
    let wanted = |key: &str| subscription.get(key);
    let is = |key: &str, own: &str| wanted(key).is_none_or(|value| *value == data[own]);
    let host = wanted("host").is_none_or(|host| {
        host.as_str().unwrap().trim_end_matches(".ripe.net") == data["host"].as_str().unwrap()
    });
    let has = wanted("require").is_none_or(|key| data.get(key.as_str().unwrap()).is_some());
    let flag = |key: &str, usual| wanted(key).map_or(usual, |flag| flag.as_bool().unwrap());
    let prefix = wanted("prefix").is_none_or(|given| {
        let given = given
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![given.clone()]);
        given.iter().any(|one| {
            named(data).iter().any(|named| {
                named == one
                    || (flag("moreSpecific", true) && within(named, one))
                    || (flag("lessSpecific", false) && within(one, named))
            })
        })
    });
    let path = wanted("path").is_none_or(|path| passes(data.get("path"), path));
    host && has && prefix && path && is("type", "type") && is("peer", "peer")
}

/// Every prefix that the frame names.
fn named(data: &Value) -> Vec<Value> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let announced = list(&data["announcements"]);
    let mut all: Vec<_> = announced
        .iter()
        .flat_map(|one| list(&one["prefixes"]))
        .collect();
    all.extend(list(&data["withdrawals"]));
    all
}

/// `inner` is part of `outer`, bit by bit.
fn within(inner: &Value, outer: &Value) -> bool {
    let bits = |value: &Value| -> (bool, String) {
        let (address, length) = value.as_str().unwrap().split_once('/').unwrap();
        let length: usize = length.parse().unwrap();
        match address.parse().unwrap() {
            std::net::IpAddr::V4(v4) => (true, format!("{:032b}", v4.to_bits())[..length].into()),
            std::net::IpAddr::V6(v6) => (false, format!("{:0128b}", v6.to_bits())[..length].into()),
        }
    };
    let ((inner_is_v4, inner), (outer_is_v4, outer)) = (bits(inner), bits(outer));
    inner_is_v4 == outer_is_v4 && inner.starts_with(&outer)
}

/// The path of a frame against a pattern, window by window.
fn passes(path: Option<&Value>, pattern: &Value) -> bool {
    let Some(path) = path.and_then(Value::as_array) else {
        return false;
    };
    let text = pattern
        .as_str()
        .map_or_else(|| pattern.to_string(), str::to_owned);
    let inverted = text.starts_with('!');
    let text = text.trim_start_matches('!');
    let (first, last) = (text.starts_with('^'), text.ends_with('$'));
    let hops: Vec<Value> =
        serde_json::from_str(&format!("[{}]", text.trim_matches(['^', '$']))).unwrap();
    let mut found = false;
    for start in 0..=path.len() {
        let end = start + hops.len();
        let inside = end <= path.len() && (!first || start == 0) && (!last || end == path.len());
        found |= inside
            && hops
                .iter()
                .zip(&path[start..end])
                .all(|(want, hop)| meets(want, hop));
    }
    found != inverted
}

fn meets(want: &Value, hop: &Value) -> bool {
    let set = |value: &Value| -> Vec<u64> {
        let list = value
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![value.clone()]);
        let mut asns: Vec<_> = list.iter().map(|asn| asn.as_u64().unwrap()).collect();
        asns.sort_unstable();
        asns.dedup();
        asns
    };
    match (want.is_array(), hop.is_array()) {
        (true, true) => set(want) == set(hop),
        (true, false) => false,
        (false, _) => set(hop).contains(&want.as_u64().unwrap()),
    }
}

fn compiled(data: &Value) -> Vec<Subscription> {
    let frame = json!({"type": "ris_subscribe", "data": data}).to_string();
    match request(frame.as_bytes()).unwrap() {
        Request::Subscribe { subscriptions, .. } => subscriptions,
        other => panic!("{other:?}"),
    }
}

fn told<'a>(collector: &'a str, message: &'a Message) -> Option<Told<'a>> {
    Told::of(Record {
        collector,
        writer_epoch: 0,
        seq: 0,
        synthetic: false,
        message,
    })
}

fn frame_of(told: &Told<'_>) -> Value {
    let line = frame::message(told);
    serde_json::from_str::<Value>(&line).unwrap()["data"].take()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn filters_choose_what_a_plain_reading_of_the_manual_chooses(
        kept in vec(subscription(), 0..4),
        ended in vec(subscription(), 0..3),
        collector in select(COLLECTORS.to_vec()),
        message in generated::message(),
    ) {
        let mut filters = Filters::new(100);
        for data in kept.iter().chain(&ended) {
            filters.add(&compiled(data)).unwrap();
        }
        let kept_ones: Vec<_> = kept.iter().flat_map(compiled).collect();
        for one in ended.iter().flat_map(compiled) {
            if !kept_ones.contains(&one) {
                filters.remove(&one);
            }
        }
        let Some(told) = told(collector, &message) else { return Ok(()) };
        let data = frame_of(&told);
        let wanted = kept.iter().any(|one| fits(&data, one));
        prop_assert_eq!(filters.want(&told), wanted);
        for one in &kept_ones {
            filters.remove(one);
        }
        prop_assert!(filters.is_empty() && !filters.want(&told));
    }

    #[test]
    fn what_is_acknowledged_is_what_was_asked(data in subscription()) {
        let asked = compiled(&data);
        let line = frame::subscribe_ok(&asked, weir_routing::ris_live::Options::default());
        let frame: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(compiled(&frame["data"]["subscription"]), asked);
    }
}

#[test]
fn subscriptions_are_there_once_and_never_more_than_the_limit() {
    let mut filters = Filters::new(3);
    let two = compiled(&json!({"prefix": ["10.0.0.0/8", "10.0.0.0/9"]}));
    filters.add(&two).unwrap();
    filters.add(&two).unwrap();
    assert_eq!(filters.len(), 2);
    let four = compiled(&json!({"prefix": ["10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16"]}));
    let refused = filters.add(&four).unwrap_err().to_string();
    assert_eq!(
        refused,
        "this connection has 2 subscriptions and asks for 2 more: want 3 at most"
    );
    assert_eq!(filters.len(), 2, "all of a request or nothing");
    filters.add(&[Subscription::all()]).unwrap();
    assert!(filters.remove(&two[0]) && !filters.remove(&two[0]));
    assert!(filters.remove(&Subscription::all()));
    assert_eq!(filters.len(), 1);
}

#[test]
fn what_every_message_is_compared_with_has_a_limit_of_its_own() {
    let mut filters = Filters::new(8192);
    for (which, base) in [
        (" without a prefix", json!({})),
        (" of the same prefix", json!({"prefix": "10.0.0.0/8"})),
    ] {
        let mut add = |asn: u32| {
            let mut data = base.clone();
            data["path"] = asn.into();
            filters.add(&compiled(&data))
        };
        for asn in 0..256 {
            add(asn).unwrap();
        }
        add(7).unwrap();
        let refused = add(256).unwrap_err();
        assert_eq!((refused.which, refused.count), (which, 256));
    }
    let other = compiled(&json!({"prefix": "10.0.0.0/9"}));
    filters.add(&other).unwrap();
    assert_eq!(filters.len(), 513);
}
