//! How long dispatches take that queue up behind each other.
//!
//! The host knows when it submitted a dispatch, when it began to wait for it and when it had the result. A dispatch starts
//! when it is submitted and the one before it is over. Where the host was waiting for that one, it saw the end of it; where
//! the result was there already, the end may have been any time before, and the time found is too long rather than too short:
//! what follows from it is how much the next dispatch gets, and watchdogs kill long ones. It is too long by no more than the
//! host was busy with other things.

use std::time::{Duration, Instant};

/// A wait that was at least so long saw the end of what it waited for.
const NOTICEABLE: Duration = Duration::from_millis(1);

/// Times the dispatches of one queue, in the order of their submits.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    /// The last dispatch was not over before.
    busy_until: Option<Instant>,
}

impl Stopwatch {
    /// How long a dispatch had the device, at most about.
    pub(super) fn took(&mut self, submitted: Instant, waited_from: Instant, finished: Instant) -> Duration {
        let started = self.busy_until.map_or(submitted, |until| until.max(submitted));
        let was_seen = finished.saturating_duration_since(waited_from) >= NOTICEABLE;
        self.busy_until = Some(if was_seen { finished } else { started });
        finished.saturating_duration_since(started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A queue that takes these times, two dispatches in it, and a host that is busy for so long after each wait. Returns
    /// the times found.
    fn run(times: &[Duration], busy: Duration) -> Vec<Duration> {
        let mut stopwatch = Stopwatch::default();
        let mut now = Instant::now();
        let mut free_at = now;
        let mut submit = |now: Instant, took: Duration| {
            free_at = free_at.max(now) + took;
            (now, free_at)
        };
        let mut queued: Vec<_> = times.iter().take(2).map(|&took| submit(now, took)).collect();
        let mut found = Vec::new();
        for i in 0..times.len() {
            let (submitted, end) = queued[i];
            let waited_from = now;
            now = now.max(end);
            found.push(stopwatch.took(submitted, waited_from, now));
            queued.extend(times.get(i + 2).map(|&took| submit(now, took)));
            now += busy;
        }
        found
    }

    #[test]
    fn waiting_behind_another_dispatch_does_not_count() {
        let times = [50 * MS, 200 * MS, 20 * MS, 100 * MS, 100 * MS, 7 * MS];
        assert_eq!(run(&times, Duration::ZERO), times);
        assert_eq!(run(&times, 2 * MS), times);
    }

    #[test]
    fn a_host_that_comes_late_finds_no_time_that_is_too_short() {
        let times = [50 * MS, 3 * MS, 4 * MS, 90 * MS, MS / 2, MS / 2, MS / 2, 30 * MS, MS / 3, 80 * MS];
        for busy in [MS / 10, MS, 5 * MS, 20 * MS, 60 * MS] {
            for (i, (found, took)) in run(&times, busy).into_iter().zip(times).enumerate() {
                // Busy after each of the two waits before this one.
                let most = took + 2 * busy + 2 * NOTICEABLE;
                assert!(took <= found + NOTICEABLE && found <= most, "{i}: {found:?} for {took:?}, busy {busy:?}");
            }
        }
    }

    #[test]
    fn where_nothing_is_queued_it_is_the_time_since_the_submit() {
        let mut stopwatch = Stopwatch::default();
        let start = Instant::now();
        assert_eq!(stopwatch.took(start, start, start + 9 * MS), 9 * MS);
        let later = start + 50 * MS;
        assert_eq!(stopwatch.took(later, later, later + 5 * MS), 5 * MS);
    }
}
