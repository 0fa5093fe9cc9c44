//! Crashing at a named step, so that tests can prove what survives it.

/// Dies here, as if the power had failed, when the environment says so: `WEIR_CRASH_AT=name` at
/// the first time, `WEIR_CRASH_AT=name:N` at the N-th. Only in builds with debug assertions; in
/// releases it is nothing.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn crash_point(_name: &'static str) {}

/// Dies here, as if the power had failed, when the environment says so: `WEIR_CRASH_AT=name` at
/// the first time, `WEIR_CRASH_AT=name:N` at the N-th. Only in builds with debug assertions; in
/// releases it is nothing.
#[cfg(debug_assertions)]
pub fn crash_point(name: &'static str) {
    armed::PLAN.pass(name, armed::kill);
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    };

    /// Read once, at the first crash point that is passed.
    pub(super) static PLAN: LazyLock<Plan> =
        LazyLock::new(|| Plan::read(std::env::var("WEIR_CRASH_AT").ok().as_deref()));

    pub(super) struct Plan {
        /// Where, and how many passes are left.
        at: Option<(String, AtomicU64)>,
    }

    impl Plan {
        pub(super) fn read(text: Option<&str>) -> Self {
            let at = text.filter(|text| !text.is_empty()).map(|text| {
                let counted = text
                    .rsplit_once(':')
                    .and_then(|(name, times)| Some((name, times.parse().ok()?)));
                let (name, times) = counted.unwrap_or((text, 1));
                (name.to_owned(), AtomicU64::new(times))
            });
            Self { at }
        }

        pub(super) fn pass(&self, name: &str, die: impl FnOnce()) {
            if let Some((at, left)) = &self.at
                && at == name
                && left.fetch_sub(1, Ordering::Relaxed) == 1
            {
                die();
            }
        }
    }

    pub(super) fn kill() {
        // Nothing is flushed and no destructor runs.
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // Should a signal ever be refused.
        std::process::abort();
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::armed::Plan;

    fn deaths(plan: Option<&str>, passes: &[&str]) -> Vec<usize> {
        let plan = Plan::read(plan);
        let mut deaths = Vec::new();
        for (index, name) in passes.iter().enumerate() {
            plan.pass(name, || deaths.push(index));
        }
        deaths
    }

    #[test]
    fn it_dies_once_at_the_named_pass_of_the_named_point() {
        let none: [usize; 0] = [];
        let passes = ["a", "b", "a:x", "a", "a"];
        assert_eq!(deaths(None, &passes), none);
        assert_eq!(deaths(Some(""), &passes), none);
        assert_eq!(deaths(Some("a"), &passes), [0]);
        assert_eq!(deaths(Some("a:2"), &passes), [3]);
        assert_eq!(deaths(Some("a:x"), &passes), [2]);
        assert_eq!(deaths(Some("c"), &passes), none);
    }
}
