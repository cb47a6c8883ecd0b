//! A batch of slates as words for the device, and the device's words as ranked slates, trusting nothing.

use rayon::prelude::*;

use super::batch_rows::DeviceSlate;
use super::buffers::BatchBuffers;
use super::error::GpuError;
use super::layout::{Dispatch, HEADER_WORDS, NO_POSITION, PLACEMENT_WORDS, Phase, STATUS_WORDS, SlateHeader};
use super::plan::Plan;
use crate::prepare::PreparedSlate;
use crate::slate::{Placement, RankedSlate};

/// Slates that are worth a thread.
const FEWEST_SLATES: usize = 64;

/// A batch on the device, between dispatches.
pub(super) struct OpenBatch {
    pub(super) headers: Vec<SlateHeader>,
    pub(super) buffers: BatchBuffers,
    pub(super) dispatch: Dispatch,
    /// Words of statuses and placements.
    pub(super) output_words: usize,
}

/// Where each slate's words start.
pub(super) fn headers(plan: &Plan, slates: &[DeviceSlate]) -> Vec<SlateHeader> {
    let mut batch_at = slates.len() * HEADER_WORDS;
    let mut output_at = slates.len() * STATUS_WORDS;
    let mut state_at = 0;
    let take = |at: &mut usize, n: usize| {
        let start = *at as u32;
        *at += n;
        start
    };
    slates
        .iter()
        .enumerate()
        .map(|(i, DeviceSlate { slate, excluded, .. })| {
            let n_positions = slate.n_positions(plan.params.slate_size as usize);
            SlateHeader {
                n_candidates: slate.n_candidates() as u32,
                n_local: slate.rows.len() as u32,
                n_positions: n_positions as u32,
                active_rules: slate.active_rules,
                n_pins: slate.pins.len() as u32,
                rows_at: take(&mut batch_at, slate.rows.len()),
                base_at: take(&mut batch_at, slate.n_candidates()),
                pins_at: take(&mut batch_at, 2 * slate.pins.len()),
                state_at: take(&mut state_at, plan.state_words(slate)),
                output_at: take(&mut output_at, n_positions * PLACEMENT_WORDS),
                status_at: (i * STATUS_WORDS) as u32,
                active_filters: slate.active_filters,
                n_excluded: excluded.len() as u32,
                excluded_at: take(&mut batch_at, excluded.len()),
                n_blocks: slate.seen_bloom.as_ref().map_or(0, |seen| seen.n_blocks()) as u32,
                bloom_at: take(&mut batch_at, slate.bloom_words().len()),
            }
        })
        .collect()
}

/// Headers, then the slates.
pub(super) fn words(slates: &[DeviceSlate], headers: &[SlateHeader]) -> Vec<u32> {
    let n_words = |slate: &DeviceSlate| Plan::batch_words_of(slate.slate, slate.excluded.len()) - HEADER_WORDS;
    let mut words = vec![0; headers.len() * HEADER_WORDS + slates.iter().map(n_words).sum::<usize>()];
    let (of_headers, mut left) = words.split_at_mut(headers.len() * HEADER_WORDS);
    of_headers.copy_from_slice(bytemuck::cast_slice(headers));
    let mut parts = Vec::with_capacity(slates.len());
    for slate in slates {
        let (part, rest) = left.split_at_mut(n_words(slate));
        parts.push((slate, part));
        left = rest;
    }
    parts.into_par_iter().with_min_len(FEWEST_SLATES).for_each(|(slate, part)| pack(slate, part));
    words
}

fn pack(DeviceSlate { slate, rows, excluded }: &DeviceSlate, part: &mut [u32]) {
    let pins = slate.pins.iter().flat_map(|&(position, rank)| [position, rank]);
    let base = slate.base.iter().map(|&b| (b as f32).to_bits());
    let (of_rows, part) = part.split_at_mut(rows.len());
    of_rows.copy_from_slice(rows);
    let rest = base.chain(pins).chain(excluded.iter().copied()).chain(slate.bloom_words().iter().copied());
    part.iter_mut().zip(rest).for_each(|(word, value)| *word = value);
}

/// Reads the placements of every slate of a batch; `first` is the index of the first one.
pub(super) fn all_ranked(
    plan: &Plan,
    slates: &[PreparedSlate],
    headers: &[SlateHeader],
    output: &[u32],
    first: usize,
) -> Result<Vec<RankedSlate>, GpuError> {
    let read = |i: usize| ranked(plan, &slates[i], &headers[i], output, first + i);
    let results: Vec<_> = (0..slates.len()).into_par_iter().with_min_len(FEWEST_SLATES).map(read).collect();
    // One after the other: of several errors it is always the first that is told.
    results.into_iter().collect()
}

/// Slates that are not done yet; an error where one did not take part in the dispatch.
pub(super) fn n_left(output: &[u32], n_slates: usize, nonce: u32, first: usize) -> Result<usize, GpuError> {
    let mut n_left = 0;
    for (i, status) in output.chunks_exact(STATUS_WORDS).take(n_slates).enumerate() {
        if status[2] != nonce {
            let what = format!("dispatch {nonce} did not reach its end (mark {:#x})", status[2]);
            return Err(GpuError::BadOutput { slate: first + i, what });
        }
        n_left += usize::from(status[0] != Phase::Done as u32);
    }
    Ok(n_left)
}

/// Reads one slate's placements.
fn ranked(
    plan: &Plan,
    slate: &PreparedSlate,
    header: &SlateHeader,
    output: &[u32],
    index: usize,
) -> Result<RankedSlate, GpuError> {
    let bad = |what: String| GpuError::BadOutput { slate: index, what };
    let status = &output[header.status_at as usize..][..STATUS_WORDS];
    let (filled, n_filtered) = (status[1], status[4]);
    let n_left = header.n_candidates.checked_sub(n_filtered);
    let n_left =
        n_left.ok_or_else(|| bad(format!("{n_filtered} of {} candidates are filtered", header.n_candidates)))?;
    if filled != header.n_positions.min(n_left) {
        return Err(bad(format!("{filled} positions are filled, of {} with {n_left} candidates", header.n_positions)));
    }
    let n = filled as usize;
    let exhausted_at = Some(status[3]).filter(|&position| position != NO_POSITION);
    if let Some(position) = exhausted_at.filter(|&position| position as usize >= n) {
        return Err(bad(format!("the rank is exhausted at position {position}, which does not exist")));
    }
    let mut is_taken = vec![false; slate.n_candidates()];
    let words = &output[header.output_at as usize..header.output_at as usize + n * PLACEMENT_WORDS];
    let mut placements = Vec::with_capacity(n);
    for (position, words) in words.chunks_exact(PLACEMENT_WORDS).enumerate() {
        let rank = words[0] as usize;
        if rank >= is_taken.len() || std::mem::replace(&mut is_taken[rank], true) {
            return Err(bad(format!("position {position} holds candidate {rank}, which is taken or does not exist")));
        }
        let number = |i: usize| f64::from(f32::from_bits(words[i]));
        if (1..PLACEMENT_WORDS).any(|i| !number(i).is_finite()) {
            return Err(bad(format!("position {position} holds a number that is not finite")));
        }
        placements.push(Placement {
            candidate: slate.candidate[rank],
            item: slate.rows[rank],
            base: slate.base[rank],
            utility: number(1),
            diversity: number(2),
            spacing: number(3),
            semantic: number(4),
            balance: number(5),
        });
    }
    let is_short = n < plan.params.slate_size as usize;
    Ok(RankedSlate { placements, is_short, n_filtered, rank_exhausted_at: exhausted_at })
}
