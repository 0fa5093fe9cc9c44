//! The checklist of the embedded broker, through the real client. The same
//! checks run against real Kafka, where there is one.

#![expect(clippy::unwrap_used, reason = "a check fails by panicking")]
#![expect(clippy::print_stdout, reason = "a check tells what it measured")]

#[path = "broker/checks.rs"]
mod checks;

use checks::groups;

use weir_eventlog::broker::{Broker, BrokerConfig};

fn start(dir: &std::path::Path) -> Broker {
    Broker::start(BrokerConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        dir: dir.to_owned(),
        ..BrokerConfig::default()
    })
    .unwrap()
}

fn embedded(check: impl FnOnce(&str)) {
    let folder = tempfile::tempdir().unwrap();
    let broker = start(folder.path());
    check(&broker.address().to_string());
    broker.stop();
}

/// Two tests per check: against a broker of its own, and against Kafka.
macro_rules! checks {
    ($($of:ident::$name:ident),* $(,)?) => {
        mod on_the_embedded_broker {
            $(
                #[test]
                fn $name() {
                    super::embedded(super::$of::$name);
                }
            )*
        }

        mod on_kafka {
            $(
                #[test]
                fn $name() {
                    if let Some(kafka) = weir_engines::engine("kafka") {
                        super::$of::$name(kafka.url());
                    }
                }
            )*
        }
    };
}

checks![
    checks::metadata_names_the_node_and_the_topics,
    checks::a_topic_has_the_partitions_asked_for_and_exists_once,
    checks::records_come_back_as_they_were_sent,
    checks::idempotent_writes_arrive_once_and_in_order,
    checks::every_codec_is_stored_verbatim,
    checks::a_large_message_passes,
    groups::a_range_group_shares_the_partitions_and_hands_over,
    groups::a_cooperative_group_shares_the_partitions_and_hands_over,
    groups::a_static_member_comes_back_to_its_partitions,
    groups::commits_resume_with_their_metadata,
    checks::offsets_are_found_by_time,
    checks::assign_and_seek_read_from_anywhere,
    checks::the_end_of_a_partition_is_told,
    checks::an_unknown_topic_is_an_error,
    checks::a_waiting_fetch_is_answered_in_milliseconds,
    checks::configs_are_described_and_altered,
    checks::partitions_are_added_and_topics_deleted,
    groups::groups_are_listed_and_deleted,
    checks::records_are_deleted_up_to_an_offset,
];

/// Kafka has transactions.
#[test]
fn a_transactional_id_is_refused() {
    embedded(checks::a_transactional_id_is_refused);
}
