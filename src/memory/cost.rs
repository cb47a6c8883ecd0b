//! What things take in memory, in bytes. Where it depends on the allocator, that of glibc is taken.

use crate::catalog::ColumnData;
use crate::config::{Config, OnMissing, Strategy};
use crate::prepare::MAX_RECENT;
use crate::problem::Problem;
use crate::slate::{Placement, RankedSlate, Slate};

/// What the program takes beside its data: code, threads, buffers of readers and writers (measured; `benches/RESULTS.md`).
pub const PROGRAM_BYTES: u64 = 64 << 20;

/// What a heap takes for so many bytes.
fn allocated(n_bytes: u64) -> u64 {
    if n_bytes == 0 { 0 } else { (n_bytes + 8).next_multiple_of(16).max(32) }
}

/// A text in a list of texts that may be missing.
pub(crate) fn text_bytes(n_letters: u64) -> u64 {
    size_of::<Option<String>>() as u64 + allocated(n_letters)
}

/// A number in a list of numbers that may be missing.
pub(crate) fn number_bytes() -> u64 {
    size_of::<Option<f64>>() as u64
}

/// The id of an item, its place in the hash table aside: letters, and where they end.
pub(crate) fn id_bytes(n_letters: u64) -> u64 {
    n_letters + size_of::<usize>() as u64
}

/// A table that finds `n_items` rows by their ids: at most 7/8 full, in powers of two.
pub(crate) fn hash_table_bytes(n_items: u64) -> u64 {
    let n_slots = if n_items == 0 { 0 } else { (n_items.saturating_mul(8) / 7).max(4).next_power_of_two() };
    n_slots.saturating_mul(size_of::<u32>() as u64 + 1)
}

/// A column as it lies in memory.
pub(crate) fn column_bytes(data: &ColumnData) -> u64 {
    let n_rows = data.n_rows() as u64;
    match data {
        ColumnData::Bool(_) => n_rows,
        ColumnData::Int(_) | ColumnData::Float(_) => n_rows * number_bytes(),
        ColumnData::Text(values) => {
            values.iter().map(|text| text_bytes(text.as_ref().map_or(0, |text| text.len() as u64))).sum()
        }
        ColumnData::Codes { codes, .. } => 4 * codes.len() as u64,
        ColumnData::Unsupported { .. } => 0,
    }
}

/// What is computed from a catalog of `n_items` once, with what is needed on the way there.
pub fn problem_bytes(config: &Config, n_items: u64) -> u64 {
    let n_signals = if config.compares_items() { config.signals.len().max(1) } else { 0 };
    let (has_adjustment, n_rules) = (!config.relevance.adjust.is_empty(), config.filter.rules().count());
    let fails = n_rules > 0 || config.catalog_needs().iter().any(|need| need.on_missing == Some(OnMissing::Drop));
    let kept = 4 * n_signals
        + 8 * usize::from(has_adjustment)
        + 8 * config.spacing.len()
        + 4 * config.cap.len()
        + 4 * usize::from(fails)
        + 8 * usize::from(config.filter.seen_bloom.is_some());
    // One term after the other: its numbers as they are read, and a copy of what becomes of them; distinct values of a cap.
    let on_the_way = match (has_adjustment || !config.spacing.is_empty(), config.cap.is_empty()) {
        (_, false) => 48,
        (true, true) => 24,
        (false, true) => 12,
    };
    n_items.saturating_mul((kept + on_the_way) as u64)
}

/// A slate in work, from its reading to the end of its writing, if it fills `n_positions`.
pub fn slate_bytes(slate: &Slate, n_positions: usize) -> u64 {
    let (n, n_seen) = (slate.candidates.len() as u64, slate.seen.len() as u64);
    let n_recent = slate.recent.len() as u64;
    // Row and score; the same by rank, with the rank.
    let candidates = n * (4 + 8) + n * (4 + 8 + 4);
    // Once as read; the newest beside the candidates; all of them where they are taken out.
    let others = 8 * n_seen + 8 * n_recent + 4 * n_recent.min(MAX_RECENT as u64);
    let filter = slate.seen_bloom.as_ref().map_or(0, |filter| 4 * filter.words().len() as u64);
    // A node of a map has room for eleven.
    let attributes = slate.attributes.len().div_ceil(5) as u64 * 640;
    // The lists of both forms, each with an end of its own in the heap.
    let fixed = (size_of::<Slate>() + size_of::<RankedSlate>() + 160 + 8 * 24) as u64;
    let pins = 16 * slate.pinned.len() as u64;
    fixed
        + slate.id.len() as u64
        + candidates
        + others
        + filter
        + attributes
        + pins
        + ranking_bytes(n as usize, n_positions)
}

/// What a ranking of `n_candidates` for `n_positions` takes, a share of what writes it included: that holds one batch of five.
pub fn ranking_bytes(n_candidates: usize, n_positions: usize) -> u64 {
    // A row as it is written: in a list of rows, and in columns.
    const WRITTEN_BYTES: u64 = 112 + 80;
    n_candidates.min(n_positions) as u64 * (size_of::<Placement>() as u64 + WRITTEN_BYTES / 5)
}

/// What the CPU engine takes for one slate of `n_candidates` and `n_recent` items while it ranks it, with numbers of
/// `value_bytes`.
pub fn scratch_bytes(problem: &Problem<'_>, n_candidates: usize, n_recent: usize, value_bytes: usize) -> u64 {
    let config = problem.config;
    let (n_local, value) = ((n_candidates + n_recent) as u64, value_bytes as u64);
    let n_slots = (config.window.behind + config.window.ahead) as u64;
    let n_placed = (n_recent + config.slate_size.min(n_candidates)) as u64;
    let windowed = |window: usize| if window == 0 { n_placed } else { n_placed.min(window as u64) };
    let of_strategy = match config.strategy {
        Strategy::Spectral | Strategy::Relevance => 0,
        Strategy::Dpp => 8 * windowed(config.dpp.window) + 40,
        Strategy::Ssd => 8 * windowed(config.ssd.window) + 40,
        Strategy::Mmr => value * config.mmr.window.max(1) as u64 + 4,
        Strategy::Msd => value * config.msd.window.max(1) as u64 + 4,
    };
    let compared = if config.compares_items() { problem.dim() as u64 + problem.signals.len() as u64 } else { 0 };
    n_local * (value * (compared + n_slots) + of_strategy + 40) + (1 << 16)
}
