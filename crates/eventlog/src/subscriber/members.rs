//! The poll thread of a subscriber: carries out what the group decides, and never stops polling.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use weir_events::topics::Topic;

use super::{
    Shared, Task,
    ends::{End, Running},
    joining::Joining,
    partition::{Assignment, Phase, Signal},
    positions::Positions,
    retakes::Retakes,
};
use crate::{
    EventLog, LogError, Trouble,
    kafka::group::{Decision, Ending, Member},
};

/// How long a task may take to finish after a revocation, and never more than a fifth of
/// `max_poll_interval_ms`, after which the group would call the whole member dead.
pub(super) const REVOKE_BUDGET: Duration = Duration::from_secs(60);
/// A group whose members all answer settles within that.
const SETTLED: Duration = Duration::from_secs(3);
/// Before a client that can do nothing more is made anew, the first time and at most.
const REJOIN: Duration = Duration::from_millis(500);
const REJOIN_MAX: Duration = Duration::from_secs(10);
/// One turn of the poll loop while nothing is under way, and while something is.
const TURN: Duration = Duration::from_millis(50);
const SHORT_TURN: Duration = Duration::from_millis(2);

/// Partitions that are being given back together, as the group asked for them.
struct Release {
    partitions: Vec<u32>,
    deadline: Instant,
}

/// All that the poll thread owns.
pub(super) struct Members {
    log: EventLog,
    group: String,
    topic: Topic,
    member: Member,
    joining: Joining,
    task: Arc<Task>,
    shared: Arc<Shared>,
    /// When the client, which can do nothing more, is made anew.
    rejoin: Option<Instant>,
    /// How long the next one waits.
    patience: Duration,
    /// The client can do nothing more, and a new one would not either.
    ended: bool,
    running: BTreeMap<u32, Running>,
    releases: Vec<Release>,
    /// Threads whose partition is gone but which have not ended.
    overdue: Vec<(u32, Running)>,
    /// Assigned again before the thread of the last assignment has ended.
    waiting: Vec<u32>,
    /// Ours, but without a task until they are taken anew.
    retakes: Retakes,
    positions: Positions,
}

impl Members {
    pub(super) fn new(joining: Joining, member: Member, task: Arc<Task>) -> Self {
        Self {
            log: joining.log.clone(),
            group: joining.group.clone(),
            topic: joining.topic,
            retakes: Retakes::new(&joining.group, joining.topic.name),
            shared: Arc::clone(&joining.shared),
            joining,
            member,
            task,
            rejoin: None,
            patience: REJOIN,
            ended: false,
            running: BTreeMap::new(),
            releases: Vec::new(),
            overdue: Vec::new(),
            waiting: Vec::new(),
            positions: Positions::default(),
        }
    }

    pub(super) fn run(mut self) {
        let stop_by = loop {
            let turn = if self.releases.is_empty() && self.overdue.is_empty() {
                TURN
            } else {
                SHORT_TURN
            };
            self.poll(turn);
            while let Some(decision) = self.member.decision() {
                self.carry_out(decision);
            }
            self.advance();
            self.mend();
            self.positions.tell(&self.member, &self.running);
            if let Some(stop_by) = *self.shared.stop_by.lock() {
                break stop_by;
            }
        };
        self.stop(stop_by);
    }

    fn poll(&self, turn: Duration) {
        match self.member.serve(turn) {
            Ok(()) => {}
            Err(error @ LogError::Misuse { .. }) => self.shared.fail(&error.to_string()),
            // The client goes on by itself, and its voice has told.
            Err(error) => {
                tracing::debug!(group = self.group, %error, "while polling");
                if error.trouble() != Trouble::Other {
                    let waiting = &self.shared.waiting;
                    waiting.member(&self.group, error.trouble(), &error.to_string());
                }
            }
        }
    }

    /// Makes the client anew when it can do nothing more and a new one may.
    fn mend(&mut self) {
        if self.ended {
            return;
        }
        if let Some(at) = self.rejoin {
            // Whoever still works for the old client is heard out first.
            let idle = self.running.is_empty() && self.releases.is_empty();
            if idle && Instant::now() >= at {
                self.join_again();
            }
            return;
        }
        let Some(ending) = self.member.ending() else {
            return;
        };
        // Whatever we had, it may belong to somebody else already.
        let partitions: Vec<u32> = self.running.keys().copied().collect();
        self.retakes.clear();
        self.carry_out(Decision::Revoked {
            partitions,
            lost: true,
        });
        match ending {
            Ending::NoNewProtocol => {
                tracing::info!(
                    group = self.group,
                    "the brokers refuse the group protocol `consumer`: going on with the classic one"
                );
                self.log.fall_back();
                self.rejoin = Some(Instant::now());
            }
            Ending::Wait(reason) => {
                let waiting = &self.shared.waiting;
                waiting.member(&self.group, Trouble::Permission, &reason);
                self.rejoin = Some(Instant::now() + self.patience);
                self.patience = (self.patience * 2).min(REJOIN_MAX);
            }
            Ending::Fenced(reason) => self.end(&format!(
                "{reason}: another process goes by the same name; give each its own \
                 group_instance_id"
            )),
            Ending::Other(reason) => self.end(&reason),
        }
    }

    fn join_again(&mut self) {
        match self.joining.try_join() {
            Ok(member) => {
                // The old one carries out by itself what is still decided for it.
                self.member.close();
                self.member = member;
                self.rejoin = None;
            }
            Err(error) => self.end(&error.to_string()),
        }
    }

    fn end(&mut self, reason: &str) {
        self.ended = true;
        self.shared.fail(&format!("group {}: {reason}", self.group));
    }

    fn carry_out(&mut self, decision: Decision) {
        match decision {
            Decision::Assigned(partitions) => {
                tracing::info!(
                    group = self.group,
                    topic = self.topic.name,
                    ?partitions,
                    "assigned"
                );
                self.count_rebalance();
                self.patience = REJOIN;
                self.member.well();
                self.shared.waiting.joined();
                self.assign(&partitions);
            }
            Decision::Revoked { partitions, lost } => {
                tracing::info!(
                    group = self.group,
                    topic = self.topic.name,
                    ?partitions,
                    lost,
                    "revoked"
                );
                self.count_rebalance();
                self.waiting.retain(|waiting| !partitions.contains(waiting));
                self.retakes.forget(&partitions);
                let phase = if lost { Phase::Lost } else { Phase::Revoked };
                for partition in &partitions {
                    if let Some(running) = self.running.get(partition) {
                        running.signal.turn(phase);
                    }
                }
                let budget = if lost {
                    Duration::ZERO
                } else {
                    self.revoke_budget()
                };
                self.releases.push(Release {
                    partitions,
                    deadline: Instant::now() + budget,
                });
            }
        }
    }

    fn revoke_budget(&self) -> Duration {
        let longest = Duration::from_millis(self.log.config().max_poll_interval_ms.into());
        REVOKE_BUDGET.min(longest / 5)
    }

    fn count_rebalance(&mut self) {
        // Between two generations a group refuses what it is told.
        self.positions.forget();
        metrics::counter!("rebalance_total", "group" => self.group.clone()).increment(1);
    }

    fn assign(&mut self, partitions: &[u32]) {
        // The queues are split off before the client begins to fetch.
        let mut ready = Vec::new();
        for &partition in partitions {
            if self
                .overdue
                .iter()
                .any(|(overdue, _)| *overdue == partition)
            {
                self.waiting.push(partition);
            }
            match self.assignment(partition) {
                Ok(assignment) => ready.push(assignment),
                Err(error) => self.shared.fail(&error.to_string()),
            }
        }
        if let Err(error) = self.member.accept(partitions) {
            self.shared.fail(&error.to_string());
            return;
        }
        for (assignment, signal) in ready {
            if !self.waiting.contains(&assignment.partition) {
                self.spawn(assignment, signal);
            }
        }
    }

    fn assignment(&self, partition: u32) -> Result<(Assignment, Arc<Signal>), LogError> {
        Assignment::new(&self.joining, &self.member, partition)
    }

    fn spawn(&mut self, assignment: Assignment, signal: Arc<Signal>) {
        let partition = assignment.partition;
        let task = Arc::clone(&self.task);
        let spawned = std::thread::Builder::new()
            .name(format!("{}-{partition}", self.group))
            .spawn(move || task(assignment));
        match spawned {
            Ok(thread) => {
                let running = Running {
                    signal,
                    thread,
                    failed: false,
                };
                let signal = Arc::clone(&running.signal);
                self.shared.held.lock().insert(partition, signal);
                self.running.insert(partition, running);
            }
            Err(error) => self
                .shared
                .fail(&format!("no thread for partition {partition}: {error}")),
        }
    }

    /// Whatever can go on: tasks that ended, partitions that can be given back or taken on.
    fn advance(&mut self) {
        for running in self.running.values_mut() {
            if !running.failed
                && running.signal.phase() == Phase::Ours
                && running.thread.is_finished()
            {
                running.failed = true;
            }
        }
        let ended: Vec<u32> = self
            .running
            .iter()
            .filter(|(_, running)| running.failed)
            .map(|(partition, _)| *partition)
            .collect();
        for partition in ended {
            if let Some(running) = self.remove(partition) {
                self.judge(partition, running, true);
            }
        }

        for release in std::mem::take(&mut self.releases) {
            self.release(release);
        }

        for (partition, running) in std::mem::take(&mut self.overdue) {
            if running.thread.is_finished() {
                self.judge(partition, running, false);
            } else {
                self.overdue.push((partition, running));
            }
        }
        for partition in std::mem::take(&mut self.waiting) {
            if self
                .overdue
                .iter()
                .any(|(overdue, _)| *overdue == partition)
            {
                self.waiting.push(partition);
                continue;
            }
            self.begin(partition);
        }
        while let Some(partition) = self.retakes.next(Instant::now()) {
            self.begin(partition);
        }
    }

    /// Runs the task of a partition that the client has accepted already.
    fn begin(&mut self, partition: u32) {
        match self.assignment(partition) {
            Ok((assignment, signal)) => self.spawn(assignment, signal),
            Err(error) => self.shared.fail(&error.to_string()),
        }
    }

    /// Gives partitions back when their threads have ended or their time is over.
    fn release(&mut self, release: Release) {
        let finished = release.partitions.iter().all(|partition| {
            self.running
                .get(partition)
                .is_none_or(|running| running.thread.is_finished())
        });
        if !finished && Instant::now() < release.deadline {
            self.releases.push(release);
            return;
        }
        self.collect(&release.partitions, release.deadline);
        if let Err(error) = self.member.release(&release.partitions) {
            tracing::warn!(group = self.group, %error, "partitions not given back");
        }
    }

    /// Ends the tasks of `partitions`, and commits the positions of those that finished as ours, if the
    /// group takes them by then, or soon.
    fn collect(&mut self, partitions: &[u32], by: Instant) {
        let mut positions = Vec::new();
        for partition in partitions {
            let Some(running) = self.remove(*partition) else {
                continue;
            };
            if running.thread.is_finished() {
                if running.signal.phase() == Phase::Revoked
                    && let Some(next) = running.signal.committed()
                {
                    positions.push((*partition, next));
                }
                self.judge(*partition, running, false);
            } else {
                running.signal.turn(Phase::Lost);
                self.overdue.push((*partition, running));
            }
        }
        let soon = Instant::now() + SETTLED;
        if let Err(error) = self.member.commit_last(&positions, by.max(soon)) {
            tracing::warn!(group = self.group, %error, "last positions not committed");
        }
    }

    /// The task of the partition works for us no longer.
    fn remove(&mut self, partition: u32) -> Option<Running> {
        self.shared.held.lock().remove(&partition);
        self.running.remove(&partition)
    }

    /// `early` = the partition of this thread, which has ended, is still ours.
    fn judge(&mut self, partition: u32, running: Running, early: bool) {
        let reason = match running.end(early) {
            End::Quiet => return,
            End::Overtaken(error) => {
                self.retakes.plan(partition, &error, Instant::now());
                return;
            }
            End::Failed(reason) => reason,
        };
        tracing::error!(
            group = self.group,
            topic = self.topic.name,
            partition,
            error = reason,
            "a task failed"
        );
        self.shared.fail(&format!(
            "{}: task of {}/{partition}: {reason}",
            self.group, self.topic.name
        ));
    }

    /// Takes everything back, leaves the group.
    fn stop(mut self, stop_by: Instant) {
        self.waiting.clear();
        for running in self.running.values() {
            running.signal.turn(Phase::Revoked);
        }
        while self
            .running
            .values()
            .any(|running| !running.thread.is_finished())
            && Instant::now() < stop_by
        {
            self.poll(SHORT_TURN);
            self.decide_while_stopping();
        }
        let all: Vec<u32> = self.running.keys().copied().collect();
        self.collect(&all, stop_by);
        self.decide_while_stopping();
        // The group waits for these before it lets us go.
        for release in std::mem::take(&mut self.releases) {
            if let Err(error) = self.member.release(&release.partitions) {
                tracing::debug!(group = self.group, %error, "partitions not given back");
            }
        }
        for (partition, running) in std::mem::take(&mut self.overdue) {
            if running.thread.is_finished() {
                self.judge(partition, running, false);
            } else {
                self.shared.fail(&format!(
                    "{}: task of {}/{partition} did not end in time",
                    self.group, self.topic.name
                ));
            }
        }
        self.member.close();
    }

    /// What comes now is answered, but no task is started, and what is revoked waits for its task
    /// like everything else.
    fn decide_while_stopping(&mut self) {
        while let Some(decision) = self.member.decision() {
            match decision {
                Decision::Assigned(partitions) => {
                    if let Err(error) = self.member.accept(&partitions) {
                        tracing::debug!(group = self.group, %error, "assigned while stopping");
                    }
                }
                Decision::Revoked { partitions, lost } => {
                    for partition in &partitions {
                        if lost && let Some(running) = self.running.get(partition) {
                            running.signal.turn(Phase::Lost);
                        }
                    }
                    self.releases.push(Release {
                        partitions,
                        deadline: Instant::now(),
                    });
                }
            }
        }
    }
}
