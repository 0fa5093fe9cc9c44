//! The tables of one file as a stream of bytes, and back: how a task's state moves to another
//! machine.
//!
//! redb reads a table only by its types, so the tables are named by their definitions. A stream is
//! `weir-redb 1`, then for each table its name, the names of its types, and its entries; each part
//! with its length (4 bytes, little endian) before it, and an entry of length `END` after the last.

use std::io::{self, Read, Write};

use redb::{
    Database, Key, ReadTransaction, ReadableTable, TableDefinition, TableHandle, Value,
    WriteTransaction,
};

const MAGIC: &[u8] = b"weir-redb 1";
/// No key is so long.
const END: u32 = u32::MAX;
/// Longest key or value that is believed.
const LONGEST: u32 = 64 << 20;

/// A table that can be written out and read in.
pub trait Portable {
    /// Writes the table out as it stands in `transaction`.
    ///
    /// # Errors
    /// When the engine or `out` fails.
    fn write_out(&self, transaction: &ReadTransaction, out: &mut dyn Write) -> io::Result<()>;

    /// Makes the table what was written out, whatever it was.
    ///
    /// # Errors
    /// When the engine fails, or `from` holds something else.
    fn read_in(&self, transaction: &WriteTransaction, from: &mut dyn Read) -> io::Result<()>;
}

impl<K: Key + 'static, V: Value + 'static> Portable for TableDefinition<'static, K, V> {
    fn write_out(&self, transaction: &ReadTransaction, out: &mut dyn Write) -> io::Result<()> {
        for name in names(self) {
            write(out, name.as_bytes())?;
        }
        let table = transaction.open_table(*self).map_err(io::Error::other)?;
        for entry in table.iter().map_err(io::Error::other)? {
            let (key, value) = entry.map_err(io::Error::other)?;
            write(out, K::as_bytes(&key.value()).as_ref())?;
            write(out, V::as_bytes(&value.value()).as_ref())?;
        }
        out.write_all(&END.to_le_bytes())
    }

    fn read_in(&self, transaction: &WriteTransaction, from: &mut dyn Read) -> io::Result<()> {
        for name in names(self) {
            let found = read(from)?.unwrap_or_default();
            if found != name.as_bytes() {
                let found = String::from_utf8_lossy(&found);
                return Err(invalid(format!(
                    "`{found}` stands where `{name}` was expected"
                )));
            }
        }
        transaction.delete_table(*self).map_err(io::Error::other)?;
        let mut table = transaction.open_table(*self).map_err(io::Error::other)?;
        while let Some(key) = read(from)? {
            let value = read(from)?.ok_or_else(|| invalid("a key without a value".to_owned()))?;
            table
                .insert(K::from_bytes(&key), V::from_bytes(&value))
                .map_err(io::Error::other)?;
        }
        Ok(())
    }
}

fn names<K: Key + 'static, V: Value + 'static>(
    table: &TableDefinition<'static, K, V>,
) -> [String; 3] {
    [
        table.name().to_owned(),
        K::type_name().name().to_owned(),
        V::type_name().name().to_owned(),
    ]
}

/// Writes `tables` out as they stand in `transaction`, one consistent state.
///
/// # Errors
/// When the engine or `out` fails.
pub fn write_out(
    transaction: &ReadTransaction,
    tables: &[&dyn Portable],
    out: &mut dyn Write,
) -> io::Result<()> {
    write(out, MAGIC)?;
    tables
        .iter()
        .try_for_each(|table| table.write_out(transaction, out))
}

/// Makes `tables` what was written out, all or nothing. The bytes must be known to be whole (a
/// checksum): redb believes what it is given.
///
/// # Errors
/// When the engine fails, or `from` holds other tables, or types, or ends early.
pub fn read_in(
    database: &Database,
    tables: &[&dyn Portable],
    from: &mut dyn Read,
) -> io::Result<()> {
    if read(from)?.as_deref() != Some(MAGIC) {
        return Err(invalid("it is of another format".to_owned()));
    }
    let transaction = database.begin_write().map_err(io::Error::other)?;
    for table in tables {
        table.read_in(&transaction, from)?;
    }
    if from.read(&mut [0])? != 0 {
        return Err(invalid("it holds more tables than expected".to_owned()));
    }
    transaction.commit().map_err(io::Error::other)
}

fn write(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(bytes)
}

/// `None` = the end of a table.
fn read(from: &mut dyn Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length == END {
        return Ok(None);
    }
    if length > LONGEST {
        return Err(invalid(format!("a part of {length} bytes")));
    }
    let mut bytes = Vec::new();
    let taken = from.take(u64::from(length)).read_to_end(&mut bytes)?;
    if taken as u64 == u64::from(length) {
        Ok(Some(bytes))
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use redb::ReadableDatabase;

    use super::*;

    const CELLS: TableDefinition<'static, (i64, i64, &str), &[u8]> = TableDefinition::new("cells");
    const TASK: TableDefinition<'static, (), &[u8]> = TableDefinition::new("task");
    const OTHER: TableDefinition<'static, (), u64> = TableDefinition::new("task");

    fn filled(path: &std::path::Path, rows: &[(i64, &str)]) -> std::sync::Arc<Database> {
        let database = crate::open(path).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut cells = transaction.open_table(CELLS).unwrap();
            for (number, text) in rows {
                cells
                    .insert((*number, -number, *text), text.as_bytes())
                    .unwrap();
            }
            let mut task = transaction.open_table(TASK).unwrap();
            task.insert((), rows.len().to_le_bytes().as_slice())
                .unwrap();
        }
        transaction.commit().unwrap();
        database
    }

    fn out(database: &Database) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_out(
            &database.begin_read().unwrap(),
            &[&CELLS, &TASK],
            &mut bytes,
        )
        .unwrap();
        bytes
    }

    #[test]
    fn what_is_read_in_replaces_what_was_there_and_is_written_out_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let one = filled(
            &folder.path().join("one"),
            &[(1, "a"), (-7, ""), (9, "ccc")],
        );
        let other = filled(&folder.path().join("other"), &[(4, "gone")]);
        let bytes = out(&one);
        assert_ne!(out(&other), bytes);
        read_in(&other, &[&CELLS, &TASK], &mut bytes.as_slice()).unwrap();
        assert_eq!(out(&other), bytes);
    }

    #[test]
    fn a_stream_of_other_types_or_cut_short_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let one = filled(&folder.path().join("one"), &[(1, "a"), (2, "b")]);
        let other = filled(&folder.path().join("other"), &[(4, "stays")]);
        let (bytes, before) = (out(&one), out(&other));
        for end in 0..bytes.len() {
            read_in(&other, &[&CELLS, &TASK], &mut &bytes[..end]).unwrap_err();
        }
        let error = read_in(&other, &[&CELLS, &OTHER], &mut bytes.as_slice()).unwrap_err();
        assert!(error.to_string().contains("u64"), "{error}");
        assert_eq!(out(&other), before);
    }
}
