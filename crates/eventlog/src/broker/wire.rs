//! Primitives of the Kafka wire format (big-endian, non-flexible encoding), over untrusted bytes.
//!
//! Every read checks what is left; every count is checked against the bytes that could hold it, so
//! that a hostile length cannot make us allocate.

/// Why a request could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("the request ends where {0} should be")]
    Short(&'static str),
    #[error("{0} has an impossible length")]
    Length(&'static str),
    #[error("{0} is not UTF-8")]
    Text(&'static str),
}

/// A cursor over one request.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

macro_rules! read_number {
    ($name:ident, $type:ty) => {
        pub(crate) fn $name(&mut self, what: &'static str) -> Result<$type, WireError> {
            let bytes = self.take(size_of::<$type>(), what)?;
            let bytes = bytes.try_into().map_err(|_| WireError::Short(what))?;
            Ok(<$type>::from_be_bytes(bytes))
        }
    };
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    read_number!(i8, i8);
    read_number!(i16, i16);
    read_number!(i32, i32);
    read_number!(i64, i64);
    read_number!(u32, u32);

    pub(crate) fn bool(&mut self, what: &'static str) -> Result<bool, WireError> {
        Ok(self.i8(what)? != 0)
    }

    /// Where the next byte is, from the start of the request.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) fn take(
        &mut self,
        length: usize,
        what: &'static str,
    ) -> Result<&'a [u8], WireError> {
        let end = self.at.checked_add(length).ok_or(WireError::Length(what))?;
        let taken = self.bytes.get(self.at..end).ok_or(WireError::Short(what))?;
        self.at = end;
        Ok(taken)
    }

    /// A string that may be null.
    pub(crate) fn nullable_text(
        &mut self,
        what: &'static str,
    ) -> Result<Option<&'a str>, WireError> {
        let length = self.i16(what)?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| WireError::Length(what))?;
        let bytes = self.take(length, what)?;
        std::str::from_utf8(bytes)
            .map(Some)
            .map_err(|_| WireError::Text(what))
    }

    /// A string that must be there.
    pub(crate) fn text(&mut self, what: &'static str) -> Result<&'a str, WireError> {
        self.nullable_text(what)?.ok_or(WireError::Length(what))
    }

    /// Bytes with a 32-bit length; null is empty.
    pub(crate) fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], WireError> {
        let length = self.i32(what)?;
        if length == -1 {
            return Ok(&[]);
        }
        let length = usize::try_from(length).map_err(|_| WireError::Length(what))?;
        self.take(length, what)
    }

    /// An array whose elements take at least one byte each; `None` when it is null.
    pub(crate) fn nullable_array<T>(
        &mut self,
        what: &'static str,
        mut element: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Option<Vec<T>>, WireError> {
        let count = self.i32(what)?;
        if count == -1 {
            return Ok(None);
        }
        let count = usize::try_from(count).map_err(|_| WireError::Length(what))?;
        if count > self.left() {
            return Err(WireError::Length(what));
        }
        // Grown as elements really arrive: an element may be larger in memory than on the wire.
        let mut elements = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// An array in which null and empty mean the same.
    pub(crate) fn array<T>(
        &mut self,
        what: &'static str,
        element: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        Ok(self.nullable_array(what, element)?.unwrap_or_default())
    }

    /// A zigzag variable-length number, as records use it.
    pub(crate) fn varint(&mut self, what: &'static str) -> Result<i64, WireError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1, what)?.first().ok_or(WireError::Short(what))?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err(WireError::Length(what))
    }
}

/// A response, a journal entry or an index file in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

macro_rules! write_number {
    ($name:ident, $type:ty) => {
        pub(crate) fn $name(&mut self, value: $type) -> &mut Self {
            self.bytes.extend_from_slice(&value.to_be_bytes());
            self
        }
    };
}

impl Writer {
    write_number!(i8, i8);
    write_number!(i16, i16);
    write_number!(i32, i32);
    write_number!(i64, i64);

    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.i8(i8::from(value))
    }

    /// A string; what would not fit its 16-bit length is cut at a character.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        let mut end = text.len().min(i16::MAX as usize);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.i16(i16::try_from(end).unwrap_or(i16::MAX));
        self.raw(text.get(..end).unwrap_or_default().as_bytes())
    }

    pub(crate) fn nullable_text(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.i16(-1),
        }
    }

    pub(crate) fn blob(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len()).raw(bytes)
    }

    /// The length of an array, or of bytes.
    pub(crate) fn count(&mut self, count: usize) -> &mut Self {
        self.i32(i32::try_from(count).unwrap_or(i32::MAX))
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn array<T>(
        &mut self,
        elements: &[T],
        mut element: impl FnMut(&mut Self, &T),
    ) -> &mut Self {
        self.count(elements.len());
        for each in elements {
            element(self, each);
        }
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Room of `length` bytes at the end, to be filled by a read.
    pub(crate) fn grow(&mut self, length: usize) -> &mut [u8] {
        let start = self.bytes.len();
        self.bytes.resize(start + length, 0);
        self.bytes.get_mut(start..).unwrap_or_default()
    }

    pub(crate) fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// Overwrites a 32-bit number that was written before.
    pub(crate) fn patch_i32(&mut self, at: usize, value: i32) {
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
