//! Through the strategy that uses it, on generated slates: sums at every position against similarities one by one.

use crate::catalog::{Catalog, Embedding, EmbeddingData};
use crate::config::Config;
use crate::metrics::Similarities;
use crate::parity::random::Random;
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::real::BLOCK;
use crate::run::Run;
use crate::slate::Slate;
use crate::stage::placed_sum::PlacedSum;

const N_ITEMS: usize = 24;

/// Two signals, the second of which is not a whole number of pieces long.
fn catalog() -> Catalog {
    let mut random = Random(3);
    let mut catalog = Catalog::new();
    for (name, dim) in [("a", 32), ("b", 5)] {
        let rows: Vec<f32> = random.normals(N_ITEMS * dim).into_iter().map(|x| x as f32).collect();
        catalog.add_signal(Embedding::new(name, dim, EmbeddingData::F32(rows.into()))).unwrap();
    }
    catalog
}

#[test]
fn sums_are_those_of_the_similarities_and_never_lose_more_than_they_say() {
    let catalog = catalog();
    let text = "strategy = \"msd\"\nslate_size = 12\n[[signal]]\nname = \"a\"\nweight = 0.6\n[[signal]]\nname = \"b\"\nweight = 0.4";
    let config = Config::from_toml(text).unwrap();
    let problem = Problem::new(&config, &catalog).unwrap();
    let all: Vec<u32> = (0..N_ITEMS as u32).collect();
    let slate = Slate { candidates: all.clone(), scores: vec![0.0; N_ITEMS], recent: vec![3, 9], ..Slate::default() };
    let prepared = PreparedSlate::new(&problem, &slate).unwrap();
    let similarities = Similarities::new(&problem, &prepared.rows);
    for window in [0, 4] {
        let mut run = Run::<f32>::new(&problem, true);
        run.begin(&prepared);
        let mut sums = PlacedSum::new(window, problem.most_similarity().sqrt());
        sums.reset(N_ITEMS);
        let mut before: Vec<Vec<f64>> = Vec::new();
        for position in 0..12 {
            run.begin_position();
            let slots = run.slots_mut();
            sums.begin_position(slots);
            let first = if window == 0 { 0 } else { slots.history.len().saturating_sub(window) };
            let counted: Vec<usize> = slots.history[first..].iter().map(|&local| local as usize).collect();
            assert_eq!(sums.n_counted(), counted.len());
            let now: Vec<f64> = (0..N_ITEMS).map(|local| sums.of(slots, local)).collect();
            for (local, &sum) in now.iter().enumerate() {
                let wanted: f64 = counted.iter().map(|&placed| similarities.between(local, placed)).sum();
                assert!((sum - wanted).abs() < 1e-6, "window {window}, position {position}: {sum} {wanted}");
            }
            let least = sums.least(slots, &[1, 0]).to_vec();
            for (local, &sum) in now.iter().enumerate() {
                let bound = f64::from(least[1 - local / BLOCK][local % BLOCK]);
                // As near as eight bits come, and a multiple of that where nothing is lost.
                assert!(
                    bound <= sum && sum - bound <= 0.03 * (1 + counted.len()) as f64,
                    "position {position}: {bound} {sum}"
                );
            }
            before.push(now.clone());
            let losses: Vec<(f64, f64)> =
                (1..=position as u32 + 1).map(|step| sums.loss_since(step).unwrap()).collect();
            for (then, &(lost, _)) in before.iter().zip(&losses) {
                let most = then.iter().zip(&now).map(|(then, now)| then - now).fold(f64::MIN, f64::max);
                assert!(most <= lost, "window {window}, position {position}: {most} {lost}");
            }
            assert!(losses.last().unwrap().0 < 0.05, "nothing is lost at once: {losses:?}");
            run.place(position);
        }
    }
}
