//! What things take in memory, in bytes. Where it depends on the allocator, that of glibc is taken.

use crate::catalog::ColumnData;
use crate::config::{Config, MAX_SPECTRA, OnMissing, Scope, Strategy};
use crate::prepare::MAX_RECENT;
use crate::problem::Problem;
use crate::real::{BESIDE, BLOCK, LANES};
use crate::slate::{Placement, RankedSlate, Slate};
use crate::stage::eigensolve::{BLOCK as ROWS, SIDE, column_length};
use crate::stage::residual;

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

/// What the CPU engine takes at most for one slate of `n_candidates` and `n_recent` items while it ranks it, with numbers of
/// `value_bytes`. With pruning, that is: without it, [`unpruned_bytes`] more.
pub fn scratch_bytes(problem: &Problem<'_>, n_candidates: usize, n_recent: usize, value_bytes: usize) -> u64 {
    // Single numbers, and lists that are as long as the configuration at most.
    const FIXED_BYTES: u64 = 1 << 16;
    let sizes = Sizes::of(problem, n_candidates, n_recent, value_bytes);
    let Sizes { n_local, n_placed, n_slots, value, row, .. } = sizes;
    let rows = if problem.config.compares_items() { n_local * row } else { 0 };
    // One factor per signal, similarities to the window, the place of the row and when it was looked at. Who is compared at once, with
    // rows, products and similarities.
    let of_items = n_local * (value * (problem.signals.len() as u64 + n_slots) + 8) + n_local * (4 + 4 + 2 * value);
    // Base score, diversity term and bound, and who is out.
    let of_candidates = n_candidates as u64 * (3 * value + 2);
    // Who is placed. The window's slots; the sum of the placed rows.
    let of_positions = (n_placed + 2) * 4 + 20 * n_slots + row;
    let of_strategy = match problem.config.strategy {
        Strategy::Relevance => 0,
        Strategy::Spectral => {
            let looks_ahead = problem.config.window.scope == Scope::Window;
            let of_window = sizes.spectral(problem.config.spectral.spectra as u64) + 4 * n_candidates as u64;
            of_window + if looks_ahead { sizes.ahead() } else { 0 }
        }
        Strategy::Dpp => sizes.residual(problem.config.dpp.window) + sizes.blocks(n_candidates),
        Strategy::Ssd => sizes.residual(problem.config.ssd.window),
        Strategy::Mmr => sizes.fold(problem.config.mmr.window),
        // Which of both depends on the lengths of rows.
        Strategy::Msd => sizes.fold(problem.config.msd.window).max(sizes.sum(n_candidates)),
    };
    // A list that is full takes twice the room. Rows are aligned, and the old list of them stays until it is copied.
    2 * (rows + of_items + of_candidates + of_positions + of_strategy) + rows.max(row) + FIXED_BYTES
}

/// What the CPU engine takes beyond [`scratch_bytes`] where everybody is looked at: terms, utilities and columns of similarities.
pub fn unpruned_bytes(problem: &Problem<'_>, n_candidates: usize, value_bytes: usize) -> u64 {
    let sizes = Sizes::of(problem, n_candidates, 0, value_bytes);
    2 * n_candidates.next_multiple_of(LANES) as u64 * (2 + sizes.n_slots) * sizes.value
}

/// What a slate's scratch depends on. Items and positions are counted, the rest is in bytes.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    /// Candidates and recent items.
    n_local: u64,
    n_positions: u64,
    /// Recent items and positions.
    n_placed: u64,
    n_slots: u64,
    value: u64,
    /// An item's row, every signal in whole pieces.
    row: u64,
}

impl Sizes {
    fn of(problem: &Problem<'_>, n_candidates: usize, n_recent: usize, value_bytes: usize) -> Self {
        let config = problem.config;
        let n_recent = n_recent.min(MAX_RECENT);
        let n_positions = config.slate_size.min(n_candidates);
        // Only the spectral strategy has a window.
        let has_window = config.strategy == Strategy::Spectral;
        let n_values: usize = problem.signals.iter().map(|signal| signal.embedding.dim.next_multiple_of(LANES)).sum();
        Self {
            n_local: (n_candidates + n_recent) as u64,
            n_positions: n_positions as u64,
            n_placed: (n_recent + n_positions) as u64,
            n_slots: if has_window { (config.window.behind + config.window.ahead) as u64 } else { 0 },
            value: value_bytes as u64,
            row: (n_values * value_bytes) as u64,
        }
    }

    /// `spectral`: the window's similarities, basis, products and images, rows of before, and what turns similarities into loadings.
    fn spectral(self, n_spectra: u64) -> u64 {
        let column = 8 * column_length(self.n_slots as usize) as u64;
        let before = self.n_slots * (column + 8 * (1 + MAX_SPECTRA as u64));
        let projector = self.n_slots * n_spectra.next_multiple_of(4) * self.value;
        // The age of placed items, and their loadings, most of them 0.
        let loadings = self.n_placed * self.value * (1 + MAX_SPECTRA as u64);
        column * (self.n_slots + 3 * n_spectra) + before + projector + loadings
    }

    /// `spectral`, where it is known who enters the window next: rows in double precision of the window and of a few that enter, values of
    /// these side by side, and what they have in common.
    fn ahead(self) -> u64 {
        let (n_rows, n_beside) = (self.n_slots.next_multiple_of(ROWS as u64), SIDE as u64);
        let n_values = self.row / self.value.max(1);
        8 * (n_values * (n_rows + 2 * n_beside) + n_beside * (n_rows + n_beside)) + 24 * self.n_slots
    }

    /// `dpp` and `ssd`. Where nothing leaves: a row and a column per item, in blocks, and as many of the placed ones. Where items leave: a
    /// column and four numbers per item; pivots; the window's factor and what is solved.
    fn residual(self, window: usize) -> u64 {
        let n_columns = if window == 0 { self.n_placed } else { self.n_placed.min(window as u64) };
        if n_columns == self.n_placed {
            let n_values = self.row / self.value.max(1);
            let n_in_blocks = self.n_local.next_multiple_of(BLOCK as u64);
            return (n_in_blocks + self.n_placed) * 8 * (n_values + n_columns + 2) + n_in_blocks;
        }
        let column = 8 * n_columns.next_multiple_of(residual::GROUP as u64);
        let of_window = n_columns * (8 * BESIDE as u64 + column);
        self.n_local * (column + 4 + 8 + 8 + 4) + 16 * (self.n_placed + 1) + of_window
    }

    /// `mmr`, and `msd` where similarities are clipped: those to the window, or one number for all, and how many were seen.
    fn fold(self, window: usize) -> u64 {
        self.n_local * (self.value * window.max(1) as u64 + 4)
    }

    /// `msd` else: a row, its length, what counts and a step by position, and a row in double precision. A byte for each value of a
    /// candidate, its scale and error, what its whole numbers add up to and what is no smaller. A row in single precision.
    fn sum(self, n_candidates: usize) -> u64 {
        let n_in_blocks = n_candidates.next_multiple_of(BLOCK) as u64;
        let n_values = self.row / self.value.max(1);
        let of_positions = (self.n_positions + 1) * (self.row + 8 + 8 + 4) + n_values * (8 + 1 + 4);
        of_positions + n_in_blocks * (n_values + 4 + 4 + 4 + 4) + self.blocks(n_candidates)
    }

    /// Where candidates are bounded by blocks: base scores, bounds, and who is promising; a few numbers a block.
    fn blocks(self, n_candidates: usize) -> u64 {
        let n_in_blocks = n_candidates.next_multiple_of(BLOCK) as u64;
        n_in_blocks * (2 * self.value + 4 + self.value.max(4) + 4) + n_in_blocks / BLOCK as u64 * 64
    }
}
