//! The statements, prepared once.

use scylla::{
    client::session::Session,
    statement::{Consistency, SerialConsistency, prepared::PreparedStatement},
};

use super::errors::failed;
use crate::MetricStoreError;

pub(super) struct Statements {
    pub(super) put_partial: PreparedStatement,
    pub(super) put_key: PreparedStatement,
    pub(super) put_newest: PreparedStatement,
    pub(super) newest: PreparedStatement,
    pub(super) partials: PreparedStatement,
    pub(super) last_bucket: PreparedStatement,
    pub(super) keys_from: PreparedStatement,
    pub(super) aggregates: PreparedStatement,
    pub(super) fence: PreparedStatement,
    pub(super) progress: PreparedStatement,
    pub(super) first_fence: PreparedStatement,
    pub(super) next_fence: PreparedStatement,
    pub(super) move_on: PreparedStatement,
    pub(super) move_from: PreparedStatement,
}

impl Statements {
    pub(super) async fn prepare(
        session: &Session,
        hosts: &str,
        keyspace: &str,
    ) -> Result<Self, MetricStoreError> {
        let prepare = async |text: &str| {
            let text = text.replace("{ks}", keyspace);
            let prepared = session.prepare(text).await;
            let mut prepared = prepared.map_err(failed("prepare its statements", hosts))?;
            // Each may be done twice: rows and registers keep the greater value, fences only rise.
            prepared.set_is_idempotent(true);
            Ok::<_, MetricStoreError>(prepared)
        };
        let fence =
            prepare("SELECT fence FROM {ks}.window_progress WHERE result_partition = ?").await?;
        let mut progress = prepare(
            "SELECT fence, next_offset FROM {ks}.window_progress WHERE result_partition = ?",
        )
        .await?;
        // Sees what a conditional write has agreed on, and finishes one that was cut off.
        let serial = session.get_default_execution_profile_handle().to_profile();
        progress.set_consistency(match serial.get_serial_consistency() {
            Some(SerialConsistency::LocalSerial) => Consistency::LocalSerial,
            _ => Consistency::Serial,
        });
        Ok(Self {
            put_partial: prepare(
                "INSERT INTO {ks}.window_partials (aggregate, key, width_us, bucket, start_us, source_partition, \
                 final, synthetic, measures) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?",
            )
            .await?,
            put_key: prepare(
                "INSERT INTO {ks}.window_keys (aggregate, key, width_us, last_bucket) VALUES (?, ?, ?, ?) \
                 USING TIMESTAMP ? AND TTL ?",
            )
            .await?,
            put_newest: prepare(
                "INSERT INTO {ks}.window_newest (name, end_us) VALUES ('windows', ?) USING TIMESTAMP ?",
            )
            .await?,
            newest: prepare("SELECT end_us FROM {ks}.window_newest WHERE name = 'windows'").await?,
            partials: prepare(
                "SELECT start_us, source_partition, final, synthetic, measures FROM {ks}.window_partials \
                 WHERE aggregate = ? AND key = ? AND width_us = ? AND bucket = ? AND start_us >= ? AND start_us < ?",
            )
            .await?,
            last_bucket: prepare(
                "SELECT last_bucket FROM {ks}.window_keys WHERE aggregate = ? AND key = ? AND width_us = ?",
            )
            .await?,
            keys_from: prepare(
                "SELECT key, width_us, last_bucket FROM {ks}.window_keys WHERE aggregate = ? \
                 AND (key, width_us) > (?, ?) LIMIT 512",
            )
            .await?,
            aggregates: prepare("SELECT DISTINCT aggregate FROM {ks}.window_keys").await?,
            fence,
            progress,
            first_fence: prepare(
                "INSERT INTO {ks}.window_progress (result_partition, fence) VALUES (?, 1) IF NOT EXISTS",
            )
            .await?,
            next_fence: prepare(
                "UPDATE {ks}.window_progress SET fence = ? WHERE result_partition = ? IF fence = ?",
            )
            .await?,
            move_on: prepare(
                "UPDATE {ks}.window_progress SET next_offset = ? WHERE result_partition = ? IF fence = ?",
            )
            .await?,
            move_from: prepare(
                "UPDATE {ks}.window_progress SET next_offset = ? WHERE result_partition = ? IF fence = ? AND next_offset = ?",
            )
            .await?,
        })
    }
}
