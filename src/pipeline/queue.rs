//! One queue of batches: a reader fills it, workers take from it, and none runs far ahead of the writer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::WAITING_BATCHES;

/// Batches between the reader and the workers.
pub(super) struct Queue<R, E> {
    state: Mutex<State<R, E>>,
    changed: Condvar,
    /// A batch is taken only while fewer than so many before it have not been handed on: results wait for those of earlier
    /// batches, and must not pile up behind a slow worker.
    most_ahead: usize,
}

struct State<R, E> {
    /// In order, with their numbers.
    waiting: VecDeque<(usize, Result<R, E>)>,
    n_read: usize,
    n_handed_on: usize,
    /// Workers that have a batch and may give it back.
    n_in_work: usize,
    /// Workers that have not given up.
    n_workers: usize,
    is_read_out: bool,
    is_closed: bool,
}

impl<R, E> Queue<R, E> {
    pub(super) fn new(n_workers: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            n_read: 0,
            n_handed_on: 0,
            n_in_work: 0,
            n_workers,
            is_read_out: false,
            is_closed: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), most_ahead: (2 * n_workers).saturating_sub(1) }
    }

    fn lock(&self) -> MutexGuard<'_, State<R, E>> {
        // Nothing under the lock can panic halfway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State<R, E>) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_all();
        changed
    }

    /// The reader's side; when it is dropped there will be no more batches.
    pub(super) fn reading(&self) -> Reading<'_, R, E> {
        Reading(self)
    }

    /// Puts a batch behind the others once there is room; false where nobody wants it any more.
    pub(super) fn put(&self, batch: Result<R, E>) -> bool {
        let is_full = |state: &mut State<R, E>| state.waiting.len() >= WAITING_BATCHES && !state.is_closed;
        let mut state = self.changed.wait_while(self.lock(), is_full).unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return false;
        }
        let number = state.n_read;
        state.n_read += 1;
        state.waiting.push_back((number, batch));
        drop(state);
        self.changed.notify_all();
        true
    }

    /// The next batch; waits for one, and for the writer to come near. Nothing at the end.
    pub(super) fn take(&self) -> Option<(Task<'_, R, E>, Result<R, E>)> {
        let mut state = self.lock();
        loop {
            let n_most = state.n_handed_on + self.most_ahead;
            // A worker that has a batch may still give it back.
            let is_over = state.is_read_out && state.waiting.is_empty() && state.n_in_work == 0;
            if state.is_closed || is_over {
                return None;
            }
            if state.waiting.front().is_some_and(|&(number, _)| number < n_most)
                && let Some((number, batch)) = state.waiting.pop_front()
            {
                state.n_in_work += 1;
                drop(state);
                self.changed.notify_all();
                return Some((Task { queue: self, number }, batch));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// One more batch is with the writer.
    pub(super) fn handed_on(&self) {
        self.change(|state| state.n_handed_on += 1);
    }

    /// Nobody gets or brings another batch.
    pub(super) fn close(&self) {
        self.change(|state| state.is_closed = true);
    }
}

/// Says that the reader is through, also where it panics.
pub(super) struct Reading<'q, R, E>(&'q Queue<R, E>);

impl<R, E> Drop for Reading<'_, R, E> {
    fn drop(&mut self) {
        self.0.change(|state| state.is_read_out = true);
    }
}

/// A batch in work. Dropped, it is done.
pub(super) struct Task<'q, R, E> {
    queue: &'q Queue<R, E>,
    number: usize,
}

impl<R, E> Task<'_, R, E> {
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Puts the batch back in its place, for another worker: this one ends. False where it is the last one.
    pub(super) fn give_back(&self, batch: R) -> bool {
        self.queue.change(|state| {
            if state.n_workers <= 1 {
                return false;
            }
            state.n_workers -= 1;
            let place = state.waiting.partition_point(|&(number, _)| number < self.number);
            state.waiting.insert(place, (self.number, Ok(batch)));
            true
        })
    }
}

impl<R, E> Drop for Task<'_, R, E> {
    fn drop(&mut self) {
        let is_panicking = std::thread::panicking();
        self.queue.change(|state| {
            state.n_in_work -= 1;
            // The others must not wait for what never comes.
            state.is_closed |= is_panicking;
        });
    }
}
