//! S_W where it is known who enters next: similarities of many items to the window at once, before the items are there.
//!
//! Where only the window's candidates compete, the next ranks enter one after the other. [`SIDE`] of them lie side by side, a value of
//! each, so that a row of the window is read once for all of them and no sum goes across a register.

use super::WindowSimilarity;
use crate::config::MAX_WINDOW;
use crate::problem::Problem;
use crate::real::Real;
use crate::stage::eigensolve::{BLOCK, SIDE, column_length, compare};
use crate::stage::window::{EMPTY, Window};

/// A few items that enter the window now or soon, and what they have in common with it. All rows are in double precision.
#[derive(Debug, Default)]
pub struct Ahead {
    /// The items, [`SIDE`] at most, as local indices; their places are lanes.
    items: Vec<u32>,
    /// Rows of those who are in no slot yet, by lane; a value of every lane's item side by side.
    rows: Vec<f64>,
    spread: Vec<[f64; SIDE]>,
    /// Similarities of those who are in no slot yet to the lanes.
    among: Vec<[f64; SIDE]>,
    /// By slot: the item that the next two are of, its row, and its similarities to the lanes.
    slot_items: Vec<u32>,
    slot_rows: Vec<f64>,
    to_lanes: Vec<[f64; SIDE]>,
    /// Slots that are empty, or were entered at the position, and of these: with the lane of their item, or by somebody who lies in none.
    changed: Vec<usize>,
    known: Vec<(usize, usize)>,
    strangers: Vec<usize>,
}

impl Ahead {
    /// Forgets everything and makes room for `n_slots` rows of length `row_length`.
    pub fn reset(&mut self, n_slots: usize, row_length: usize) {
        let n_rows = n_slots.next_multiple_of(BLOCK);
        self.items.clear();
        self.slot_items.clear();
        self.slot_items.resize(n_slots, EMPTY);
        self.slot_rows.resize(n_rows * row_length, 0.0);
        self.to_lanes.resize(n_rows, [0.0; SIDE]);
        self.rows.resize(SIDE * row_length, 0.0);
        self.spread.resize(row_length, [0.0; SIDE]);
        self.among.resize(SIDE, [0.0; SIDE]);
    }

    fn lane(&self, item: u32) -> Option<usize> {
        self.items.iter().position(|&other| other == item)
    }

    /// Items that lie in slots from `first` on.
    fn n_members(&self, first: usize) -> usize {
        self.slot_items[first..].iter().filter(|&&item| item != EMPTY).count()
    }

    fn row(&mut self, lane: usize) -> &mut [f64] {
        let length = self.spread.len();
        &mut self.rows[lane * length..(lane + 1) * length]
    }

    fn slot_row(&mut self, slot: usize) -> &mut [f64] {
        let length = self.spread.len();
        &mut self.slot_rows[slot * length..(slot + 1) * length]
    }

    /// Lays the row of a slot's item beside those of the other lanes.
    fn spread_slot(&mut self, slot: usize, lane: usize) {
        let length = self.spread.len();
        spread(&self.slot_rows[slot * length..(slot + 1) * length], lane, &mut self.spread);
    }

    /// Lays the row of a lane's item, who is in no slot yet, beside those of the others.
    fn spread_own(&mut self, lane: usize) {
        let length = self.spread.len();
        spread(&self.rows[lane * length..(lane + 1) * length], lane, &mut self.spread);
    }

    /// Takes an item of a lane into a slot.
    fn enter(&mut self, slot: usize, lane: usize) {
        let length = self.spread.len();
        let row = &self.rows[lane * length..(lane + 1) * length];
        self.slot_rows[slot * length..(slot + 1) * length].copy_from_slice(row);
        self.to_lanes[slot] = self.among[lane];
    }

    /// Compares the lanes with the rows of the slots from `first` on, and with those of their own that are in no slot yet.
    fn compare(&mut self, first: usize, n_in_slots: usize) {
        let (length, first) = (self.spread.len(), first / BLOCK * BLOCK);
        let own = n_in_slots / BLOCK * BLOCK..self.items.len().next_multiple_of(BLOCK);
        compare(&self.spread, &self.rows[own.start * length..own.end * length], &mut self.among[own]);
        compare(&self.spread, &self.slot_rows[first * length..], &mut self.to_lanes[first..]);
    }

    /// Writes the row and the column of S_W of a slot whose item lies in a lane, but for the slots before `first`.
    fn write(&self, slot: usize, lane: usize, first: usize, gram: &mut [f64]) {
        let length = column_length(self.slot_items.len());
        let mut own = [0.0; MAX_WINDOW];
        let rows = gram.chunks_exact_mut(length).zip(&self.slot_items).zip(&self.to_lanes).zip(&mut own);
        for (((row, &item), to_lanes), own) in rows.skip(first) {
            *own = if item == EMPTY { 0.0 } else { to_lanes[lane] };
            row[slot] = *own;
        }
        let n = self.slot_items.len();
        gram[slot * length + first..slot * length + n].copy_from_slice(&own[first..n]);
    }

    /// Takes an item out of a slot.
    fn leave(&mut self, slot: usize, gram: &mut [f64]) {
        let length = column_length(self.slot_items.len());
        self.slot_items[slot] = EMPTY;
        gram[slot * length..(slot + 1) * length].fill(0.0);
        gram.iter_mut().skip(slot).step_by(length).for_each(|x| *x = 0.0);
    }
}

fn spread(row: &[f64], lane: usize, spread: &mut [[f64; SIDE]]) {
    spread.iter_mut().zip(row).for_each(|(values, &x)| values[lane] = x);
}

impl<R: Real> WindowSimilarity<R> {
    /// As [`Self::gram`], for a matrix that was brought up to date here at the step `since`, too, or is zero.
    pub fn gram_ahead(
        &mut self,
        problem: &Problem,
        catalog_rows: &[u32],
        window: &Window,
        since: u32,
        gram: &mut [f64],
    ) {
        let mut ahead = std::mem::take(&mut self.ahead);
        let mut strangers = std::mem::take(&mut ahead.strangers);
        strangers.clear();
        ahead.known.clear();
        let mut changed = std::mem::take(&mut ahead.changed);
        changed.clear();
        changed.extend(window.empty().chain(window.entered_since(since)));
        changed.sort_unstable();
        for &slot in &changed {
            let item = window.items[slot];
            if item == std::mem::replace(&mut ahead.slot_items[slot], item) {
                continue;
            }
            if item == EMPTY {
                ahead.leave(slot, gram);
            } else if let Some(lane) = ahead.lane(item) {
                ahead.enter(slot, lane);
                ahead.known.push((slot, lane));
            } else {
                self.write_wide_row(problem, catalog_rows, item as usize, ahead.slot_row(slot));
                strangers.push(slot);
            }
        }
        // What a stranger's slot gets here it gets again below.
        ahead.known.iter().for_each(|&(slot, lane)| ahead.write(slot, lane, 0, gram));
        let n_members = ahead.n_members(0);
        for (i, slots) in strangers.chunks(SIDE).enumerate() {
            // The last chunk stays, with those who come next, and has to know all slots. Where everybody is a stranger, slots of
            // earlier chunks are done for the others.
            let is_last = (i + 1) * SIDE >= strangers.len();
            let first = if strangers.len() == n_members && !is_last { slots[0] } else { 0 };
            ahead.items.clear();
            ahead.items.extend(slots.iter().map(|&slot| window.items[slot]));
            ahead.items.extend(window.upcoming.iter().take(SIDE - slots.len()));
            slots.iter().enumerate().for_each(|(lane, &slot)| ahead.spread_slot(slot, lane));
            for lane in slots.len()..ahead.items.len() {
                self.write_wide_row(problem, catalog_rows, ahead.items[lane] as usize, ahead.row(lane));
                ahead.spread_own(lane);
            }
            ahead.compare(first, slots.len());
            self.n_compared += (ahead.items.len() * (ahead.items.len() + ahead.n_members(first))) as u64;
            slots.iter().enumerate().for_each(|(lane, &slot)| ahead.write(slot, lane, first, gram));
        }
        (ahead.changed, ahead.strangers) = (changed, strangers);
        self.ahead = ahead;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, Embedding, EmbeddingData};
    use crate::config::Config;
    use crate::metrics::Similarities;
    use crate::parity::random::Random;
    use crate::prepare::PreparedSlate;
    use crate::run::Run;
    use crate::slate::{Pin, Slate};

    const N_ITEMS: usize = 90;

    fn catalog(random: &mut Random) -> Catalog {
        let mut catalog = Catalog::new();
        let singles = random.normals(N_ITEMS * 40).into_iter().map(|x| x as f32).collect::<Vec<f32>>();
        catalog.add_signal(Embedding::new("a", 40, EmbeddingData::F32(singles.into()))).unwrap();
        let doubles = random.normals(N_ITEMS * 7);
        catalog.add_signal(Embedding::new("b", 7, EmbeddingData::F64(doubles.into()))).unwrap();
        catalog
    }

    /// Whoever enters, from wherever, S_W has the similarities of who is there.
    fn every_position_has_its_similarities<R: Real>(behind: usize, ahead: usize, pinned: &[Pin], recent: &[u32]) {
        let catalog = catalog(&mut Random(5));
        let text = format!(
            "slate_size = 70\n[[signal]]\nname = \"a\"\nweight = 0.6\n[[signal]]\nname = \"b\"\nweight = 0.4\nmetric = \"dot\"\n[window]\nbehind = {behind}\nahead = {ahead}\nscope = \"window\""
        );
        let config = Config::from_toml(&text).unwrap();
        let problem = Problem::new(&config, &catalog).unwrap();
        let slate = Slate {
            candidates: (0..85).collect(),
            scores: (0..85).map(|i| 1.0 / f64::from(i + 1)).collect(),
            recent: recent.to_vec(),
            pinned: pinned.to_vec(),
            ..Slate::default()
        };
        let prepared = PreparedSlate::new(&problem, &slate).unwrap();
        let similarities = Similarities::new(&problem, &prepared.rows);
        let mut run = Run::<R>::new(&problem, true);
        // Nothing is left of a slate in the next.
        for _ in 0..2 {
            run.begin(&prepared);
            for position in 0..70 {
                run.begin_position();
                let (items, spectral) = (&run.slots().window.items, run.spectral().unwrap());
                for (a, b) in (0..items.len()).flat_map(|a| (0..items.len()).map(move |b| (a, b))) {
                    let wanted = match (spectral.is_active(), items[a], items[b]) {
                        (false, ..) | (_, EMPTY, _) | (.., EMPTY) => 0.0,
                        (true, a, b) => similarities.between(a as usize, b as usize),
                    };
                    let found = spectral.gram(a, b);
                    assert!((found - wanted).abs() < 1e-12, "position {position}, slots {a} {b}: {found} {wanted}");
                    assert_eq!(found, spectral.gram(b, a), "position {position}, slots {a} {b}");
                }
                let winner = run.pinned(position).or_else(|| run.best()).unwrap();
                run.place(winner.rank);
            }
        }
    }

    #[test]
    fn the_matrix_is_that_of_the_window_whoever_enters() {
        let pinned: Vec<Pin> = [(3, 60), (4, 61), (30, 84)].map(|(position, item)| Pin { position, item }).to_vec();
        for (behind, ahead) in [(10, 50), (5, 3), (1, 1), (3, 80), (40, 16)] {
            every_position_has_its_similarities::<f32>(behind, ahead, &[], &[]);
            every_position_has_its_similarities::<f64>(behind, ahead, &pinned, &[86, 87, 88]);
            every_position_has_its_similarities::<f32>(behind, ahead, &pinned, &[88, 2, 87, 86, 85]);
        }
    }
}
