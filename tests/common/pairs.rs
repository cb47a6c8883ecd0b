//! Pairs of items that have to be compared, worked out from who is placed, and from nothing that an engine counts.

use spectrank::config::{Config, SsdEviction, Strategy};
use spectrank::gpu::trace::Snapshot;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::run::Run;
use spectrank::stage::window::EMPTY;
use spectrank::strategy::Spectral;

/// Pairs compared in a step, by how far each item was up to date before and after.
pub fn of_step(config: &Config, slate: &PreparedSlate, before: &[u32], after: &Snapshot) -> u64 {
    let n_recent = slate.n_recent() as u32;
    let n_placed = n_recent + after.n_filled;
    let most_placed = n_recent + config.slate_size.min(slate.n_candidates()) as u32;
    let (window, projects) = match config.strategy {
        Strategy::Mmr => (config.mmr.window as u32, false),
        Strategy::Msd => (config.msd.window as u32, false),
        Strategy::Dpp => (config.dpp.window as u32, true),
        _ => (config.ssd.window as u32, true),
    };
    let evicts = window > 0 && (window < most_placed || !projects);
    let forgets = evicts && (config.strategy != Strategy::Ssd || config.ssd.eviction == SsdEviction::Exact);
    let oldest = |n: u32| if evicts { n.saturating_sub(window) } else { 0 };
    let pairs = before.iter().zip(&after.refreshed).map(|(&before, &after)| {
        let (seen, now, own) = match (projects, before) {
            (_, before) if before == after => return 0,
            (false, _) => (before, after, 0),
            // Seen for the first time: also compared with itself.
            (true, 0) => (oldest(n_recent), after - 1, 1),
            (true, _) => (before - 1, after - 1, 0),
        };
        let skipped = if forgets { oldest(n_placed) } else { 0 };
        u64::from(now - seen.max(skipped).min(now) + own)
    });
    pairs.sum()
}

/// Pairs of msd, where everybody is looked at: the recent items that count, then at each position the one placed before.
pub fn of_all(config: &Config, slate: &PreparedSlate) -> u64 {
    let (n, n_positions) = (slate.n_candidates(), slate.n_positions(config.slate_size));
    let window = if config.msd.window == 0 { usize::MAX } else { config.msd.window };
    (n * slate.n_recent().min(window) + (1..n_positions).map(|t| n - t).sum::<usize>()) as u64
}

/// Pairs of dpp and ssd, where everybody is looked at and nothing placed ever leaves; none where something does. Every item with itself; a
/// placed one with those placed before it; who is left in the end with all that were placed before the last position.
pub fn of_span(config: &Config, slate: &PreparedSlate) -> Option<u64> {
    let window = match config.strategy {
        Strategy::Dpp => config.dpp.window,
        Strategy::Ssd => config.ssd.window,
        _ => return None,
    };
    let (n, n_recent, n_positions) = (slate.n_candidates(), slate.n_recent(), slate.n_positions(config.slate_size));
    let n_placed = n_recent + n_positions;
    if n_positions == 0 {
        return Some(0);
    }
    let n_pairs = (n + n_recent) + (0..n_placed).sum::<usize>() + (n - n_positions) * (n_placed - 1);
    (window == 0 || window >= n_placed).then_some(n_pairs as u64)
}

/// Pairs of S_W that are new at the slate's positions, those of an item with itself included.
pub fn of_window(problem: &Problem, slate: &PreparedSlate) -> u64 {
    let mut run = Run::<f32>::new(problem, true);
    run.begin(slate);
    let (mut n_pairs, mut since) = (0, 0);
    for position in 0..slate.n_positions(problem.config.slate_size) {
        run.begin_position();
        let (slots, is_active) = (run.slots(), run.spectral().is_some_and(Spectral::is_active));
        if is_active {
            let n_members = slots.window.items.iter().filter(|&&item| item != EMPTY).count() as u64;
            let n_new = slots.window.entered_since(since).count() as u64;
            n_pairs += n_new * (n_members - n_new) + n_new * (n_new + 1) / 2;
            since = slots.step;
        }
        let winner = run.pinned(position).or_else(|| run.best()).unwrap();
        run.place(winner.rank);
    }
    n_pairs
}
