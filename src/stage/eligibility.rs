//! Which candidates are ranked at all: those that no filter takes out.

use crate::prepare::PreparedSlate;
use crate::problem::Problem;

/// True where an item may be a candidate of the slate: it fails no rule that applies, is none of the items the slate
/// excludes, and the Bloom filter does not hold it.
pub fn is_eligible(problem: &Problem, slate: &PreparedSlate, row: u32) -> bool {
    let filter = &problem.filter;
    let failed = filter.failed.get(row as usize).copied().unwrap_or(0);
    failed & slate.active_filters == 0
        && slate.excluded.binary_search(&row).is_err()
        && slate.seen_bloom.as_ref().is_none_or(|seen| !seen.contains(filter.id_hashes[row as usize]))
}
