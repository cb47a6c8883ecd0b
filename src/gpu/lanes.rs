//! How many lanes work on a slate.

use super::adapter::AdapterKind;
use super::engine::MAX_ITERATIONS;
use super::plan::{DeviceLimits, Plan, PlanError};
use crate::problem::Problem;

/// Lanes of a software adapter: one vector of its processor.
const FEWEST_LANES: usize = 8;
/// Lanes of a GPU, but where a slate takes much workgroup memory.
const USUAL_LANES: usize = 64;
/// Lanes of a GPU at most: what every API grants.
const MOST_LANES: usize = 256;
/// Workgroup memory per lane, in bytes, about, below which a multiprocessor of a GPU runs out of lanes first, above it out of
/// workgroup memory: it has room for 1024 to 2048 lanes, and 64 to 228 KiB.
const BYTES_PER_LANE: usize = 100;

/// Plans with the lanes asked for, or with the fewest that suit the adapter and keep every step short enough.
///
/// # Errors
/// As [`Plan::new`].
pub(super) fn plan(
    problem: &Problem,
    limits: &DeviceLimits,
    lanes: Option<usize>,
    kind: AdapterKind,
) -> Result<Plan, PlanError> {
    let of = |lanes| Plan::new(problem, limits, lanes, MAX_ITERATIONS);
    match (lanes, kind) {
        (Some(lanes), _) => of(lanes),
        (None, AdapterKind::Cpu) => {
            let mut lanes = FEWEST_LANES;
            loop {
                match of(lanes) {
                    Err(PlanError::Step { .. }) if lanes < USUAL_LANES => lanes *= 2,
                    result => return result,
                }
            }
        }
        (None, _) => of(USUAL_LANES).map(|plan| widened(plan, of)),
    }
}

/// More lanes for each of the few slates that fit a multiprocessor at a time where one takes much workgroup memory, as
/// far as they have work to do and nothing has to leave that memory for them.
fn widened(plan: Plan, of: impl Fn(usize) -> Result<Plan, PlanError>) -> Plan {
    let mut lanes = plan.workgroup;
    while lanes < MOST_LANES && lanes * BYTES_PER_LANE < plan.workgroup_bytes && lanes < plan.n_slots * plan.n_spectra {
        lanes *= 2;
    }
    let fits = |wide: &Plan| wide.has_gram == plan.has_gram && wide.has_product == plan.has_product;
    of(lanes).ok().filter(fits).unwrap_or(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::config::Config;
    use crate::gpu::known_answer::embedding;

    const WIDE: &str = "[window]\nahead = 50\nscope = \"window\"\n[spectral]\nspectra = 8";

    fn planned(config: &str, memory: usize, invocations: usize, lanes: Option<usize>, kind: AdapterKind) -> Plan {
        let mut catalog = Catalog::new();
        catalog.add_signal(embedding("x", 9, 32, 0, true)).unwrap();
        let config = Config::from_toml(config).unwrap();
        let problem = Problem::new(&config, &catalog).unwrap();
        let limits = DeviceLimits {
            binding_bytes: 1 << 27,
            workgroup_bytes: memory,
            workgroup_invocations: invocations,
            groups_per_dimension: 65_535,
            catalog_bytes: u64::MAX,
        };
        plan(&problem, &limits, lanes, kind).unwrap()
    }

    #[test]
    fn slates_that_take_much_memory_get_more_lanes() {
        let lanes = |config: &str, memory: usize, invocations: usize| {
            planned(config, memory, invocations, None, AdapterKind::Discrete).workgroup
        };
        assert_eq!(lanes("", 48 << 10, 1024), 64);
        assert_eq!(lanes("strategy = \"dpp\"", 48 << 10, 1024), 64);
        assert_eq!(lanes(WIDE, 48 << 10, 1024), 256);
        assert_eq!(lanes(WIDE, 48 << 10, 128), 128);
        // There is no room for S_W, whatever the lanes.
        assert_eq!(lanes(WIDE, 16 << 10, 256), 256);
    }

    #[test]
    fn nothing_leaves_workgroup_memory_for_lanes() {
        let narrow = planned(WIDE, 48 << 10, 256, Some(64), AdapterKind::Discrete);
        assert!(narrow.has_gram);
        let tight = planned(WIDE, narrow.workgroup_bytes, 256, None, AdapterKind::Discrete);
        assert_eq!((tight.workgroup, tight.has_gram), (64, true));
    }

    #[test]
    fn lanes_asked_for_and_those_of_software_are_as_they_are() {
        let lanes = |asked, kind| planned(WIDE, 48 << 10, 1024, asked, kind).workgroup;
        assert_eq!(lanes(Some(32), AdapterKind::Discrete), 32);
        assert_eq!(lanes(Some(64), AdapterKind::Discrete), 64);
        assert_eq!(lanes(None, AdapterKind::Cpu), 8);
    }
}
