//! Stories told against the running system: the real binary, real files, real crashes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a story that cannot be told has failed"
)]

mod bad_input;
mod copies;
mod door;
mod engine_faults;
mod faults;
mod kills;
mod load;
mod page;
mod processes;
mod program;
mod replay;
mod security;
mod site;
mod told;
