//! Against Gram–Schmidt on the rows themselves.

use super::*;
use crate::parity::random::Random;
use crate::real::BLOCK;

/// Rows, and the similarity of two of them, a bias included.
struct Rows(Vec<Vec<f64>>, f64);

impl Rows {
    fn new(n: usize, dim: usize) -> Self {
        let mut random = Random(5);
        Self((0..n).map(|_| random.normals(dim)).collect(), 0.0)
    }
}

impl Items for &Rows {
    fn similarities(&mut self, local: usize, others: &[u32]) -> [f64; BESIDE] {
        let of_two = |a: usize, b: usize| self.1 + self.0[a].iter().zip(&self.0[b]).map(|(x, y)| x * y).sum::<f64>();
        std::array::from_fn(|i| others.get(i).map_or(f64::NAN, |&b| of_two(local, b as usize)))
    }

    fn row_length(&self) -> usize {
        self.0[0].len().next_multiple_of(2)
    }

    fn spread_row(&mut self, local: usize, lane: usize, sides: &mut [Side]) {
        sides.iter_mut().zip(&self.0[local]).for_each(|(side, &x)| side.as_flattened_mut()[lane] = x);
    }

    fn bias(&self) -> f64 {
        self.1
    }

    fn count(&mut self, _: usize) {}
}

fn start(residual: &mut Residual, n: usize) {
    residual.reset(n, 0, n);
}

/// Squared distance from the span of some rows, by modified Gram–Schmidt on the rows themselves, twice.
fn distance(rows: &Rows, hist: &[u32], i: usize) -> f64 {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let remove = |x: &mut Vec<f64>, basis: &[Vec<f64>]| {
        for q in basis.iter().chain(basis) {
            let share: f64 = q.iter().zip(&*x).map(|(a, b)| a * b).sum();
            x.iter_mut().zip(q).for_each(|(x, q)| *x -= share * q);
        }
        x.iter().map(|x| x * x).sum::<f64>()
    };
    for &j in hist {
        let mut x = rows.0[j as usize].clone();
        let length = remove(&mut x, &basis).sqrt();
        if length > 1e-6 {
            x.iter_mut().for_each(|x| *x /= length);
            basis.push(x);
        }
    }
    remove(&mut rows.0[i].clone(), &basis)
}

#[test]
fn an_exact_window_forgets_and_a_growing_one_does_not() {
    let rows = Rows::new(40, 7);
    let mut items = &rows;
    let history: Vec<u32> = (0..30).collect();
    for window in [0, 1, 3, 6] {
        let mut residual = Residual::new(window, Eviction::Exact);
        start(&mut residual, 40);
        for n in 0..=history.len() {
            residual.begin_position(&history[..n], &mut items);
            let hist = if window == 0 { &history[..n] } else { &history[n.saturating_sub(window)..n] };
            for i in 30..40 {
                let found = residual.left(i, &history[..n], &mut items).squared_distance;
                let wanted = distance(&rows, hist, i);
                assert!((found - wanted).abs() < 1e-11, "window {window}, after {n}: {found} {wanted}");
            }
        }
    }
}

/// Looked at now and then, or at every position: the same bits.
#[test]
fn lateness_changes_nothing() {
    let rows = Rows::new(30, 6);
    let mut items = &rows;
    let history: Vec<u32> = (0..20).collect();
    for (window, eviction) in [(0, Eviction::Exact), (4, Eviction::Exact), (4, Eviction::Paper)] {
        let (mut late, mut early) = (Residual::new(window, eviction), Residual::new(window, eviction));
        start(&mut late, 30);
        start(&mut early, 30);
        for n in 0..=history.len() {
            late.begin_position(&history[..n], &mut items);
            early.begin_position(&history[..n], &mut items);
            let found = early.left(25, &history[..n], &mut items).squared_distance;
            if n % 7 == 6 {
                assert_eq!(
                    late.left(25, &history[..n], &mut items).squared_distance,
                    found,
                    "{window} {eviction:?} {n}"
                );
            }
        }
    }
}

/// Two near-copies: the second adds no direction, until the first has left.
#[test]
fn a_near_copy_adds_no_direction_while_its_twin_is_there() {
    let mut rows = Rows::new(6, 4);
    rows.0[1] = rows.0[0].iter().map(|x| x * (1.0 + 1e-9)).collect();
    rows.0[1][0] += 1e-7;
    let mut items = &rows;
    for (eviction, sees_the_twin) in [(Eviction::Exact, true), (Eviction::Paper, false)] {
        let mut residual = Residual::new(2, eviction);
        start(&mut residual, 6);
        let history = [0, 1, 2];
        for n in 0..=3 {
            residual.begin_position(&history[..n], &mut items);
            if n == 2 {
                let found = residual.left(3, &history[..n], &mut items).squared_distance;
                assert!((found - distance(&rows, &[0], 3)).abs() < 1e-6, "{eviction:?}: {found}");
            }
        }
        // Item 0 is gone. That its copy, 1, is in the window makes the difference for item 0's likes.
        let left = residual.left(5, &history, &mut items).squared_distance;
        let wanted = distance(&rows, if sees_the_twin { &[1, 2] } else { &[2] }, 5);
        assert_eq!((left - wanted).abs() < 1e-5, sees_the_twin, "{eviction:?}: {left} {wanted}");
    }
}

#[test]
fn volumes_are_products_of_distances() {
    let rows = Rows::new(6, 8);
    let mut items = &rows;
    let history = [4, 2, 0, 5];
    for (window, counted) in [(0, &history[..]), (2, &history[2..])] {
        let mut residual = Residual::new(window, Eviction::Exact);
        start(&mut residual, 6);
        residual.begin_position(&history, &mut items);
        let lengths = (0..counted.len()).map(|k| distance(&rows, &counted[..k], counted[k] as usize).sqrt());
        let wanted: f64 = lengths.product();
        assert!((residual.volume() - wanted).abs() < 1e-9 * wanted, "window {window}");
    }
}

#[test]
fn several_at_once_are_each_what_one_is() {
    let rows = Rows::new(40, 9);
    let mut items = &rows;
    let history: Vec<u32> = (0..20).collect();
    for (window, eviction) in [(0, Eviction::Exact), (5, Eviction::Exact), (5, Eviction::Paper)] {
        let (mut together, mut alone) = (Residual::new(window, eviction), Residual::new(window, eviction));
        start(&mut together, 40);
        start(&mut alone, 40);
        for n in 0..=history.len() {
            together.begin_position(&history[..n], &mut items);
            alone.begin_position(&history[..n], &mut items);
            let locals = [21, 30, 22, 39];
            let found = together.left_of_several(locals, &history[..n], &mut items);
            assert_eq!(found, locals.map(|local| alone.left(local, &history[..n], &mut items)), "{eviction:?} {n}");
        }
    }
}

/// A block is known as a whole, and says of each of its items what one alone says, to the bit.
#[test]
fn a_block_is_what_its_items_are() {
    let rows = Rows::new(2 * BLOCK + 3, 12);
    let mut items = &rows;
    let history = [3, 30, 17, 4, 1];
    let (mut blocks, mut alone) = (Residual::new(0, Eviction::Exact), Residual::new(0, Eviction::Exact));
    start(&mut blocks, rows.0.len());
    start(&mut alone, rows.0.len());
    for n in 0..=history.len() {
        blocks.begin_position(&history[..n], &mut items);
        alone.begin_position(&history[..n], &mut items);
        for block in 0..3 {
            let found = *blocks.span().unwrap().squared_distances(block, &mut items);
            for (lane, &found) in found.as_flattened().iter().enumerate().take(rows.0.len() - block * BLOCK) {
                let left = alone.left(block * BLOCK + lane, &history[..n], &mut items);
                assert_eq!(left.squared_distance, found.max(0.0), "block {block}, lane {lane}, after {n}");
                assert!((found - distance(&rows, &history[..n], block * BLOCK + lane)).abs() < 1e-11);
            }
        }
    }
    assert!(Residual::new(2, Eviction::Exact).span().is_none());
}

/// A bias is one dimension more, in which all rows are alike.
#[test]
fn a_bias_is_a_dimension() {
    let mut rows = Rows::new(20, 6);
    let mut extended = Rows::new(20, 6);
    rows.1 = 0.81;
    extended.0.iter_mut().for_each(|row| row.push(0.9));
    let history = [2, 19, 7];
    for window in [0, 2] {
        let (mut biased, mut plain) = (Residual::new(window, Eviction::Exact), Residual::new(window, Eviction::Exact));
        start(&mut biased, 20);
        start(&mut plain, 20);
        for n in 0..=history.len() {
            biased.begin_position(&history[..n], &mut &rows);
            plain.begin_position(&history[..n], &mut &extended);
            let found = biased.left(11, &history[..n], &mut &rows);
            let wanted = plain.left(11, &history[..n], &mut &extended);
            assert!((found.squared_distance - wanted.squared_distance).abs() < 1e-12, "window {window}, after {n}");
        }
    }
}
