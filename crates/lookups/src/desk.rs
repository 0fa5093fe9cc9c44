//! Where the tasks of a process take questions: one seat per partition that it has. Bounded: who comes when too many
//! wait is sent away, and who waits too long goes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use weir_routing::{Asn, Prefix};

use crate::v1;

/// Questions of one partition that may wait.
pub const MOST_WAITING: usize = 64;

/// Longest that a question waits for its answer.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// What is known of a prefix.
    Prefix(Prefix),
    /// What is known of a network.
    Asn(Asn),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To a question for a prefix.
    Prefix(v1::LookUpPrefixResponse),
    /// To a question for a network.
    Asn(v1::LookUpAsnResponse),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// No task of this process has the partition.
    #[error("partition {partition} of bgp-updates is not here: service-status says who has it")]
    Elsewhere {
        /// Which.
        partition: u32,
    },
    /// The task cannot answer yet.
    #[error("partition {partition} of bgp-updates {why}: ask again in some seconds")]
    NotReady {
        /// Which.
        partition: u32,
        /// What it is about.
        why: &'static str,
    },
    /// The queue is full.
    #[error(
        "{MOST_WAITING} questions wait for partition {partition} of bgp-updates: ask again later"
    )]
    TooMany {
        /// Which.
        partition: u32,
    },
    /// The task did not come to it, or the partition went away meanwhile.
    #[error(
        "the task of partition {partition} of bgp-updates did not answer within {PATIENCE:?}: ask again"
    )]
    Late {
        /// Which.
        partition: u32,
    },
}

/// A question that waits.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub question: Question,
    reply: oneshot::Sender<Answer>,
}

impl Asked {
    /// Answers; who has gone meanwhile does not hear it.
    pub fn answer(self, answer: Answer) {
        let _ = self.reply.send(answer);
    }
}

/// Cheap to clone; all clones are one desk.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    seats: BTreeMap<u32, Taken>,
    /// Seats that were ever taken.
    taken: u64,
}

#[derive(Debug)]
struct Taken {
    id: u64,
    /// Why it does not answer.
    closed: Option<&'static str>,
    questions: mpsc::Sender<Asked>,
}

impl Desk {
    /// The seat of a partition for the task that has it now. It answers once it is [open](Seat::open).
    #[must_use]
    pub fn sit(&self, partition: u32) -> Seat {
        let (questions, waiting) = mpsc::channel(MOST_WAITING);
        let mut inner = self.inner.lock();
        inner.taken += 1;
        let id = inner.taken;
        let taken = Taken {
            id,
            closed: Some("is being restored"),
            questions,
        };
        // Whoever sat there has lost it.
        inner.seats.insert(partition, taken);
        Seat {
            desk: self.clone(),
            partition,
            id,
            waiting,
        }
    }

    /// The partitions that have a task here, ascending.
    #[must_use]
    pub fn partitions(&self) -> Vec<u32> {
        self.inner.lock().seats.keys().copied().collect()
    }

    /// Asks the task of a partition.
    ///
    /// # Errors
    /// When there is none, or it does not answer in time.
    pub async fn ask(&self, partition: u32, question: Question) -> Result<Answer, Unanswered> {
        let (reply, answer) = oneshot::channel();
        self.hand_in(partition, Asked { question, reply })?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            // The seat was left.
            Ok(Err(_)) => Err(Unanswered::Elsewhere { partition }),
            Err(_) => Err(Unanswered::Late { partition }),
        }
    }

    fn hand_in(&self, partition: u32, asked: Asked) -> Result<(), Unanswered> {
        let inner = self.inner.lock();
        let Some(taken) = inner.seats.get(&partition) else {
            return Err(Unanswered::Elsewhere { partition });
        };
        if let Some(why) = taken.closed {
            return Err(Unanswered::NotReady { partition, why });
        }
        taken
            .questions
            .try_send(asked)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Unanswered::TooMany { partition },
                mpsc::error::TrySendError::Closed(_) => Unanswered::Elsewhere { partition },
            })
    }
}

/// The seat of one task. Leaving it, by dropping, sends away who waits.
#[derive(Debug)]
pub struct Seat {
    desk: Desk,
    partition: u32,
    id: u64,
    waiting: mpsc::Receiver<Asked>,
}

impl Seat {
    /// From now on questions are taken.
    pub fn open(&self) {
        self.set(None);
    }

    /// From now on none are, because the task is about something else: `waits for knowledge`.
    pub fn close(&self, why: &'static str) {
        self.set(Some(why));
    }

    fn set(&self, closed: Option<&'static str>) {
        let mut inner = self.desk.inner.lock();
        if let Some(taken) = inner.seats.get_mut(&self.partition)
            && taken.id == self.id
        {
            taken.closed = closed;
        }
    }

    /// The next question that somebody still waits for.
    pub fn take(&mut self) -> Option<Asked> {
        loop {
            let asked = self.waiting.try_recv().ok()?;
            if !asked.reply.is_closed() {
                return Some(asked);
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.desk.inner.lock();
        let own = inner.seats.get(&self.partition);
        if own.is_some_and(|taken| taken.id == self.id) {
            inner.seats.remove(&self.partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        Question::Asn(Asn(64_500))
    }

    fn answer(as_of_us: i64) -> Answer {
        Answer::Asn(v1::LookUpAsnResponse {
            as_of_us,
            ..v1::LookUpAsnResponse::default()
        })
    }

    #[tokio::test]
    async fn a_task_answers_while_it_has_its_partition() {
        let desk = Desk::default();
        let elsewhere = Unanswered::Elsewhere { partition: 3 };
        assert_eq!(desk.ask(3, question()).await, Err(elsewhere.clone()));
        let mut seat = desk.sit(3);
        assert_eq!(desk.partitions(), [3]);
        let why = "is being restored";
        let restoring = Unanswered::NotReady { partition: 3, why };
        assert_eq!(desk.ask(3, question()).await, Err(restoring));
        seat.open();
        let asking = desk.ask(3, question());
        let answering = async {
            let asked = loop {
                match seat.take() {
                    Some(asked) => break asked,
                    None => tokio::task::yield_now().await,
                }
            };
            assert_eq!(asked.question, question());
            asked.answer(answer(7));
        };
        let (answered, ()) = tokio::join!(asking, answering);
        assert_eq!(answered, Ok(answer(7)));
        drop(seat);
        assert_eq!(desk.partitions(), [0; 0]);
        assert_eq!(desk.ask(3, question()).await, Err(elsewhere));
    }

    #[tokio::test]
    async fn who_waits_when_the_partition_goes_is_sent_away() {
        let desk = Desk::default();
        let seat = desk.sit(1);
        seat.open();
        let leaving = async {
            tokio::task::yield_now().await;
            drop(seat);
        };
        let (answered, ()) = tokio::join!(desk.ask(1, question()), leaving);
        assert_eq!(answered, Err(Unanswered::Elsewhere { partition: 1 }));
    }

    #[tokio::test]
    async fn a_seat_that_was_taken_anew_is_not_closed_by_who_sat_there_before() {
        let desk = Desk::default();
        let before = desk.sit(1);
        let after = desk.sit(1);
        after.open();
        before.close("waits for knowledge");
        drop(before);
        assert_eq!(desk.partitions(), [1]);
        let (reply, _answer) = oneshot::channel();
        let asked = Asked {
            question: question(),
            reply,
        };
        assert_eq!(desk.hand_in(1, asked), Ok(()));
    }

    #[tokio::test]
    async fn too_many_are_sent_away_and_who_has_gone_takes_nobodys_time() {
        let desk = Desk::default();
        let mut seat = desk.sit(1);
        seat.open();
        let mut waiting = Vec::new();
        for _ in 0..MOST_WAITING {
            let (reply, answer) = oneshot::channel();
            waiting.push(answer);
            let question = question();
            desk.hand_in(1, Asked { question, reply }).unwrap();
        }
        let too_many = Unanswered::TooMany { partition: 1 };
        assert_eq!(desk.ask(1, question()).await, Err(too_many));
        waiting.truncate(1);
        assert!(seat.take().is_some());
        assert!(seat.take().is_none());
    }
}
