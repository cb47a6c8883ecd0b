//! Penalties of many items against those of one.

use super::*;
use crate::config::Config;

/// Numbers from −1 to 1.
fn noise(i: usize) -> f64 {
    crate::stage::eigensolve::pseudo_random(i / 100, i % 100)
}

fn side_by_side_is_one_by_one<R: Real>(n_slots: usize, n_spectra: usize) {
    let mut solver = Eigensolve::default();
    solver.reset(n_slots, n_spectra, false);
    let length = crate::stage::eigensolve::column_length(n_slots);
    let mut gram = vec![0.0; n_slots * length];
    for a in 0..n_slots {
        for b in 0..=a {
            let value = if a == b { 1.0 } else { 0.5 * noise(100 * a + b) };
            (gram[a * length + b], gram[b * length + a]) = (value, value);
        }
    }
    solver.enter(std::iter::empty(), 0..n_slots);
    solver.iterate(4, &gram, |_| true);
    solver.project(&gram);
    solver.rotate();
    let config = Config::default();
    let mut exposure = Exposure::<R>::default();
    exposure.begin(&solver, &config.spectral);
    for slot in 0..n_slots / 2 {
        exposure.take_in(&exposure.member_loadings(&solver, slot), R::of(0.9));
    }
    exposure.finish(&solver, &config.spectral);
    exposure.reach_out(&solver);
    let (n_items, stride) = (37, 64);
    let similarities: Vec<R> = (0..n_slots * stride).map(|i| R::of(noise(7 * i))).collect();
    let mut penalties = vec![R::nan(); n_items];
    exposure.penalties_from(&similarities, stride, &mut penalties);
    for (item, &penalty) in penalties.iter().enumerate() {
        let own: Vec<R> = (0..n_slots).map(|slot| similarities[slot * stride + item]).collect();
        let one = exposure.penalty_from(&own);
        assert!(
            penalty == one && one > R::zero(),
            "{n_slots} slots, {n_spectra} spectra, item {item}: {penalty:?}, {one:?}"
        );
    }
}

#[test]
fn penalties_side_by_side_are_those_of_one_item_after_the_other() {
    for n_spectra in 1..=MAX_SPECTRA {
        side_by_side_is_one_by_one::<f32>(n_spectra + 3, n_spectra);
        side_by_side_is_one_by_one::<f64>(n_spectra + 3, n_spectra);
    }
}
