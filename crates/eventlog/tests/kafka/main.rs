//! Our client against real Kafka, and against the embedded broker where both can do it. Each test
//! has topics and groups of its own; those that hurt a broker have a broker of their own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(test)]
mod access;
#[cfg(test)]
mod compaction;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod grants;
#[cfg(test)]
mod group;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod security;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod zombie;
