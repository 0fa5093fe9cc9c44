//! How fast a replay goes: `max`, `realtime`, `20x` (event time), `20000/s` (elements).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How fast event time, or elements, pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Speed {
    /// As fast as the log takes it.
    #[default]
    Max,
    /// Event time passes this many times as fast as the clock; 1 is `realtime`.
    Times(f64),
    /// Announced + withdrawn prefixes per second.
    PerSecond(u32),
}

/// Text that is no speed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{text}\" is not a speed: want max, realtime, <n>x like 20x, or <n>/s like 20000/s")]
pub struct SpeedError {
    /// What was read.
    pub text: String,
}

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Self, SpeedError> {
        let trimmed = text.trim();
        let speed = match trimmed {
            "max" => Some(Self::Max),
            "realtime" => Some(Self::Times(1.0)),
            _ => {
                if let Some(times) = trimmed.strip_suffix('x') {
                    let times = times.trim().parse::<f64>().ok();
                    times
                        .filter(|n| n.is_finite() && (0.001..=1e6).contains(n))
                        .map(Self::Times)
                } else if let Some(rate) = trimmed.strip_suffix("/s") {
                    let rate = rate.trim().parse::<u32>().ok();
                    rate.filter(|n| *n > 0).map(Self::PerSecond)
                } else {
                    None
                }
            }
        };
        speed.ok_or_else(|| SpeedError {
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::Times(1.0) => f.write_str("realtime"),
            Self::Times(n) => write!(f, "{n}x"),
            Self::PerSecond(n) => write!(f, "{n}/s"),
        }
    }
}

impl Serialize for Speed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Speed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_read_and_shown_in_the_same_words() {
        for (text, speed) in [
            ("max", Speed::Max),
            ("realtime", Speed::Times(1.0)),
            ("60x", Speed::Times(60.0)),
            ("0.5x", Speed::Times(0.5)),
            ("20000/s", Speed::PerSecond(20_000)),
        ] {
            assert_eq!(text.parse(), Ok(speed));
            assert_eq!(speed.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_speed_is_refused_with_what_is() {
        for text in [
            "", "fast", "x", "-1x", "0x", "0/s", "nanx", "infx", "20", "1.5/s", "20/m",
        ] {
            let error = text.parse::<Speed>().unwrap_err().to_string();
            assert!(error.contains("want max, realtime"), "{error}");
        }
    }
}
