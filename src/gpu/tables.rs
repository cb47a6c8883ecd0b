//! What goes up to the device of the catalog: rows and the item table, of all items or of those of a batch.

use half::f16;

use crate::catalog::EmbeddingData;
use crate::gpu::plan::{OCTET, Plan};
use crate::prepare::MAX_RECENT;
use crate::problem::Problem;

/// Small tables in front of the item table, with where each starts.
#[derive(Debug, Default)]
pub struct Tables {
    /// All words.
    pub words: Vec<u32>,
    /// Spacing rules: (start of weights, window, strength) each.
    pub rules_at: u32,
    /// Kernel weights of the Semantic-ID penalty.
    pub semantic_weights_at: u32,
    /// h by length of the agreement.
    pub prefix_penalty_at: u32,
    /// Caps: (max, window) each.
    pub cap_rules_at: u32,
    /// decay^age.
    pub decay_at: u32,
}

impl Tables {
    fn append(&mut self, values: impl IntoIterator<Item = u32>) -> u32 {
        let at = self.words.len() as u32;
        self.words.extend(values);
        at
    }

    fn append_numbers(&mut self, values: &[f64]) -> u32 {
        self.append(values.iter().map(|&x| (x as f32).to_bits()))
    }
}

/// The small tables of a problem.
pub fn tables(problem: &Problem) -> Tables {
    let mut tables = Tables::default();
    let mut descriptors = Vec::new();
    for rule in &problem.spacing {
        let at = tables.append_numbers(&rule.weights);
        descriptors.extend([at, rule.weights.len() as u32, (rule.strength as f32).to_bits()]);
    }
    tables.rules_at = tables.append(descriptors);
    if let Some(rule) = &problem.semantic_id {
        tables.semantic_weights_at = tables.append_numbers(&rule.weights);
        tables.prefix_penalty_at = tables.append_numbers(&rule.prefix_penalty);
    }
    tables.cap_rules_at = tables.append(problem.caps.iter().flat_map(|c| [c.max as u32, c.window as u32]));
    let decay = problem.config.spectral.decay;
    let oldest = problem.config.slate_size + MAX_RECENT;
    let ages: Vec<f64> = (0..=oldest).map(|age| decay.powi(age as i32)).collect();
    tables.decay_at = tables.append_numbers(&ages);
    tables
}

/// Small tables, then for the item of each row: factors of the signals, memberships, Semantic-ID codes, cap values, failed filters, the two
/// halves of the hash of its id.
pub fn item_table(problem: &Problem, plan: &Plan, rows: impl ExactSizeIterator<Item = usize>) -> Vec<u32> {
    let mut words = tables(problem).words;
    words.reserve(rows.len() * plan.params.item_words as usize);
    for row in rows {
        words.extend(problem.signals.iter().map(|s| s.factors[row].to_bits()));
        words.extend(problem.spacing.iter().map(|r| (r.membership[row] as f32).to_bits()));
        if let Some(rule) = &problem.semantic_id {
            words.extend_from_slice(&rule.codes[row * rule.n_levels..(row + 1) * rule.n_levels]);
        }
        words.extend(problem.caps.iter().map(|c| c.values[row]));
        words.extend(problem.filter.failed.get(row));
        words.extend(problem.filter.id_hashes.get(row).iter().flat_map(|&&hash| [hash as u32, (hash >> 32) as u32]));
    }
    words
}

/// Bytes of some catalog rows, every signal padded with zeros to whole pairs of octets. Where a signal is f64, what
/// f32 lacks of its values follows all signals.
pub fn row_bytes(problem: &Problem, plan: &Plan, rows: impl ExactSizeIterator<Item = usize> + Clone) -> Vec<u8> {
    let value_bytes = plan.value_bytes();
    let mut bytes = vec![0; rows.len() * plan.row_bytes()];
    let rest_at = plan.params.rest_octets as usize * OCTET * value_bytes;
    for (s, signal) in problem.signals.iter().enumerate() {
        let pair = plan.params.segments[s / 2];
        let start = pair[s % 2 * 2] as usize * OCTET;
        let dim = signal.embedding.dim;
        for (place, row) in rows.clone().enumerate() {
            let at = place * plan.row_bytes() + start * value_bytes;
            let target = &mut bytes[at..];
            let range = row * dim..(row + 1) * dim;
            match &signal.embedding.data {
                EmbeddingData::F16(v) if plan.is_f16 => {
                    target[..2 * dim].copy_from_slice(bytemuck::cast_slice(&v[range]));
                }
                EmbeddingData::F16(v) => write_f32(target, v[range].iter().map(|x: &f16| x.to_f32())),
                EmbeddingData::F32(v) => target[..4 * dim].copy_from_slice(bytemuck::cast_slice(&v[range])),
                EmbeddingData::F64(v) => {
                    let v = &v[range];
                    write_f32(target, v.iter().map(|&x| x as f32));
                    write_f32(&mut target[rest_at..], v.iter().map(|&x| (x - f64::from(x as f32)) as f32));
                }
            }
        }
    }
    bytes
}

fn write_f32(target: &mut [u8], values: impl Iterator<Item = f32>) {
    for (bytes, value) in target.chunks_exact_mut(4).zip(values) {
        bytes.copy_from_slice(&value.to_ne_bytes());
    }
}
