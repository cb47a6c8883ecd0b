//! Where the catalog is while slates are computed, and how it is laid out there.

use super::{DeviceLimits, MAX_SHARDS, Plan};
use crate::problem::Problem;

/// Where the catalog is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residence {
    /// On the device: uploaded once.
    Device,
    /// On the host, because the device does not hold it. Each batch uploads the rows of its items, and slates say "row" for
    /// the place of an item among them.
    Host,
}

impl Plan {
    /// On the device, if it holds the whole catalog: rows in [`MAX_SHARDS`] bindings, the item table in one.
    pub(super) fn set_residence(&mut self, problem: &Problem, limits: &DeviceLimits) {
        let n_items = problem.catalog.n_items() as u64;
        let rows_per_shard = (limits.binding_bytes / self.row_bytes().max(1) as u64).max(1);
        let n_shards = n_items.div_ceil(rows_per_shard).max(1);
        let items_bytes = self.items_bytes(n_items);
        let needed = self.row_bytes() as u64 * n_items + items_bytes;
        if n_shards > MAX_SHARDS as u64 || items_bytes > limits.binding_bytes || needed > limits.catalog_bytes {
            return self.keep_on_host(problem, limits);
        }
        self.n_shards = n_shards as usize;
        self.params.rows_per_shard = rows_per_shard.min(n_items.max(1)) as u32;
    }

    /// Leaves the catalog on the host. The rows that a batch brings lie in one binding.
    pub(in crate::gpu) fn keep_on_host(&mut self, problem: &Problem, limits: &DeviceLimits) {
        self.residence = Residence::Host;
        self.n_shards = 1;
        let rows_per_binding = limits.binding_bytes / self.row_bytes().max(1) as u64;
        self.params.rows_per_shard = rows_per_binding.min(problem.catalog.n_items() as u64).max(1) as u32;
    }

    /// Bytes of a value of a row.
    pub fn value_bytes(&self) -> usize {
        if self.is_f16 { 2 } else { 4 }
    }

    /// Bytes of a padded row.
    pub fn row_bytes(&self) -> usize {
        self.row_values * self.value_bytes()
    }

    /// Bytes of the item table for so many items, with the small tables in front of it.
    pub fn items_bytes(&self, n_items: u64) -> u64 {
        4 * (u64::from(self.params.items_at) + u64::from(self.params.item_words) * n_items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, Embedding, EmbeddingData};
    use crate::config::Config;
    use crate::prepare::PreparedSlate;
    use crate::slate::Slate;

    const N_ITEMS: usize = 1000;
    const DIM: usize = 512;
    const LIMITS: DeviceLimits = DeviceLimits {
        binding_bytes: 1 << 20,
        workgroup_bytes: 16 << 10,
        workgroup_invocations: 256,
        groups_per_dimension: 65_535,
        catalog_bytes: u64::MAX,
    };

    fn planned<T>(limits: DeviceLimits, look: impl Fn(&Plan, &Problem) -> T) -> T {
        let mut catalog = Catalog::new();
        let rows = EmbeddingData::F32(vec![1.0; N_ITEMS * DIM].into());
        catalog.add_signal(Embedding::new("x", DIM, rows)).unwrap();
        let config = Config { slate_size: 5, ..Config::default() };
        let problem = Problem::new(&config, &catalog).unwrap();
        look(&Plan::new(&problem, &limits, 64, usize::MAX).unwrap(), &problem)
    }

    fn residence(limits: DeviceLimits) -> (Residence, usize, u32) {
        planned(limits, |plan, _| (plan.residence, plan.n_shards, plan.params.rows_per_shard))
    }

    #[test]
    fn a_catalog_beyond_all_bindings_or_beyond_its_limit_stays_on_the_host() {
        let catalog_bytes = (4 * N_ITEMS * DIM) as u64;
        // 2,048 bytes a row: 512 rows to a mebibyte.
        assert_eq!(residence(LIMITS), (Residence::Device, 2, 512));
        assert_eq!(residence(DeviceLimits { binding_bytes: catalog_bytes, ..LIMITS }), (Residence::Device, 1, 1000));
        assert_eq!(residence(DeviceLimits { binding_bytes: catalog_bytes / 4, ..LIMITS }), (Residence::Device, 4, 250));
        assert_eq!(residence(DeviceLimits { binding_bytes: catalog_bytes / 5, ..LIMITS }), (Residence::Host, 1, 200));
        assert_eq!(residence(DeviceLimits { catalog_bytes, ..LIMITS }).0, Residence::Host);
        // Tables of the problem, and the factor of every row.
        let with_items = planned(LIMITS, |plan, _| catalog_bytes + plan.items_bytes(N_ITEMS as u64));
        assert_eq!(residence(DeviceLimits { catalog_bytes: with_items, ..LIMITS }).0, Residence::Device);
    }

    #[test]
    fn the_rows_that_a_batch_brings_are_limited() {
        let batch_len = |limits| {
            planned(limits, |plan, problem| {
                let slate = |first: u32| Slate {
                    candidates: (first..first + 30).collect(),
                    scores: vec![1.0; 30],
                    ..Slate::default()
                };
                let slates: Vec<_> = (0..9).map(|i| PreparedSlate::new(problem, &slate(30 * i)).unwrap()).collect();
                plan.batch_len(&slates, 4 * 30 * (4 * DIM as u64), 100)
            })
        };
        assert_eq!(batch_len(LIMITS), Ok(9));
        assert_eq!(batch_len(DeviceLimits { catalog_bytes: 0, ..LIMITS }), Ok(4));
    }
}
