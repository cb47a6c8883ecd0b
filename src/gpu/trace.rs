//! A look inside the kernel: the state of one slate after every step, to hold each stage against its CPU twin.
//!
//! The kernel is the one that ranks slates; it only gets a budget of one step per dispatch.

use std::ops::ControlFlow;

use crate::gpu::engine::GpuEngine;
use crate::gpu::error::GpuError;
use crate::gpu::flight::Copy;
pub use crate::gpu::layout::Phase;
use crate::gpu::layout::{CONTROL_WORDS, MARK_PLACED};
use crate::prepare::PreparedSlate;

/// The best candidate of the scan so far, with its terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Best {
    /// Rank of the candidate.
    pub rank: u32,
    /// How far its caps are exceeded.
    pub excess: u32,
    /// Utility, then diversity, spacing, semantic and balance.
    pub terms: [f32; 5],
}

/// A slate's state between two steps.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The next step.
    pub phase: Phase,
    /// Position + 1.
    pub step: u32,
    /// Positions filled.
    pub n_filled: u32,
    /// True where the position's window has something to say.
    pub is_active: bool,
    /// The scan's best so far; meaningful from the first scan step on.
    pub best: Best,
    /// Local index of the item in each slot.
    pub slot_items: Vec<u32>,
    /// Step at which it entered.
    pub slot_entered: Vec<u32>,
    /// Its place in the history.
    pub slot_placed_at: Vec<u32>,
    /// Eigensolver's basis, `[slot][spectrum]`.
    pub basis: Vec<f64>,
    /// S_W, `[slot][slot]`; entries of empty slots mean nothing.
    pub gram: Vec<f64>,
    /// Eigenvalues, after the rotation.
    pub eigenvalues: Vec<f32>,
    /// Factors of the loadings.
    pub inverse: Vec<f32>,
    /// H or w, `[spectrum][spectrum]`.
    pub weights: Vec<f32>,
    /// By rank: placed, or taken out by a filter.
    pub is_gone: Vec<bool>,
    /// By local index, how far an item is up to date. Spectral: the step at which it was. `mmr` and `msd`: placed items seen.
    /// `dpp` and `ssd`: placed items seen plus 1, or 0 where the item was never looked at.
    pub refreshed: Vec<u32>,
}

impl GpuEngine<'_> {
    /// Composes one slate step by step and returns its state after every step.
    ///
    /// # Errors
    /// As [`GpuEngine::rerank`].
    pub fn trace(&mut self, slate: &PreparedSlate) -> Result<Vec<Snapshot>, GpuError> {
        let mut snapshots = Vec::new();
        self.trace_with(slate, |snapshot| {
            snapshots.push(snapshot);
            ControlFlow::Continue(())
        })?;
        Ok(snapshots)
    }

    /// Composes one slate step by step and shows its state after every step, until `look` has seen enough.
    ///
    /// # Errors
    /// As [`GpuEngine::rerank`].
    pub fn trace_with(
        &mut self,
        slate: &PreparedSlate,
        mut look: impl FnMut(Snapshot) -> ControlFlow<()>,
    ) -> Result<(), GpuError> {
        let slates = std::slice::from_ref(slate);
        let mut open = self.open_batch(slates)?;
        let size = open.buffers.state.size();
        let readback = self.device.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("trace"),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        for _ in 0..self.plan.max_steps(slates) {
            let dispatched = self.dispatch(&mut open, 1);
            let (first_phase, _) = self.wait(&open, &dispatched, |output| Ok(output[0]))?;
            let mut encoder = self.device.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.copy_buffer_to_buffer(&open.buffers.state, 0, &readback, 0, size);
            let submission = self.device.queue.submit([encoder.finish()]);
            let copy = Copy::new(&readback, size, submission);
            let snapshot = |words: &[u32]| self.snapshot(slate, words);
            let flow = look(self.read_back(&readback, &copy, self.options.timeout, snapshot)?);
            if flow.is_break() || first_phase == Phase::Done as u32 {
                self.spare.push(open.buffers);
                return Ok(());
            }
        }
        Err(GpuError::BadOutput { slate: 0, what: "it never ends".to_owned() })
    }

    /// Cuts a slate's words into parts, in the order of common/state.wgsl.
    fn snapshot(&self, slate: &PreparedSlate, words: &[u32]) -> Result<Snapshot, GpuError> {
        let (m, k) = (self.plan.n_slots, self.plan.n_spectra);
        let is_native = self.has_native_doubles();
        let what = || GpuError::BadOutput { slate: 0, what: format!("phase {} does not exist", words[0]) };
        let (phase, _) = *Phase::ALL.get(words[0] as usize).ok_or_else(what)?;
        let mut at = CONTROL_WORDS;
        let mut take = |n: usize| {
            at += n;
            &words[at - n..at]
        };
        let number = |words: &[u32]| words.iter().map(|&w| f32::from_bits(w)).collect::<Vec<f32>>();
        let (slot_items, slot_entered) = (take(m).to_vec(), take(m).to_vec());
        let slot_placed_at = take(m).to_vec();
        let double = |words: &[u32]| -> Vec<f64> {
            let part = |word: u32| f64::from(f32::from_bits(word));
            let native = |[low, high]: [u32; 2]| f64::from_bits(u64::from(low) | u64::from(high) << 32);
            let of_words = |pair: &[u32; 2]| if is_native { native(*pair) } else { part(pair[0]) + part(pair[1]) };
            words.as_chunks().0.iter().map(of_words).collect()
        };
        let (basis, gram) = (double(take(2 * m * k)), double(take(2 * m * m)));
        take(2 * m.max(k) * k);
        let (eigenvalues, inverse) = (number(take(k)), number(take(k)));
        let weights = number(take(k * k));
        take(slate.n_recent() + slate.n_positions(self.plan.params.slate_size as usize));
        let is_gone = take(slate.n_candidates()).iter().map(|mark| mark & MARK_PLACED != 0).collect();
        let refreshed = take(slate.rows.len()).to_vec();
        let terms = std::array::from_fn(|i| f32::from_bits(words[14 + i]));
        Ok(Snapshot {
            phase,
            step: words[2],
            n_filled: words[4],
            is_active: words[8] == 1,
            best: Best { rank: words[12], excess: words[13], terms },
            slot_items,
            slot_entered,
            slot_placed_at,
            basis,
            gram,
            eigenvalues,
            inverse,
            weights,
            is_gone,
            refreshed,
        })
    }
}
