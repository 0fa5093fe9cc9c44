//! A compact byte format: LEB128 numbers, zigzag for signed ones, lengths before lists.

use super::SnapshotError;

pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn new(format: u8, kind: u8) -> Self {
        Self(vec![format, kind])
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f | 0x80).to_le_bytes()[0]);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    pub(crate) fn signed(&mut self, value: i64) {
        self.unsigned(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.unsigned(u64::try_from(value.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            put(self, value);
        }
    }

    pub(crate) fn list<I>(&mut self, values: I, mut put: impl FnMut(&mut Self, I::Item))
    where
        I: IntoIterator<IntoIter: ExactSizeIterator>,
    {
        let values = values.into_iter();
        self.unsigned(u64::try_from(values.len()).unwrap_or(u64::MAX));
        for value in values {
            put(self, value);
        }
    }
}

/// Reads what a [`Writer`] wrote, of the format that it names.
pub(crate) struct Reader<'a>(&'a [u8], u8);

impl<'a> Reader<'a> {
    pub(crate) fn new(
        bytes: &'a [u8],
        newest: u8,
        kind: u8,
        what: &'static str,
    ) -> Result<Self, SnapshotError> {
        match bytes {
            [format, of, rest @ ..] if (1..=newest).contains(format) && *of == kind => {
                Ok(Self(rest, *format))
            }
            _ => Err(SnapshotError::Format { what }),
        }
    }

    pub(crate) fn format(&self) -> u8 {
        self.1
    }

    pub(crate) fn byte(&mut self) -> Result<u8, SnapshotError> {
        let (first, rest) = self.0.split_first().ok_or(SnapshotError::Truncated)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, SnapshotError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(SnapshotError::Impossible { what: "number" })
    }

    pub(crate) fn number<T: TryFrom<u64>>(
        &mut self,
        what: &'static str,
    ) -> Result<T, SnapshotError> {
        T::try_from(self.unsigned()?).map_err(|_| SnapshotError::Impossible { what })
    }

    pub(crate) fn signed(&mut self) -> Result<i64, SnapshotError> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(crate) fn flag(&mut self) -> Result<bool, SnapshotError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(SnapshotError::Impossible { what: "flag" }),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], SnapshotError> {
        let length = self.number("length")?;
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(SnapshotError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn text(&mut self) -> Result<String, SnapshotError> {
        let text = String::from_utf8(self.bytes()?.to_vec());
        text.map_err(|_| SnapshotError::Impossible { what: "text" })
    }

    pub(crate) fn option<T>(
        &mut self,
        get: impl FnOnce(&mut Self) -> Result<T, SnapshotError>,
    ) -> Result<Option<T>, SnapshotError> {
        self.flag()?.then(|| get(self)).transpose()
    }

    pub(crate) fn list<T>(
        &mut self,
        mut get: impl FnMut(&mut Self) -> Result<T, SnapshotError>,
    ) -> Result<Vec<T>, SnapshotError> {
        let length: usize = self.number("length")?;
        // Every element takes a byte at least: a wrong length must not allocate.
        if length > self.0.len() {
            return Err(SnapshotError::Truncated);
        }
        (0..length).map(|_| get(self)).collect()
    }
}
