//! How long a slate takes, in units of a chain of additions and multiplications that wait for each other: a unit follows the
//! processor's clock and nothing that a compiler could do better or worse.
//!
//! It is for what valgrind does not see, the code for AVX-512: a compiler that keeps in memory what should stay in registers has made
//! the wide window nine times as slow, which no count of AVX2's instructions shows.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cases::CASES;
use crate::common::parquet_files::Failable;
use crate::common::processor;

/// Each slate is ranked so often, and the quickest counts: a slate is shorter than a time slice, so that some go undisturbed.
const N_ROUNDS: usize = 60;
/// Links of the chain.
const N_LINKS: u32 = 50_000;
/// So many times the stored pace is too slow. Builds of one source differ by a tenth, a busy machine hardly counts.
const MOST: f64 = 1.4;
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/pace.tsv");

/// Time of the chain.
fn unit() -> Duration {
    let start = Instant::now();
    let mut x = black_box(1.0_f64);
    for _ in 0..N_LINKS {
        x = x * 0.999_999 + 1e-6;
    }
    black_box(x);
    start.elapsed()
}

/// Units that a slate of each case takes.
fn measure() -> Failable<Vec<(&'static str, f64)>> {
    let mut paces = Vec::new();
    for case in &CASES {
        let (slates, unit) = case.ranked_by(|run, slates| {
            let mut least = vec![Duration::MAX; slates.len()];
            let mut least_unit = Duration::MAX;
            let mut ranked = Vec::new();
            for _ in 0..N_ROUNDS {
                ranked.clear();
                for (slate, least) in slates.iter().zip(&mut least) {
                    least_unit = least_unit.min(unit());
                    let start = Instant::now();
                    ranked.push(run.rerank(slate));
                    *least = start.elapsed().min(*least);
                }
            }
            (ranked, (least, least_unit))
        })?;
        let total: Duration = slates.iter().sum();
        paces.push((case.name, total.as_secs_f64() / slates.len() as f64 / unit.as_secs_f64()));
    }
    Ok(paces)
}

/// The processor and its vector instructions, as the table names them.
fn here() -> String {
    format!("{} ({}), {}", processor::model(), processor::generation(), processor::vectors())
}

/// Stores the pace of every case as that of this processor.
pub fn record() -> Failable<()> {
    let mut text = format!("# Units of {N_LINKS} links per slate; see guard/pace.rs. Measured on {}\n", here());
    for (case, pace) in measure()? {
        writeln!(text, "{case}\t{pace:.3}")?;
    }
    print!("{text}");
    Ok(std::fs::write(TABLE, text)?)
}

/// Holds the pace of every case against the stored one; false where one is too slow.
pub fn compare() -> Failable<bool> {
    let text = std::fs::read_to_string(Path::new(TABLE))?;
    let of = text.lines().next().and_then(|line| line.split_once("Measured on ")).map_or("", |(_, of)| of);
    if of != here() {
        eprintln!("guard: not compared: the stored paces are of {of}, this is {}", here());
        return Ok(true);
    }
    let mut is_well = true;
    println!("{:<12} {:>10} {:>10} {:>8}   units per slate", "case", "stored", "measured", "times");
    for (case, pace) in measure()? {
        let stored = text.lines().filter_map(|line| line.split_once('\t')).find(|(name, _)| *name == case);
        let (_, stored) = stored.ok_or_else(|| format!("{case} is not in {TABLE}: run with --record"))?;
        let stored: f64 = stored.parse()?;
        let times = pace / stored;
        let word = if times > MOST { "TOO SLOW" } else { "" };
        println!("{case:<12} {stored:>10.3} {pace:>10.3} {times:>7.2}×   {word}");
        is_well &= times <= MOST;
    }
    if !is_well {
        eprintln!(
            "guard: slower than stored. Has the compiler taken a loop apart (look at it with perf), or is the change worth it? Then: --record"
        );
    }
    Ok(is_well)
}
