//! Opens input files: gzip, bzip2, xz, zstd or plain, told apart by their first bytes.
//!
//! Streams; what is held in memory is the window of the format. Several compressed members one
//! after the other in a file are one stream, in every format.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

const BUFFER: usize = 64 << 10;

/// Bytes read from disk, compressed, by all files of a run.
#[derive(Clone, Default)]
pub(crate) struct BytesRead(Arc<AtomicU64>);

impl BytesRead {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A format of compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

impl Compression {
    fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// The decompressed content of a file.
pub(crate) type Content = Box<dyn BufRead + Send>;

/// Opens `path` for reading from its beginning, counting what is read from disk.
pub(crate) fn open(path: &Path, bytes: &BytesRead) -> io::Result<Content> {
    let file = Counted {
        file: File::open(path)?,
        bytes: bytes.0.clone(),
    };
    content(BufReader::with_capacity(BUFFER, file))
}

/// The whole content of a file that a person names, unless it is longer than `most` bytes: any file may be named.
///
/// # Errors
/// What the system or the decompressor says.
pub fn whole(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    if fs::metadata(path)?.len() > most {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    open(path, &BytesRead::default())?
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

fn content<R: BufRead + Send + 'static>(mut raw: R) -> io::Result<Content> {
    let compression = Compression::of(raw.fill_buf()?);
    Ok(match compression {
        Compression::None => Box::new(raw),
        Compression::Gzip => buffered(flate2::bufread::MultiGzDecoder::new(raw)),
        Compression::Bzip2 => buffered(bzip2::bufread::MultiBzDecoder::new(raw)),
        Compression::Xz => buffered(liblzma::bufread::XzDecoder::new_multi_decoder(raw)),
        Compression::Zstd => buffered(zstd::stream::read::Decoder::with_buffer(raw)?),
    })
}

fn buffered<R: Read + Send + 'static>(reader: R) -> Content {
    Box::new(BufReader::with_capacity(BUFFER, reader))
}

struct Counted {
    file: File,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    fn compress(compression: Compression, plain: &[u8]) -> Vec<u8> {
        match compression {
            Compression::None => plain.to_vec(),
            Compression::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut encoder =
                    bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Zstd => zstd::stream::encode_all(plain, 1).unwrap(),
        }
    }

    const ALL: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Bzip2,
        Compression::Xz,
        Compression::Zstd,
    ];

    fn read(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        content(Cursor::new(bytes))?.read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn every_format_is_told_by_its_first_bytes_and_members_are_joined() {
        let one = vec![7_u8; 300_000];
        let two = b"second member".to_vec();
        for compression in ALL {
            let mut bytes = compress(compression, &one);
            assert_eq!(Compression::of(&bytes), compression);
            bytes.extend(compress(compression, &two));
            assert_eq!(
                read(bytes).unwrap(),
                [one.clone(), two.clone()].concat(),
                "{compression:?}"
            );
        }
    }

    #[test]
    fn a_truncated_file_is_an_error_after_what_is_there() {
        let plain: Vec<u8> = (0..200_000_u32)
            .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        for compression in ALL.into_iter().filter(|c| *c != Compression::None) {
            let mut bytes = compress(compression, &plain);
            bytes.truncate(bytes.len() - 10);
            assert!(read(bytes).is_err(), "{compression:?}");
        }
    }

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let plain = [b'a'; 1_000];
        for compression in ALL {
            fs::write(file.path(), compress(compression, &plain)).unwrap();
            let read = whole(file.path(), 1_000).unwrap();
            assert_eq!(read.as_deref(), Some(&plain[..]), "{compression:?}");
            assert_eq!(whole(file.path(), 999).unwrap(), None, "{compression:?}");
        }
    }
}
