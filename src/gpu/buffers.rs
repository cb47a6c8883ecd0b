//! Buffers on the device: the catalog's, and those of a batch, which later batches use again.

use std::ops::Range;

use crate::gpu::device::OpenDevice;
use crate::gpu::error::GpuError;
use crate::gpu::plan::{MAX_SHARDS, Plan};
use crate::gpu::planted::{DeviceFaults, Site};
use crate::gpu::tables;
use crate::problem::Problem;

/// Rows are uploaded in pieces of about this size: a piece is in memory three times, here, on its way and there.
const UPLOAD_BYTES: usize = 64 << 20;
/// Least size of a buffer, and what sizes of small buffers are rounded up to.
const LEAST_BYTES: usize = 256;

/// Where buffers come from.
#[derive(Clone, Copy)]
pub(super) struct Memory<'a> {
    pub(super) open: &'a OpenDevice,
    pub(super) faults: &'a DeviceFaults,
}

impl Memory<'_> {
    /// A buffer that is written from the host; never empty, as a binding must not be.
    ///
    /// It is not mapped at its creation: wgpu panics where the memory for that is not there.
    pub(super) fn allocate(
        &self,
        label: &'static str,
        size: usize,
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer, GpuError> {
        self.strike()?;
        self.create(label, size.max(16), usage)
    }

    /// A buffer that holds `size` bytes at least: `old` where it is large enough. Allocating is dear, so that a new one has some
    /// room for the next batch. True where it is new.
    fn take(
        &self,
        old: Option<wgpu::Buffer>,
        label: &'static str,
        size: usize,
        usage: wgpu::BufferUsages,
    ) -> Result<(wgpu::Buffer, bool), GpuError> {
        // A buffer that is used again counts as allocated, so that a schedule means the same batch either way.
        self.strike()?;
        match old.filter(|old| old.size() >= size as u64) {
            Some(old) => Ok((old, false)),
            None => Ok((self.create(label, capacity(size, self.open.limits().binding_bytes), usage)?, true)),
        }
    }

    fn strike(&self) -> Result<(), GpuError> {
        match self.faults.due(Site::Allocation) {
            Some(_) => Err(GpuError::OutOfMemory { detail: "planted".to_owned() }),
            None => Ok(()),
        }
    }

    fn create(&self, label: &'static str, size: usize, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer, GpuError> {
        let descriptor = wgpu::BufferDescriptor {
            label: Some(label),
            size: size as u64,
            usage: usage | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        };
        self.open.scoped(|device| device.create_buffer(&descriptor))
    }
}

/// Bytes to allocate where `size` are needed: at most a quarter more, and at most `most`.
fn capacity(size: usize, most: u64) -> usize {
    let step = (size.next_power_of_two() / 8).max(LEAST_BYTES);
    let most = usize::try_from(most & !3).unwrap_or(usize::MAX);
    size.next_multiple_of(step).max(LEAST_BYTES).min(most).max(size)
}

/// Rows in [`MAX_SHARDS`] bindings, and the item table.
pub(super) struct CatalogBuffers {
    pub(super) shards: Vec<wgpu::Buffer>,
    pub(super) items: wgpu::Buffer,
}

impl CatalogBuffers {
    /// The whole catalog.
    pub(super) fn of_catalog(memory: Memory, problem: &Problem, plan: &Plan) -> Result<Self, GpuError> {
        let n_items = problem.catalog.n_items();
        let mut shards = Vec::with_capacity(MAX_SHARDS);
        for places in shards_of(plan, n_items) {
            let buffer = memory.allocate("catalog", places.len() * plan.row_bytes(), wgpu::BufferUsages::STORAGE)?;
            upload_rows(memory.open, &buffer, problem, plan, places, |place| place)?;
            shards.push(buffer);
        }
        let words = tables::item_table(problem, plan, 0..n_items);
        let items = memory.allocate("items", 4 * words.len(), wgpu::BufferUsages::STORAGE)?;
        memory.open.upload(&items, 0, bytemuck::cast_slice(&words))?;
        Ok(Self { shards, items })
    }

    /// Some rows of the catalog, into the buffers of an earlier batch where they fit. True where any buffer is new.
    fn of_rows(
        memory: Memory,
        problem: &Problem,
        plan: &Plan,
        rows: &[u32],
        old: Option<Self>,
    ) -> Result<(Self, bool), GpuError> {
        let (old_shards, old_items) = old.map_or((Vec::new(), None), |old| (old.shards, Some(old.items)));
        let mut old_shards = old_shards.into_iter();
        let row_of = |place: usize| rows[place] as usize;
        let (mut shards, mut is_new) = (Vec::with_capacity(MAX_SHARDS), false);
        for places in shards_of(plan, rows.len()) {
            let size = places.len() * plan.row_bytes();
            let (buffer, is_shard_new) = memory.take(old_shards.next(), "rows", size, wgpu::BufferUsages::STORAGE)?;
            upload_rows(memory.open, &buffer, problem, plan, places, row_of)?;
            shards.push(buffer);
            is_new |= is_shard_new;
        }
        let words = tables::item_table(problem, plan, (0..rows.len()).map(row_of));
        let (items, are_items_new) =
            memory.take(old_items, "items of rows", 4 * words.len(), wgpu::BufferUsages::STORAGE)?;
        memory.open.upload(&items, 0, bytemuck::cast_slice(&words))?;
        Ok((Self { shards, items }, is_new || are_items_new))
    }

    /// Gives the memory back, where others may still hold the device.
    pub(super) fn destroy(&self) {
        self.shards.iter().chain([&self.items]).for_each(wgpu::Buffer::destroy);
    }
}

/// The places of so many rows in each binding.
fn shards_of(plan: &Plan, n_rows: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let (n_shards, rows_per_shard) = (plan.n_shards, plan.params.rows_per_shard as usize);
    (0..MAX_SHARDS).map(move |shard| {
        let n_rows = if shard < n_shards { n_rows } else { 0 };
        (shard * rows_per_shard).min(n_rows)..((shard + 1) * rows_per_shard).min(n_rows)
    })
}

/// The rows of one binding, piece by piece; `row_of` says which catalog row is in a place.
fn upload_rows(
    open: &OpenDevice,
    buffer: &wgpu::Buffer,
    problem: &Problem,
    plan: &Plan,
    places: Range<usize>,
    row_of: impl Fn(usize) -> usize + Copy,
) -> Result<(), GpuError> {
    let row_bytes = plan.row_bytes();
    let rows_per_piece = (UPLOAD_BYTES / row_bytes.max(1)).max(1);
    let mut at = places.start;
    while at < places.end && row_bytes > 0 {
        let end = (at + rows_per_piece).min(places.end);
        let bytes = tables::row_bytes(problem, plan, (at..end).map(row_of));
        open.upload(buffer, ((at - places.start) * row_bytes) as u64, &bytes)?;
        if end < places.end {
            // Starts the copy, so that what is on its way does not pile up.
            open.queue.submit([]);
        }
        at = end;
    }
    Ok(())
}

/// What goes up with a batch, and what it needs.
pub(super) struct BatchData {
    /// Headers and slates.
    pub(super) words: Vec<u32>,
    /// Words that slates keep between dispatches.
    pub(super) state_words: usize,
    /// Words of statuses and placements.
    pub(super) output_words: usize,
    /// Catalog rows that come with the batch, where the catalog is on the host.
    pub(super) rows: Option<Vec<u32>>,
}

/// Buffers of one batch. Where a batch was in them before, they still hold what it left: a batch reads no word that it has not
/// written.
pub(super) struct BatchBuffers {
    pub(super) bind_group: wgpu::BindGroup,
    batch: wgpu::Buffer,
    /// What slates keep between dispatches.
    pub(super) state: wgpu::Buffer,
    /// Statuses, then placements.
    pub(super) output: wgpu::Buffer,
    /// Host-visible copy of `output`.
    pub(super) readback: wgpu::Buffer,
    /// Rows that came with the batch.
    rows: Option<CatalogBuffers>,
}

impl BatchBuffers {
    /// Buffers for a batch, the slates uploaded, with the rows of their items where the catalog is on the host. `bind` makes
    /// a bind group of rows, items, batch, state and output.
    ///
    /// # Errors
    /// The driver refuses an allocation. The spare buffers are gone then: memory is what is missing.
    pub(super) fn new(
        memory: Memory,
        problem: &Problem,
        plan: &Plan,
        data: &BatchData,
        spare: Option<Self>,
        bind: impl FnOnce(Option<&CatalogBuffers>, [&wgpu::Buffer; 3]) -> Result<wgpu::BindGroup, GpuError>,
    ) -> Result<Self, GpuError> {
        let mut old = match spare {
            Some(Self { bind_group, batch, state, output, readback, rows }) => {
                (Some(bind_group), Some(batch), Some(state), Some(output), Some(readback), rows)
            }
            None => Default::default(),
        };
        let mut is_new = false;
        let rows = match &data.rows {
            None => None,
            Some(rows) => {
                let (buffers, are_new) = CatalogBuffers::of_rows(memory, problem, plan, rows, old.5.take())?;
                is_new |= are_new;
                Some(buffers)
            }
        };
        let mut take = |old: Option<wgpu::Buffer>, label, n_words: usize, usage| {
            let (buffer, is_buffer_new) = memory.take(old, label, 4 * n_words, usage)?;
            is_new |= is_buffer_new;
            Ok::<_, GpuError>(buffer)
        };
        let on_device = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let batch = take(old.1.take(), "batch", data.words.len(), wgpu::BufferUsages::STORAGE)?;
        let state = take(old.2.take(), "state", data.state_words, on_device)?;
        let output = take(old.3.take(), "output", data.output_words, on_device)?;
        let readback = take(old.4.take(), "readback", data.output_words, wgpu::BufferUsages::MAP_READ)?;
        memory.open.upload(&batch, 0, bytemuck::cast_slice(&data.words))?;
        let bind_group = match old.0.filter(|_| !is_new) {
            Some(bind_group) => bind_group,
            None => bind(rows.as_ref(), [&batch, &state, &output])?,
        };
        Ok(Self { bind_group, batch, state, output, readback, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::{LEAST_BYTES, capacity};

    #[test]
    fn a_buffer_has_some_room_but_not_much() {
        for size in (0..5000).chain([1 << 20, (1 << 20) + 1, 99_999_999]) {
            let found = capacity(size, u64::MAX);
            assert!(found >= size && found.is_multiple_of(4), "{size}: {found}");
            assert!(found <= (size + size / 4).max(size + LEAST_BYTES), "{size}: {found}");
        }
        // Batches of about one size fit the same buffers.
        assert_eq!(capacity(1_000_000, u64::MAX), capacity(1_040_000, u64::MAX));
    }

    #[test]
    fn no_buffer_is_larger_than_a_binding() {
        let most = (1 << 27) - 1;
        assert_eq!(capacity(most as usize - 3, most), most as usize - 3);
        assert_eq!(capacity((1 << 27) - 4, most), (1 << 27) - 4);
    }
}
