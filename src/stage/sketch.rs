//! Rows of candidates in whole numbers of eight bits, a block of them side by side, and how far off their products with another row
//! can be.
//!
//! ```text
//! x_i = a_i q_i + δ_i,   p = b r + ρ           q, r whole numbers from −127 to 127
//! ⟨x_i, p⟩ ≥ a_i b ⟨q_i, r⟩ − ‖δ_i‖ ‖b r‖ − ‖x_i‖ ‖ρ‖        Cauchy–Schwarz
//! ```
//! A quarter of what rows in single precision take, and a product of whole numbers is the same on every processor, however it is added
//! up. It has no shader of its own: a GPU compares rows as they are.

mod whole;

use self::whole::{CENTRE, FOUR, MOST, Measures, QUADS, Quad};
use crate::real::{BLOCK, Lanes, Real};
use crate::run::Slots;

/// Place of a block that has no sketch yet.
const NOT_MADE: u32 = u32::MAX;
/// A row without a larger value counts as nothing.
const LEAST: f32 = 1e-30;
/// Units of rounding of single precision in a length, generously, by value of the row: a factor, its quotient, a product and what becomes
/// of them.
const ROUNDING: f64 = 8.0 * MOST as f64 * f32::EPSILON as f64;

/// The sketches of one slate's candidates, made when first needed.
#[derive(Debug, Default)]
pub struct Sketch {
    /// Block of candidates by rank → place of its sketch, or [`NOT_MADE`].
    places: Vec<u32>,
    n_candidates: usize,
    /// `[place][quad]`.
    quads: Vec<Quad>,
    /// By place: a and ‖δ‖ of every candidate.
    scales: Vec<[f32; BLOCK]>,
    errors: Vec<[f32; BLOCK]>,
    /// Blocks that are looked at, by place, products of their whole numbers, and what products of rows are no smaller than.
    listed: Vec<u32>,
    products: Vec<[i32; BLOCK]>,
    least: Vec<[f32; BLOCK]>,
    /// A row in single precision, where it is not.
    single: Vec<Lanes<f32>>,
}

/// A row that sketches are multiplied with.
#[derive(Debug, Default)]
pub struct Query {
    /// r.
    quads: Vec<[i8; FOUR]>,
    measures: Measures,
}

impl Query {
    /// Asks for products with another row; no row of a candidate is longer than `longest`.
    pub fn set(&mut self, row: &[Lanes<f64>], longest: f64) {
        // What is rounded on the way to single precision.
        const UP: f64 = 1.0 + 1e-6;
        self.quads.resize(row.len() * QUADS, [0; FOUR]);
        let largest = whole::largest_f64(row);
        let scale = if largest < f64::from(LEAST) { 0.0 } else { f64::from((largest / f64::from(MOST)) as f32) };
        let found = whole::round_f64(row, if scale > 0.0 { 1.0 / scale } else { 0.0 }, self.quads.as_flattened_mut());
        self.measures = Measures {
            scale: scale as f32,
            centre: CENTRE * found.sum,
            length: (UP * scale * found.squared_length.sqrt()) as f32,
            // Whole numbers lose what products with 1 / b are rounded by.
            error: (UP * longest * scale * (found.squared_error.sqrt() + 1e-11)) as f32 + 1e3 * LEAST,
        };
    }
}

impl Sketch {
    /// Forgets the last slate and makes room for `n_candidates`.
    pub fn reset(&mut self, n_candidates: usize) {
        self.n_candidates = n_candidates;
        self.places.clear();
        self.places.resize(n_candidates.div_ceil(BLOCK), NOT_MADE);
        self.quads.clear();
        self.scales.clear();
        self.errors.clear();
    }

    /// What products of the candidates of some blocks with what is asked are no smaller than. Numbers of ranks beyond the last candidate
    /// have no meaning.
    pub fn least<R: Real>(&mut self, slots: &mut Slots<R>, blocks: &[u32], query: &Query) -> &[[f32; BLOCK]] {
        let n_quads = query.quads.len();
        self.listed.clear();
        for &block in blocks {
            if self.places[block as usize] == NOT_MADE {
                self.make(slots, block as usize, n_quads);
            }
            self.listed.push(self.places[block as usize]);
            slots.similarity.count_summed(BLOCK.min(self.n_candidates - block as usize * BLOCK));
        }
        whole::products(&self.quads, &self.listed, &query.quads, &mut self.products);
        self.least.resize(blocks.len(), [0.0; BLOCK]);
        let lengths = (self.scales.as_slice(), self.errors.as_slice());
        whole::lower_bounds(&self.products, &self.listed, lengths, query.measures, &mut self.least);
        &self.least
    }

    // Once per block: apart from what runs at every position.
    #[cold]
    fn make<R: Real>(&mut self, slots: &mut Slots<R>, block: usize, n_quads: usize) {
        self.places[block] = self.scales.len() as u32;
        let start = self.quads.len();
        self.quads.resize(start + n_quads, Quad([[CENTRE as u8; FOUR]; BLOCK]));
        let quads = &mut self.quads[start..];
        let (mut scales, mut errors) = ([0.0; BLOCK], [0.0; BLOCK]);
        let Slots { problem, slate, similarity, .. } = slots;
        for lane in 0..BLOCK.min(self.n_candidates - block * BLOCK) {
            let row = similarity.signal_rows(problem, &slate.rows, block * BLOCK + lane);
            let single = &mut self.single;
            let largest_of = |(_, row, factor)| factor * whole::largest_f32(R::as_single(row, single));
            let largest = row.clone().map(largest_of).fold(0.0, f32::max);
            if largest < LEAST {
                // No length of such a row is more, and it adds nothing to what rounds.
                errors[lane] = 1e3 * LEAST;
                continue;
            }
            let mut squared_error = 0.0;
            for (first, row, factor) in row {
                let scale = factor * (MOST / largest);
                squared_error += whole::round_f32(R::as_single(row, single), scale, &mut quads[first * QUADS..], lane);
            }
            scales[lane] = largest / MOST;
            let length = f64::from(squared_error).sqrt() + ROUNDING * ((n_quads * FOUR) as f64).sqrt();
            errors[lane] = (1.001 * length * f64::from(scales[lane])) as f32;
        }
        self.scales.push(scales);
        self.errors.push(errors);
    }
}
