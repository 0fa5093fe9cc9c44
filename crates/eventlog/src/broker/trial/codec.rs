//! Properties of the codec: what is written is read, and no bytes from outside can do harm.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{By, batch, records, varint};
use crate::broker::batch::{
    BatchError, HEADER, Header, add_sequence, check_produced, find_time, place,
};
use crate::broker::journal::Journal;
use crate::broker::producers::{Producers, Sequence};
use crate::broker::wire::{Reader, WireError, Writer};

fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(vec(any::<u8>(), 0..50), 1..20)
}

fn built(by: By, time: i64, payloads: &[Vec<u8>]) -> Vec<u8> {
    let payloads: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
    batch(by, time, &payloads)
}

fn producer() -> impl Strategy<Value = By> {
    (0..i64::MAX, 0..i16::MAX, 0..i32::MAX)
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        numbers in any::<(i8, i16, i32, i64, bool)>(),
        text in ".{0,40}",
        missing in proptest::option::of(".{0,10}"),
        blob in vec(any::<u8>(), 0..100),
        list in vec(any::<i64>(), 0..100),
    ) {
        let mut writer = Writer::default();
        writer.i8(numbers.0).i16(numbers.1).i32(numbers.2).i64(numbers.3).bool(numbers.4);
        writer.text(&text).nullable_text(missing.as_deref()).blob(&blob);
        writer.array(&list, |writer, each| { writer.i64(*each); });
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.i8(""), Ok(numbers.0));
        prop_assert_eq!(reader.i16(""), Ok(numbers.1));
        prop_assert_eq!(reader.i32(""), Ok(numbers.2));
        prop_assert_eq!(reader.i64(""), Ok(numbers.3));
        prop_assert_eq!(reader.bool(""), Ok(numbers.4));
        prop_assert_eq!(reader.text(""), Ok(text.as_str()));
        prop_assert_eq!(reader.nullable_text(""), Ok(missing.as_deref()));
        prop_assert_eq!(reader.bytes(""), Ok(blob.as_slice()));
        prop_assert_eq!(reader.array("", |reader| reader.i64("")), Ok(list));
        prop_assert_eq!(reader.left(), 0);
    }

    #[test]
    fn a_number_of_variable_length_is_read_as_it_was_written(value in any::<i64>()) {
        let mut bytes = Vec::new();
        varint(&mut bytes, value);
        prop_assert_eq!(Reader::new(&bytes).varint(""), Ok(value));
        let cut = Reader::new(&bytes[..bytes.len() - 1]).varint("");
        prop_assert_eq!(cut, Err(WireError::Short("")));
    }

    #[test]
    fn no_bytes_from_outside_make_a_reader_fail_or_go_beyond_its_end(
        bytes in vec(any::<u8>(), 0..60),
        steps in vec(0..8_u8, 0..30),
    ) {
        let mut reader = Reader::new(&bytes);
        for step in steps {
            let _ = match step {
                0 => reader.i8("").map(|_| ()),
                1 => reader.i16("").map(|_| ()),
                2 => reader.i64("").map(|_| ()),
                3 => reader.nullable_text("").map(|_| ()),
                4 => reader.bytes("").map(|_| ()),
                5 => reader.varint("").map(|_| ()),
                6 => reader.take(usize::MAX, "").map(|_| ()),
                _ => reader.array("", |reader| reader.i16("")).map(|_| ()),
            };
            prop_assert_eq!(reader.position() + reader.left(), bytes.len());
        }
    }

    #[test]
    fn a_count_that_the_bytes_cannot_hold_is_refused(count in 1..i32::MAX) {
        let mut bytes = count.to_be_bytes().to_vec();
        bytes.resize(4 + usize::try_from(count - 1).unwrap().min(100), 0);
        let read = Reader::new(&bytes).array("", |reader| reader.i8(""));
        prop_assert_eq!(read, Err(WireError::Length("")));
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_between_characters(
        piece in "[aß水🦀]{1,8}", length in 30_000..35_000_usize,
    ) {
        let text = piece.repeat(length / piece.len());
        let mut writer = Writer::default();
        let bytes = writer.text(&text).clone().into_bytes();
        let read = Reader::new(&bytes).text("").unwrap().to_owned();
        prop_assert!(text.starts_with(&read));
        let least = text.len().min(32_767 - 3);
        prop_assert!((least..=32_767).contains(&read.len()));
    }

    #[test]
    fn a_batch_that_is_whole_is_accepted(
        by in producer(), time in 0..4_000_000_000_000_i64, payloads in payloads(),
    ) {
        let mut bytes = built(by, time, &payloads);
        place(&mut bytes, 1_000);
        let header = check_produced(&bytes).unwrap();
        let count = i32::try_from(payloads.len()).unwrap();
        prop_assert_eq!(header.size, bytes.len());
        prop_assert_eq!(header.next_offset(), 1_000 + i64::from(count));
        prop_assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), by);
        prop_assert_eq!(header.last_sequence(), add_sequence(by.2, count - 1));
        let expected: Vec<_> = (1_000..).zip(payloads).collect();
        prop_assert_eq!(records(&bytes), expected);
    }

    #[test]
    fn a_batch_with_a_bit_flipped_or_its_end_missing_is_refused(
        payloads in payloads(), at in any::<prop::sample::Index>(), bit in 0..8_u8,
    ) {
        let bytes = built((1, 0, 0), super::TIME, &payloads);
        let cut = at.index(bytes.len());
        prop_assert_eq!(check_produced(&bytes[..cut]), Err(BatchError::Torn));
        let mut flipped = bytes.clone();
        // The base offset and the leader epoch are the broker's to write.
        let at = 8 + at.index(bytes.len() - 8);
        flipped[at] ^= 1_u8 << bit;
        prop_assert_eq!(check_produced(&flipped).is_ok(), (12..16).contains(&at));
    }

    #[test]
    fn no_bytes_from_outside_make_a_batch_fail(
        mut bytes in vec(any::<u8>(), 0..200), magic in any::<bool>(), timestamp in any::<i64>(),
    ) {
        if magic && bytes.len() > 17 {
            bytes[8..12].copy_from_slice(&[0; 4]);
            bytes[11] = u8::try_from(bytes.len() - 12).unwrap();
            bytes[16] = 2;
        }
        let _ = check_produced(&bytes);
        if let Ok(header) = Header::read(&bytes) {
            prop_assert!(header.size >= HEADER);
            let _ = (header.next_offset(), header.last_sequence());
            let _ = find_time(&header, &bytes, timestamp);
        }
    }

    #[test]
    fn a_search_by_time_finds_the_first_record_that_is_not_older(
        payloads in payloads(), before in -30..30_i64,
    ) {
        let mut bytes = built((1, 0, 0), super::TIME, &payloads);
        place(&mut bytes, 50);
        let header = check_produced(&bytes).unwrap();
        let count = i64::try_from(payloads.len()).unwrap();
        let expected = (before < count).then(|| {
            let number = before.max(0);
            (50 + number, super::TIME + number)
        });
        prop_assert_eq!(find_time(&header, &bytes, super::TIME + before), expected);
    }

    #[test]
    fn sequences_follow_each_other_and_wrap_to_0(
        sequence in 0..=i32::MAX, one in 0..10_000_i32, two in 0..10_000_i32,
    ) {
        let sum = add_sequence(sequence, one);
        prop_assert!(sum >= 0);
        prop_assert_eq!(add_sequence(sum, two), add_sequence(sequence, one + two));
        prop_assert_eq!(add_sequence(i32::MAX, 1), 0);
    }

    #[test]
    fn producers_are_remembered_through_a_snapshot(
        sent in vec((0..20_i64, 0..3_i16, 0..5_i32, 1..4_i32), 0..60),
    ) {
        let mut producers = Producers::default();
        let mut last = None;
        for ((id, epoch, sequence, count), offset) in sent.into_iter().zip(0..) {
            let payloads = vec![Vec::new(); usize::try_from(count).unwrap()];
            let mut bytes = built((id, epoch, sequence), super::TIME, &payloads);
            place(&mut bytes, offset);
            let header = check_produced(&bytes).unwrap();
            if producers.check(&header) == Sequence::Next {
                producers.remember(&header);
                last = Some(header);
            }
        }
        let mut snapshot = Writer::default();
        producers.encode(&mut snapshot);
        let bytes = snapshot.into_bytes();
        let again = Producers::decode(&mut Reader::new(&bytes)).unwrap();
        prop_assert_eq!(&again, &producers);
        if let Some(header) = last {
            let found = again.check(&header);
            prop_assert_eq!(found, Sequence::Duplicate(header.base_offset));
        }
        let cut = bytes.get(..bytes.len() - 1).unwrap();
        prop_assert!(Producers::decode(&mut Reader::new(cut)).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_journal_that_is_torn_anywhere_gives_back_its_whole_entries(
        entries in vec(vec(any::<u8>(), 0..40), 1..10), at in any::<prop::sample::Index>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.journal");
        Journal::open(&path, |_| {}).unwrap().append(&entries).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let cut = at.index(bytes.len());
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let mut read = Vec::new();
        let mut journal = Journal::open(&path, |entry| read.push(entry.to_vec())).unwrap();
        let mut place = 8;
        let whole = entries.iter().take_while(|entry| {
            place += 8 + entry.len();
            place <= cut
        });
        let mut expected: Vec<_> = whole.cloned().collect();
        prop_assert_eq!(&read, &expected);
        journal.append(&[b"more".to_vec()]).unwrap();
        expected.push(b"more".to_vec());
        read.clear();
        Journal::open(&path, |entry| read.push(entry.to_vec())).unwrap();
        prop_assert_eq!(read, expected);
    }
}
