//! Ingest against the embedded broker: what is in the log after each story.

#[cfg(test)]
mod crash;
#[cfg(test)]
mod knowledge;
#[cfg(test)]
mod live;
#[cfg(test)]
mod real;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod support;
#[cfg(test)]
mod watched;
