//! Rows as columns: entity, event_timestamp (microseconds, UTC), version, synthetic, then one
//! nullable column for each field of the view.

use std::{io::Write, sync::Arc};

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use weir_events::position::Version;
use weir_features::{Feature, FeatureRow, FeatureView, Value, ValueType};
use weir_objects::Bytes;

use crate::error::OfflineStoreError;

/// Columns before the fields.
const FIXED: usize = 4;

fn data_type(value_type: ValueType) -> DataType {
    match value_type {
        ValueType::Int64 => DataType::Int64,
        ValueType::Float64 => DataType::Float64,
        ValueType::Text => DataType::Utf8,
        ValueType::Boolean => DataType::Boolean,
        ValueType::Timestamp => timestamp(),
    }
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn schema(view: &FeatureView) -> Schema {
    let mut fields = vec![
        Field::new("entity", DataType::Utf8, false),
        Field::new("event_timestamp", timestamp(), false),
        Field::new("version", DataType::UInt64, false),
        Field::new("synthetic", DataType::Boolean, false),
    ];
    fields.extend(
        view.fields
            .iter()
            .map(|field| Field::new(&field.name, data_type(field.value_type), true)),
    );
    Schema::new(fields)
}

fn timestamps(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter(values).with_timezone("UTC"))
}

/// One Parquet file into `out`. The same rows give the same bytes.
pub(crate) fn encode(
    view: &FeatureView,
    rows: &[&FeatureRow],
    out: &mut (impl Write + Send),
) -> Result<(), OfflineStoreError> {
    let values = rows
        .iter()
        .map(|row| view.values(row))
        .collect::<Result<Vec<_>, _>>()?;
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(
            rows.iter().map(|row| row.entity.as_str()),
        )),
        timestamps(rows.iter().map(|row| Some(row.event_time_us))),
        Arc::new(UInt64Array::from_iter_values(
            rows.iter().map(|row| row.version.0),
        )),
        Arc::new(BooleanArray::from_iter(
            rows.iter().map(|row| Some(row.synthetic)),
        )),
    ];
    for (index, field) in view.fields.iter().enumerate() {
        let column = values.iter().map(|row| row.get(index).copied().flatten());
        columns.push(array(field.value_type, column));
    }
    let schema = Arc::new(schema(view));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("weir".to_owned())
        .build();
    let mut writer = ArrowWriter::try_new(out, schema, Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

/// `FeatureView::values` has checked that each value is of the declared type.
fn array<'a>(value_type: ValueType, values: impl Iterator<Item = Option<&'a Value>>) -> ArrayRef {
    match value_type {
        ValueType::Int64 => Arc::new(Int64Array::from_iter(values.map(|value| match value {
            Some(Value::Int64(value)) => Some(*value),
            _ => None,
        }))),
        ValueType::Float64 => Arc::new(Float64Array::from_iter(values.map(|value| match value {
            Some(Value::Float64(value)) => Some(*value),
            _ => None,
        }))),
        ValueType::Text => Arc::new(StringArray::from_iter(values.map(|value| match value {
            Some(Value::Text(value)) => Some(value.as_str()),
            _ => None,
        }))),
        ValueType::Boolean => Arc::new(BooleanArray::from_iter(values.map(|value| match value {
            Some(Value::Boolean(value)) => Some(*value),
            _ => None,
        }))),
        ValueType::Timestamp => timestamps(values.map(|value| match value {
            Some(Value::Timestamp(value)) => Some(*value),
            _ => None,
        })),
    }
}

/// The rows of one file.
pub(crate) fn decode(
    view: &FeatureView,
    file: &str,
    bytes: Bytes,
) -> Result<Vec<FeatureRow>, OfflineStoreError> {
    let corrupt = |reason: String| OfflineStoreError::Corrupt {
        file: file.to_owned(),
        reason,
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|error| corrupt(error.to_string()))?;
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|error| corrupt(error.to_string()))?;
        let other = || corrupt("other columns than the view's".to_owned());
        let entities: &StringArray = fixed(&batch, 0).ok_or_else(other)?;
        let times: &TimestampMicrosecondArray = fixed(&batch, 1).ok_or_else(other)?;
        let versions: &UInt64Array = fixed(&batch, 2).ok_or_else(other)?;
        let synthetic: &BooleanArray = fixed(&batch, 3).ok_or_else(other)?;
        for row in 0..batch.num_rows() {
            let features = (FIXED..batch.num_columns())
                .map(|column| Feature {
                    name: batch.schema_ref().field(column).name().clone().into(),
                    value: value(batch.column(column), row),
                })
                .collect();
            rows.push(FeatureRow {
                view: view.name.clone().into(),
                entity: entities.value(row).into(),
                event_time_us: times.value(row),
                version: Version(versions.value(row)),
                features,
                synthetic: synthetic.value(row),
            });
        }
    }
    Ok(rows)
}

fn fixed<T: 'static>(batch: &RecordBatch, column: usize) -> Option<&T> {
    batch.columns().get(column)?.as_any().downcast_ref()
}

fn value(column: &ArrayRef, row: usize) -> Option<Value> {
    if column.is_null(row) {
        return None;
    }
    let any = column.as_any();
    if let Some(column) = any.downcast_ref::<Int64Array>() {
        Some(Value::Int64(column.value(row)))
    } else if let Some(column) = any.downcast_ref::<Float64Array>() {
        Some(Value::Float64(column.value(row)))
    } else if let Some(column) = any.downcast_ref::<StringArray>() {
        Some(Value::from(column.value(row)))
    } else if let Some(column) = any.downcast_ref::<BooleanArray>() {
        Some(Value::Boolean(column.value(row)))
    } else {
        any.downcast_ref::<TimestampMicrosecondArray>()
            .map(|column| Value::Timestamp(column.value(row)))
    }
}
