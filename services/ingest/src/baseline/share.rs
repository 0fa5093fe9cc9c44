//! How far the dump that is under way has come, for whoever looks.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Bytes of a dump: fetched, decoded, and of the whole; a dump counts half when it is fetched.
#[derive(Clone, Default)]
pub(super) struct Share(Arc<Bytes>);

#[derive(Default)]
struct Bytes {
    fetched: AtomicU64,
    decoded: AtomicU64,
    /// 0 = not known.
    total: AtomicU64,
}

impl Share {
    pub(super) fn begin(&self) {
        self.fetched(0, None);
        self.0.decoded.store(0, Relaxed);
    }

    pub(super) fn fetched(&self, bytes: u64, total: Option<u64>) {
        self.0.total.store(total.unwrap_or(0), Relaxed);
        self.0.fetched.store(bytes, Relaxed);
    }

    /// From now on the whole is known: it is there.
    pub(super) fn decoded(&self, bytes: u64, of: u64) {
        self.0.total.store(of, Relaxed);
        self.0.fetched.store(of, Relaxed);
        self.0.decoded.store(bytes, Relaxed);
    }

    /// Of 100; 0 while the size of the whole is not known.
    pub(super) fn percent(&self) -> u64 {
        let done = self.0.fetched.load(Relaxed) + self.0.decoded.load(Relaxed);
        let whole = self.0.total.load(Relaxed).saturating_mul(2);
        (done.saturating_mul(100).checked_div(whole).unwrap_or(0)).min(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetching_is_the_first_half() {
        let share = Share::default();
        share.fetched(30, None);
        assert_eq!(share.percent(), 0);
        share.fetched(30, Some(100));
        assert_eq!(share.percent(), 15);
        share.decoded(50, 100);
        assert_eq!(share.percent(), 75);
        share.begin();
        assert_eq!(share.percent(), 0);
    }
}
