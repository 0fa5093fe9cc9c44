//! The client against a broker in the same process: every test has a log of its own.

#[cfg(test)]
mod admin;
#[cfg(test)]
mod dead_letter;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod publisher;
#[cfg(test)]
mod rebalance;
#[cfg(test)]
mod retake;
#[cfg(test)]
mod subscriber;
#[cfg(test)]
mod tail;
