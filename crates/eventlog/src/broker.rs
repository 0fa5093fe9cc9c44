//! The embedded broker. Only its surface yet: the folder beside this file is being filled.

use std::{io, net::SocketAddr, path::PathBuf, time::Duration};

/// When the log is written through to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Never by us.
    None,
    /// At most this long after a write.
    Interval(Duration),
    /// Before each acknowledgement.
    Always,
}

/// How the broker runs.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// Where it listens; port 0 = any free one.
    pub listen: SocketAddr,
    /// Folder of its log.
    pub dir: PathBuf,
    /// When the log is written through.
    pub fsync: Fsync,
    /// Of all topics together.
    pub retention_bytes: u64,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9092)),
            dir: PathBuf::from("log"),
            fsync: Fsync::Interval(Duration::from_secs(1)),
            retention_bytes: 8 << 30,
        }
    }
}

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Something of the operating system.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A running broker; cheap to clone.
#[derive(Clone)]
pub struct Broker {
    address: SocketAddr,
}

impl Broker {
    /// Starts it.
    ///
    /// # Errors
    /// Always, until it is written.
    pub fn start(config: BrokerConfig) -> Result<Self, BrokerError> {
        Err(io::Error::other(format!("{}: the broker is not written yet", config.dir.display())).into())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes everything through to the disk.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    /// Stops it.
    pub fn stop(&self) {}
}
