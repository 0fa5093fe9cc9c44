//! The client against a broker in the same process: every test has a log of its own.

#[path = "client/dead_letter.rs"]
mod dead_letter;
#[path = "client/harness.rs"]
mod harness;
#[path = "client/publisher.rs"]
mod publisher;
#[path = "client/rebalance.rs"]
mod rebalance;
#[path = "client/subscriber.rs"]
mod subscriber;
#[path = "client/tail.rs"]
mod tail;
