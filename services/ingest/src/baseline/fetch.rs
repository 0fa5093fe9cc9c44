//! One dump by HTTP into a file: broken off and gone on with, never longer than allowed, never whole in memory.
//!
//! An attempt that follows one that broke off asks for the rest (`Range`), of the very same content (`If-Range` with
//! its validator, RFC 9110, 13.1.5 and 14.2). A server that gives the whole again, or another content, begins anew.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    time::{Duration, Instant},
};

use ureq::{Agent, Body, http::Response};
use weir_lifecycle::retry::Backoff;

use super::{Failure, Order, share::Share};
use crate::config::Baseline;

/// Seconds; nobody waits longer for a table.
const A_DAY: u64 = 86_400;
const CONNECT: Duration = Duration::from_secs(10);
/// Without a byte for so long, an attempt is over.
const SILENCE: Duration = Duration::from_secs(30);
const CHUNK: usize = 64 << 10;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How one attempt ended that did not bring the whole.
enum Broken {
    /// Another attempt may help.
    Off(String),
    /// None does.
    Final(Failure),
}

impl Broken {
    fn disk(error: &io::Error) -> Self {
        Self::Final(Failure::Disk {
            reason: error.to_string(),
        })
    }
}

pub(super) struct Fetch<'a> {
    config: &'a Baseline,
    agent: Agent,
    url: &'a str,
    order: &'a Order,
    share: &'a Share,
    file: File,
    /// Bytes in the file.
    got: u64,
    /// Of the whole, once a server has said it.
    total: Option<u64>,
    /// `ETag` or `Last-Modified` of what is in the file.
    validator: Option<String>,
    deadline: Instant,
}

/// Fetches `url` into a new file at `path`.
pub(super) fn fetch(
    config: &Baseline,
    url: &str,
    path: &Path,
    order: &Order,
    share: &Share,
) -> Result<(), Failure> {
    let file = File::create(path).map_err(|error| Failure::Disk {
        reason: error.to_string(),
    })?;
    let agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .user_agent("weir")
        .build()
        .new_agent();
    let fetch = Fetch {
        config,
        agent,
        url,
        order,
        share,
        file,
        got: 0,
        total: None,
        validator: None,
        deadline: Instant::now() + Duration::from_secs(config.timeout_seconds.min(A_DAY)),
    };
    fetch.run()
}

impl Fetch<'_> {
    fn run(mut self) -> Result<(), Failure> {
        let mut fruitless = 0;
        let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let had = self.got;
            let reason = match self.attempt() {
                Ok(()) => return Ok(()),
                Err(Broken::Final(failure)) => return Err(failure),
                Err(Broken::Off(reason)) => reason,
            };
            if self.got > had {
                fruitless = 0;
                pauses.reset();
            }
            if fruitless >= self.config.retries {
                return Err(Failure::Unreachable { reason });
            }
            fruitless += 1;
            tracing::info!(
                url = self.url,
                reason,
                got = self.got,
                "a table broke off: it is gone on with"
            );
            metrics::counter!("weir_baseline_retries_total").increment(1);
            if self.order.stop.wait(pauses.wait()) {
                return Err(Failure::GivenUp);
            }
            self.go_on()?;
        }
    }

    fn go_on(&self) -> Result<(), Failure> {
        if self.order.is_given_up() {
            return Err(Failure::GivenUp);
        }
        if Instant::now() >= self.deadline {
            return Err(Failure::TimedOut {
                seconds: self.config.timeout_seconds,
            });
        }
        Ok(())
    }

    fn attempt(&mut self) -> Result<(), Broken> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let mut request = self.agent.get(self.url);
        if let (1.., Some(validator)) = (self.got, &self.validator) {
            request = request
                .header("range", format!("bytes={}-", self.got))
                .header("if-range", validator);
        }
        let request = request.config().timeout_global(Some(left)).build();
        let answer = request.call().map_err(|error| match error {
            ureq::Error::BadUri(reason) => Broken::Final(Failure::Refused { reason }),
            other => Broken::Off(other.to_string()),
        })?;
        self.begin(&answer)?;
        self.body(answer)
    }

    /// Looks at the head of an answer: from where on it goes, and how long the whole is.
    fn begin(&mut self, answer: &Response<Body>) -> Result<(), Broken> {
        let header = |name: &str| answer.headers().get(name)?.to_str().ok();
        let length = header("content-length").and_then(|text| text.parse::<u64>().ok());
        match answer.status().as_u16() {
            206 if self.got > 0 => {
                let range = header("content-range").and_then(parse_range);
                let rest = range.filter(|(from, _)| *from == self.got);
                let Some((_, total)) = rest else {
                    self.begin_anew()?;
                    let reason = "another part came than was asked for";
                    return Err(Broken::Off(reason.to_owned()));
                };
                self.total = total.or(self.total);
            }
            200 => {
                self.begin_anew()?;
                self.total = length;
                // A weak validator does not do for a part (RFC 9110, 13.1.5).
                let strong = header("etag").filter(|tag| !tag.starts_with("W/"));
                let validator = strong.or_else(|| header("last-modified"));
                self.validator = validator.map(str::to_owned);
            }
            404 | 410 => return Err(Broken::Final(Failure::Missing)),
            // The rest that was asked for is no part of it any more.
            416 => {
                self.begin_anew()?;
                return Err(Broken::Off("HTTP 416".to_owned()));
            }
            status @ (408 | 429 | 500..=599) => return Err(Broken::Off(format!("HTTP {status}"))),
            status => {
                let reason = format!("HTTP {status}");
                return Err(Broken::Final(Failure::Refused { reason }));
            }
        }
        self.total.map_or(Ok(()), |total| self.admits(total))
    }

    fn begin_anew(&mut self) -> Result<(), Broken> {
        self.got = 0;
        self.file.set_len(0).map_err(|error| Broken::disk(&error))?;
        let begin = self.file.seek(SeekFrom::Start(0));
        begin.map(drop).map_err(|error| Broken::disk(&error))
    }

    fn admits(&self, bytes: u64) -> Result<(), Broken> {
        let most = self.config.max_bytes;
        if bytes > most {
            return Err(Broken::Final(Failure::TooLarge { bytes, most }));
        }
        Ok(())
    }

    fn body(&mut self, answer: Response<Body>) -> Result<(), Broken> {
        let mut reader = answer.into_body().into_reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            self.go_on().map_err(Broken::Final)?;
            let read = match reader.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) => return Err(Broken::Off(error.to_string())),
            };
            self.admits(self.got + read as u64)?;
            let bytes = chunk.get(..read).unwrap_or_default();
            self.file
                .write_all(bytes)
                .map_err(|error| Broken::disk(&error))?;
            self.got += read as u64;
            self.share.fetched(self.got, self.total);
        }
        match self.total {
            Some(total) if self.got < total => Err(Broken::Off(format!(
                "it ended after {} of {total} bytes",
                self.got
            ))),
            _ => Ok(()),
        }
    }
}

/// `bytes 100-199/1234`: from where, and of how many.
fn parse_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let from = range.split_once('-')?.0.parse().ok()?;
    Some((from, total.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_says_where_it_begins() {
        for (text, range) in [
            ("bytes 100-199/1234", Some((100, Some(1234)))),
            ("bytes 0-9/*", Some((0, None))),
            ("bytes */1234", None),
            ("items 1-2/3", None),
        ] {
            assert_eq!(parse_range(text), range, "{text}");
        }
    }
}
