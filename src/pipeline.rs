//! Reading, computing and writing at the same time, in order, with a few batches in memory.
//!
//! ```text
//! reader thread ──1 batch──▶ this thread ──1 batch──▶ writer thread
//! ```
//!
//! Between two stages one batch waits, so at most five are alive, however many there are. What comes out is what doing
//! one after the other gives: the same batches in the same order, and where several stages fail, the failure of the
//! earliest batch.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

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

/// The stages. A batch is an `R` when it has been read and a `W` when it has been computed.
pub struct Stages<Read, Compute, Write, Stop, Abandon> {
    /// The next batch, or nothing at the end. Runs on a thread of its own.
    pub read: Read,
    /// Turns one batch into results. Runs on the calling thread.
    pub compute: Compute,
    /// Takes results. Runs on a thread of its own, and is dropped there when a run fails.
    pub write: Write,
    /// Asked between batches and while waiting for one; an error ends the run once the results so far are written.
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
    Compute: FnMut(R) -> Result<W, E>,
    Write: WriteStage<W, E> + Send,
    Stop: Fn() -> Result<(), E>,
    Abandon: FnOnce(E) -> E,
{
    let Stages { read, mut compute, write, stop, abandon } = stages;
    thread::scope(|scope| {
        let (read_sender, batches) = sync_channel(WAITING_BATCHES);
        let (sender, results) = sync_channel(WAITING_BATCHES);
        let reader = scope.spawn(move || read_all(read, &read_sender));
        let writer = scope.spawn(move || write_all(write, &results));
        let computed = compute_all(&batches, &mut compute, &sender, &stop);
        // Closed channels end both threads: the writer after what it has, the reader with its next batch.
        drop((batches, sender));
        // A failure to write is of an earlier batch than any other.
        let ended = join(writer).and_then(|write| computed.map(|()| write)).map_err(abandon);
        join(reader);
        ended
    })
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
}

fn read_all<R, E>(mut read: impl FnMut() -> Result<Option<R>, E>, sender: &SyncSender<Result<R, E>>) {
    while let Some(batch) = read().transpose() {
        let is_last = batch.is_err();
        if sender.send(batch).is_err() || is_last {
            return;
        }
    }
}

fn write_all<W, E, Write: WriteStage<W, E>>(mut write: Write, results: &Receiver<W>) -> Result<Write, E> {
    while let Ok(result) = results.recv() {
        write.write(result)?;
    }
    Ok(write)
}

fn compute_all<R, W, E>(
    batches: &Receiver<Result<R, E>>,
    compute: &mut impl FnMut(R) -> Result<W, E>,
    sender: &SyncSender<W>,
    stop: &impl Fn() -> Result<(), E>,
) -> Result<(), E> {
    loop {
        stop()?;
        let batch = match batches.recv_timeout(POLL) {
            Ok(batch) => batch?,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        if sender.send(compute(batch)?).is_err() {
            // The writer is gone, and has a failure to tell of.
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    /// Runs batches 0, 1, … through stages that fail at the given ones; gives what was written and how it ended.
    fn ended(n: usize, fails: [Option<usize>; 3]) -> (Vec<usize>, Result<(), (&'static str, usize)>) {
        let mut next = 0..n;
        let fail = |stage, at: usize, fails: Option<usize>| if fails == Some(at) { Err((stage, at)) } else { Ok(()) };
        let (told, written) = channel();
        let result = run(Stages {
            read: || next.next().map(|i| fail("read", i, fails[0]).map(|()| i)).transpose(),
            compute: |i: usize| fail("compute", i, fails[1]).map(|()| i * 10),
            write: move |i: usize| fail("write", i / 10, fails[2]).map(|()| told.send(i).unwrap()),
            stop: || Ok(()),
            abandon: |error| error,
        });
        let result = result.map(drop);
        (written.iter().collect(), result)
    }

    #[test]
    fn everything_arrives_in_order() {
        let expected = |n: usize| ((0..n).map(|i| i * 10).collect::<Vec<_>>(), Ok(()));
        assert_eq!(ended(500, [None; 3]), expected(500));
        assert_eq!(ended(0, [None; 3]), expected(0));
    }

    #[test]
    fn the_failure_of_the_earliest_batch_is_told_and_those_before_it_are_written() {
        for (fails, error) in [
            ([Some(7), None, None], ("read", 7)),
            ([None, Some(7), None], ("compute", 7)),
            ([None, None, Some(7)], ("write", 7)),
            ([Some(9), Some(8), Some(7)], ("write", 7)),
            ([Some(9), Some(7), Some(8)], ("compute", 7)),
            ([Some(0), Some(0), Some(0)], ("read", 0)),
        ] {
            for _ in 0..50 {
                let (written, result) = ended(100, fails);
                assert_eq!(result, Err(error));
                assert_eq!(written, (0..error.1).map(|i| i * 10).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn few_batches_are_alive_and_a_slow_writer_holds_the_reader_up() {
        let (n_read, n_written, most) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let mut next = 0..60;
        let result: Result<_, ()> = run(Stages {
            read: || {
                let alive = n_read.fetch_add(1, Ordering::SeqCst) + 1 - n_written.load(Ordering::SeqCst);
                most.fetch_max(alive, Ordering::SeqCst);
                Ok(next.next())
            },
            compute: Ok,
            write: |_: i32| {
                thread::sleep(Duration::from_millis(1));
                n_written.fetch_add(1, Ordering::SeqCst);
                Ok(())
            },
            stop: || Ok(()),
            abandon: |error| error,
        });
        assert!(result.is_ok());
        let most = most.into_inner();
        assert!((3..=6).contains(&most), "{most}");
    }

    #[test]
    fn a_stop_ends_a_run_whose_reader_waits() {
        // The reader waits until the run has given up on it.
        let (leave, waits) = channel::<()>();
        let mut n_read = 0;
        let (told, written) = channel();
        let n_written = AtomicUsize::new(0);
        let result = run(Stages {
            read: move || {
                n_read += 1;
                if n_read > 2 {
                    let _ = waits.recv();
                    return Ok(None);
                }
                Ok(Some(n_read))
            },
            compute: Ok,
            write: |i: i32| {
                n_written.fetch_add(1, Ordering::SeqCst);
                told.send(i).map_err(|_| "nobody listens")
            },
            stop: || if n_written.load(Ordering::SeqCst) == 2 { Err("stopped") } else { Ok(()) },
            abandon: |error| {
                drop(leave);
                error
            },
        });
        assert_eq!(result.map(drop), Err("stopped"));
        assert_eq!(written.try_iter().collect::<Vec<_>>(), [1, 2]);
    }
}
