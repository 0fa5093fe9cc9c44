//! Ingest against the embedded broker: what is in the log after each story.

#[cfg(test)]
mod baseline;
#[cfg(test)]
mod bmp;
#[cfg(test)]
#[path = "../../../../crates/routing/tests/decoders/bmp_bytes.rs"]
mod bmp_bytes;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod kafka;
#[cfg(test)]
mod knowledge;
#[cfg(test)]
mod live;
#[cfg(test)]
#[path = "../../../../crates/routing/tests/decoders/mrt_bytes.rs"]
mod mrt_bytes;
#[cfg(test)]
mod openbmp;
#[cfg(test)]
mod real;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod rtr;
#[cfg(test)]
mod support;
#[cfg(test)]
mod watched;
