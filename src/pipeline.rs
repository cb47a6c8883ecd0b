//! Reading, computing and writing at the same time, in order, with a few batches in memory.
//!
//! ```text
//!                          ┌▶ worker thread ─┐
//! reader thread ──1 batch──┼▶ worker thread ─┼─▶ this thread: in order ──1 batch──▶ writer thread
//!                          └▶ …              ┘
//! ```
//!
//! With one worker at most five batches are alive, however many there are; every other worker adds two. What comes out is
//! what doing one after the other gives, however many workers there are: the same batches in the same order, and where
//! several stages fail, the failure of the earliest batch.

mod queue;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use queue::Queue;

/// Batches that wait between two stages.
const WAITING_BATCHES: usize = 1;
/// How often `stop` is asked while there is nothing to do.
const POLL: Duration = Duration::from_millis(50);

/// The last stage. Any closure is one; a type is given back with what it holds.
pub trait WriteStage<W, E> {
    /// Takes the results of one batch.
    ///
    /// # Errors
    /// Ends the run.
    fn write(&mut self, results: W) -> Result<(), E>;
}

impl<W, E, F: FnMut(W) -> Result<(), E>> WriteStage<W, E> for F {
    fn write(&mut self, results: W) -> Result<(), E> {
        self(results)
    }
}

/// Why a worker has no results for a batch.
#[derive(Debug)]
pub enum Refusal<R, E> {
    /// The run ends with this.
    Failed(E),
    /// This worker ends, and another takes its batch. Where there is no other, the run ends with the error.
    Retired(R, E),
}

impl<R, E> From<E> for Refusal<R, E> {
    fn from(error: E) -> Self {
        Self::Failed(error)
    }
}

/// The stages. A batch is an `R` when it has been read and a `W` when it has been computed.
pub struct Stages<Read, Compute, Write, Stop, Abandon> {
    /// The next batch, or nothing at the end. Runs on a thread of its own.
    pub read: Read,
    /// Workers that take the next batch whenever they are free, each on a thread of its own; at least one.
    pub compute: Vec<Compute>,
    /// Takes results. Runs on a thread of its own, and is dropped there when a run fails.
    pub write: Write,
    /// Asked again and again; an error ends the run once the batches in work are done and written.
    pub stop: Stop,
    /// Told of the failure when the writer has ended and the reader may still be waiting for input that never comes.
    /// A program that must not wait with it ends here.
    pub abandon: Abandon,
}

/// Runs all stages to the end and gives the writer back.
///
/// # Errors
/// The failure of the earliest batch. Every batch before it has been written, unless writing failed.
///
/// # Panics
/// Where a stage does.
pub fn run<R, W, E, Read, Compute, Write, Stop, Abandon>(
    stages: Stages<Read, Compute, Write, Stop, Abandon>,
) -> Result<Write, E>
where
    R: Send,
    W: Send,
    E: Send,
    Read: FnMut() -> Result<Option<R>, E> + Send,
    Compute: FnMut(R) -> Result<W, Refusal<R, E>> + Send,
    Write: WriteStage<W, E> + Send,
    Stop: Fn() -> Result<(), E>,
    Abandon: FnOnce(E) -> E,
{
    let Stages { read, compute, write, stop, abandon } = stages;
    let queue = Queue::new(compute.len());
    let (queue, is_gone) = (&queue, &AtomicBool::new(false));
    thread::scope(|scope| {
        let (done_sender, done) = channel();
        let (sender, results) = sync_channel(WAITING_BATCHES);
        let reader = scope.spawn(move || read_all(read, queue));
        let worker = |compute| {
            let done = done_sender.clone();
            scope.spawn(move || compute_all(compute, queue, &done))
        };
        let workers: Vec<_> = compute.into_iter().map(worker).collect();
        drop(done_sender);
        let writer = scope.spawn(move || write_all(write, &results, is_gone));
        let computed = hand_on(queue, &done, &Outlet { sender: &sender, is_gone }, &stop);
        // The writer ends after what it has, the others with the batch they are at.
        queue.close();
        drop(sender);
        // A failure to write is of an earlier batch than any other.
        let ended = join(writer).and_then(|write| computed.map(|()| write)).map_err(abandon);
        workers.into_iter().for_each(join);
        join(reader);
        ended
    })
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
}

fn read_all<R, E>(mut read: impl FnMut() -> Result<Option<R>, E>, queue: &Queue<R, E>) {
    let _end = queue.reading();
    while let Some(batch) = read().transpose() {
        let is_last = batch.is_err();
        if !queue.put(batch) || is_last {
            return;
        }
    }
}

fn compute_all<R, W, E>(
    mut compute: impl FnMut(R) -> Result<W, Refusal<R, E>>,
    queue: &Queue<R, E>,
    done: &Sender<(usize, Result<W, E>)>,
) {
    while let Some((task, batch)) = queue.take() {
        let result = match batch.map_err(Refusal::Failed).and_then(&mut compute) {
            Ok(results) => Ok(results),
            Err(Refusal::Failed(error)) => Err(error),
            Err(Refusal::Retired(batch, error)) => {
                if !task.give_back(batch) {
                    // Nobody is left, whatever batches before this one were given back.
                    queue.close();
                    let _ = done.send((task.number(), Err(error)));
                }
                return;
            }
        };
        // Nobody listens any more where the run has failed.
        let _ = done.send((task.number(), result));
    }
}

/// The way to the writer.
struct Outlet<'a, W> {
    sender: &'a SyncSender<W>,
    /// The writer has failed.
    is_gone: &'a AtomicBool,
}

/// Gives results to the writer in the order of their batches.
fn hand_on<R, W, E>(
    queue: &Queue<R, E>,
    done: &Receiver<(usize, Result<W, E>)>,
    writer: &Outlet<W>,
    stop: &impl Fn() -> Result<(), E>,
) -> Result<(), E> {
    let mut early = BTreeMap::new();
    let mut n_handed_on = 0;
    let mut stopped = Ok(());
    loop {
        if stopped.is_ok() {
            stopped = stop();
            if stopped.is_err() {
                // What is in work is finished; nobody takes more.
                queue.close();
            }
        }
        match done.recv_timeout(POLL) {
            Ok((number, result)) => drop(early.insert(number, result)),
            // A writer that failed must not wait for input that may never come.
            Err(RecvTimeoutError::Timeout) if writer.is_gone.load(Ordering::Relaxed) => return stopped,
            Err(RecvTimeoutError::Timeout) => continue,
            // Where the last worker gave up, its error may wait behind a batch that nobody took.
            Err(RecvTimeoutError::Disconnected) => {
                return stopped.and(early.into_values().find_map(Result::err).map_or(Ok(()), Err));
            }
        }
        while let Some(result) = early.remove(&n_handed_on) {
            if writer.sender.send(result?).is_err() {
                // The writer is gone, and has a failure to tell of.
                return stopped;
            }
            n_handed_on += 1;
            queue.handed_on();
        }
    }
}

fn write_all<W, E, Write: WriteStage<W, E>>(
    mut write: Write,
    results: &Receiver<W>,
    is_gone: &AtomicBool,
) -> Result<Write, E> {
    while let Ok(result) = results.recv() {
        write.write(result).inspect_err(|_| is_gone.store(true, Ordering::Relaxed))?;
    }
    Ok(write)
}
