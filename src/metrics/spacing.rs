//! How close together items of a class stand.

/// Spacing violations@w: pairs of members at most `window` positions apart.
///
/// Source: the soft-spacing penalty of SPEC 5 with the kernel `step` and full confidence, summed over the slate.
pub fn spacing_violations(is_member: &[bool], window: usize) -> usize {
    let members = (0..is_member.len()).filter(|&t| is_member[t]);
    members.map(|t| is_member[t.saturating_sub(window)..t].iter().filter(|&&before| before).count()).sum()
}

/// Spacing load: `Σ_t q(t)` with `q(t) = m_t Σ_d g(d) m_{t−d}`, the rule's penalty before its strength, summed over the slate.
///
/// `membership` is m per position (0 for items that are no members), `weights[d − 1]` the kernel g at distance d. Items shown
/// before the slate do not count.
///
/// Source: the soft-spacing penalty of SPEC 5.
pub fn spacing_load(membership: &[f64], weights: &[f64]) -> f64 {
    let load = |t: usize| {
        let before = membership[..t].iter().rev().zip(weights);
        membership[t] * before.map(|(m, g)| m * g).sum::<f64>()
    };
    (0..membership.len()).map(load).sum()
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    #[test]
    fn violations_are_pairs_within_the_window() {
        let members = [true, false, true, true, false, false, true];
        // At distance 1: (2, 3). At 2: (0, 2). At 3: (0, 3), (3, 6). At 4: (2, 6). At 6: (0, 6).
        let wanted = [0, 1, 2, 4, 5, 5, 6, 6];
        for (window, wanted) in wanted.into_iter().enumerate() {
            assert_eq!(spacing_violations(&members, window), wanted, "window {window}");
        }
        assert_eq!(spacing_violations(&[], 3), 0);
    }

    #[test]
    fn load_weighs_pairs_by_distance_and_confidence() {
        // Kernel 1/d over 2 positions. Position 1: 0.5 · (1 · 1). Position 2: nobody. Position 3: 1 · (0 + 0.5 · 0.5).
        assert_relative_eq!(spacing_load(&[1.0, 0.5, 0.0, 1.0], &[1.0, 0.5]), 0.5 + 0.25);
        // Full confidence and a step kernel: the number of violations.
        assert_relative_eq!(spacing_load(&[1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0], &[1.0; 3]), 4.0);
        assert_eq!(spacing_load(&[], &[1.0]), 0.0);
    }
}
