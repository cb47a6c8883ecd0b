use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use super::*;

/// Runs batches 0, 1, … through stages that fail at the given ones; gives what was written and how it ended.
fn ended(n_workers: usize, n: usize, fails: [Option<usize>; 3]) -> (Vec<usize>, Result<(), (&'static str, usize)>) {
    let mut next = 0..n;
    let fail = |stage, at: usize, fails: Option<usize>| if fails == Some(at) { Err((stage, at)) } else { Ok(()) };
    let (told, written) = channel();
    let result = run(Stages {
        read: || next.next().map(|i| fail("read", i, fails[0]).map(|()| i)).transpose(),
        compute: (0..n_workers)
            .map(|worker| {
                move |i: usize| {
                    // Not all at one speed.
                    thread::sleep(Duration::from_micros((worker as u64 * 37 + i as u64 * 11) % 100));
                    fail("compute", i, fails[1])?;
                    Ok(i * 10)
                }
            })
            .collect(),
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
    for n_workers in [1, 2, 5] {
        assert_eq!(ended(n_workers, 500, [None; 3]), expected(500));
        assert_eq!(ended(n_workers, 0, [None; 3]), expected(0));
    }
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
        for round in 0..60 {
            let (written, result) = ended(1 + round % 4, 100, fails);
            assert_eq!(result, Err(error));
            assert_eq!(written, (0..error.1).map(|i| i * 10).collect::<Vec<_>>());
        }
    }
}

/// Most batches that were read and not written yet.
fn most_alive(n_workers: usize) -> usize {
    let (n_read, n_written, most) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let mut next = 0..60;
    let result: Result<_, ()> = run(Stages {
        read: || {
            let alive = n_read.fetch_add(1, Ordering::SeqCst) + 1 - n_written.load(Ordering::SeqCst);
            most.fetch_max(alive, Ordering::SeqCst);
            Ok(next.next())
        },
        compute: (0..n_workers).map(|_| Ok).collect(),
        write: |_: i32| {
            thread::sleep(Duration::from_millis(1));
            n_written.fetch_add(1, Ordering::SeqCst);
            Ok(())
        },
        stop: || Ok(()),
        abandon: |error| error,
    });
    assert!(result.is_ok());
    most.into_inner()
}

#[test]
fn few_batches_are_alive_and_a_slow_writer_holds_the_reader_up() {
    for n_workers in [1, 3] {
        let most = most_alive(n_workers);
        assert!((3..=4 + 2 * n_workers).contains(&most), "{n_workers} workers: {most}");
    }
}

/// Two workers: the first takes batch 0 and waits for all that the other can do meanwhile.
#[test]
fn nobody_runs_far_ahead_of_a_slow_worker() {
    let n_computed = AtomicUsize::new(0);
    let mut next = 0..50;
    let compute = |i: i32| -> Result<_, Refusal<_, ()>> {
        if i == 0 {
            let started = std::time::Instant::now();
            while started.elapsed() < Duration::from_millis(100) {
                assert!(n_computed.load(Ordering::SeqCst) <= 2);
                thread::yield_now();
            }
        }
        n_computed.fetch_add(1, Ordering::SeqCst);
        Ok(i)
    };
    let mut written = Vec::new();
    let result = run(Stages {
        read: || Ok(next.next()),
        compute: vec![compute, compute],
        write: |i: i32| {
            written.push(i);
            Ok(())
        },
        stop: || Ok(()),
        abandon: |error| error,
    });
    assert!(result.is_ok());
    assert_eq!(written, (0..50).collect::<Vec<_>>());
}

/// Runs 60 batches on workers of which worker `w` gives up at its `gives_up[w]`-th batch.
fn retired(gives_up: &[Option<usize>]) -> (Vec<usize>, Result<(), usize>) {
    let mut next = 0..60;
    let (told, written) = channel();
    let worker = |gives_up: Option<usize>| {
        let mut n = 0;
        move |i: usize| {
            n += 1;
            thread::sleep(Duration::from_micros(50));
            if gives_up == Some(n) { Err(Refusal::Retired(i, i)) } else { Ok(i) }
        }
    };
    let result = run(Stages {
        read: || Ok(next.next()),
        compute: gives_up.iter().copied().map(worker).collect(),
        write: move |i: usize| {
            told.send(i).unwrap();
            Ok(())
        },
        stop: || Ok(()),
        abandon: |error| error,
    });
    let result = result.map(drop);
    (written.iter().collect(), result)
}

#[test]
fn a_worker_that_gives_up_leaves_its_batch_to_the_others() {
    let all: Vec<usize> = (0..60).collect();
    for gives_up in [[Some(1), None, None], [Some(3), Some(1), None], [None, Some(20), Some(20)]] {
        for _ in 0..20 {
            assert_eq!(retired(&gives_up), (all.clone(), Ok(())));
        }
    }
}

#[test]
fn where_the_last_one_gives_up_the_run_ends_with_its_error() {
    for gives_up in [vec![Some(5)], vec![Some(2), Some(4), Some(1)]] {
        for _ in 0..20 {
            let (written, result) = retired(&gives_up);
            let n = gives_up.iter().flatten().sum::<usize>() - gives_up.len();
            assert!(written.iter().copied().eq(0..written.len()));
            assert!(written.len() <= n, "{written:?}");
            assert!(result.is_err_and(|batch| batch >= written.len()));
        }
    }
}

#[test]
fn a_panic_of_a_worker_is_passed_on_and_nobody_waits_for_it() {
    let caught = std::panic::catch_unwind(|| {
        let mut next = 0..50;
        run(Stages {
            read: || Ok(next.next()),
            compute: vec![|i: i32| -> Result<i32, Refusal<i32, ()>> { if i == 7 { panic!("at 7") } else { Ok(i) } }; 3],
            write: |_: i32| Ok(()),
            stop: || Ok(()),
            abandon: |error| error,
        })
        .map(drop)
    });
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"at 7"));
}

#[test]
fn a_writer_that_fails_ends_a_run_whose_reader_waits() {
    // The reader waits until the run has given up on it.
    let (leave, waits) = channel::<()>();
    let mut n_read = 0;
    let result = run(Stages {
        read: move || {
            n_read += 1;
            if n_read > 1 {
                let _ = waits.recv();
                return Ok(None);
            }
            Ok(Some(n_read))
        },
        compute: vec![Ok],
        write: |_: i32| Err("the disk is full"),
        stop: || Ok(()),
        abandon: |error| {
            drop(leave);
            error
        },
    });
    assert_eq!(result.map(drop), Err("the disk is full"));
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
        compute: vec![Ok],
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
