//! Which settings are worth looking at.

/// A setting's place: mean relevance kept, and mean diversity turned so that more is better.
pub type Place = Option<(f64, f64)>;

/// Marks the Pareto front: points that no other point beats in one figure without losing in the other. Of equal points all are
/// on it. A point without figures is not.
pub fn front(places: &[Place]) -> Vec<bool> {
    let mut order: Vec<(usize, f64, f64)> =
        places.iter().enumerate().filter_map(|(i, p)| p.map(|(x, y)| (i, x, y))).collect();
    // The most relevant first; of equally relevant ones the most diverse first.
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.2.total_cmp(&a.2)));
    let mut is_on = vec![false; places.len()];
    let mut best: Option<(f64, f64)> = None;
    for (i, x, y) in order {
        if best.is_none_or(|(best_x, best_y)| y > best_y || (x == best_x && y == best_y)) {
            is_on[i] = true;
            best = Some((x, y));
        }
    }
    is_on
}

/// The most diverse point that keeps at least `keep` of the relevance, of equally diverse ones the most relevant, then the
/// first.
pub fn most_diverse(places: &[Place], keep: f64) -> Option<usize> {
    let kept = places.iter().enumerate().filter_map(|(i, p)| p.filter(|&(x, _)| x >= keep).map(|(x, y)| (i, x, y)));
    kept.reduce(|best, next| {
        let is_better = next.2.total_cmp(&best.2).then(next.1.total_cmp(&best.1)).is_gt();
        if is_better { next } else { best }
    })
    .map(|(i, ..)| i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_beats_a_point_of_the_front_in_both() {
        let places = [
            Some((1.0, 0.1)),
            Some((0.9, 0.5)),
            // Beaten by the one before.
            Some((0.9, 0.4)),
            Some((0.8, 0.5)),
            Some((0.7, 0.9)),
            None,
            // Equal to a point of the front.
            Some((0.9, 0.5)),
        ];
        assert_eq!(front(&places), [true, true, false, false, true, false, true]);
        assert_eq!(front(&[]), [false; 0]);
        assert_eq!(front(&[None]), [false]);
    }

    #[test]
    fn the_front_is_what_comparing_all_pairs_says() {
        let mut random = crate::parity::random::Random(3);
        for _ in 0..50 {
            let places: Vec<Place> = (0..40).map(|_| Some((random.below(8) as f64, random.below(8) as f64))).collect();
            let beaten =
                |(x, y): (f64, f64)| places.iter().flatten().any(|&(a, b)| (a >= x && b > y) || (a > x && b >= y));
            let by_pairs: Vec<bool> = places.iter().map(|p| p.is_some_and(|p| !beaten(p))).collect();
            assert_eq!(front(&places), by_pairs);
        }
    }

    #[test]
    fn the_choice_keeps_what_is_wanted() {
        let places = [Some((0.99, 0.2)), Some((0.985, 0.6)), None, Some((0.98, 0.6)), Some((0.9, 0.9))];
        assert_eq!(most_diverse(&places, 0.98), Some(1), "of equally diverse ones the most relevant");
        assert_eq!(most_diverse(&places, 0.9), Some(4));
        assert_eq!(most_diverse(&places, 0.995), None);
    }
}
