//! What one problem can take from another over the same catalog.

use std::sync::Arc;

use super::Problem;
use crate::catalog::Embedding;
use crate::config::{Adjust, Cap, Metric, Spacing};

impl Problem<'_> {
    /// The factors of a signal, and its largest similarity of an item to itself, where this problem has the very same signal.
    pub(super) fn factors_of(&self, embedding: &Embedding, share: f64, metric: Metric) -> Option<(Arc<[f32]>, f64)> {
        let is_same = |s: &&super::BoundSignal| {
            std::ptr::eq(s.embedding, embedding) && s.share.to_bits() == share.to_bits() && s.metric == metric
        };
        self.signals.iter().find(is_same).map(|signal| (signal.factors.clone(), signal.most_similarity))
    }

    /// The static part of the base scores, where this problem adjusts them by the same columns and weights.
    pub(super) fn adjustment_of(&self, adjust: &[Adjust]) -> Option<Arc<[f64]>> {
        (self.config.relevance.adjust == adjust).then(|| self.adjustment.clone())
    }

    /// Memberships of a rule, where this problem has a rule over the same column and values. Where a confidence has a say they
    /// are bound anew, for what is missing has to be counted anew.
    pub(super) fn membership_of(&self, rule: &Spacing) -> Option<Arc<[f64]>> {
        let is_same = |r: &Spacing| {
            r.column == rule.column && r.values == rule.values && r.confidence.is_none() && rule.confidence.is_none()
        };
        let at = self.config.spacing.iter().position(is_same)?;
        Some(self.spacing[at].membership.clone())
    }

    /// The values that a cap counts, where this problem has a cap on the same column.
    pub(super) fn values_of(&self, cap: &Cap) -> Option<Arc<[u32]>> {
        let at = self.config.cap.iter().position(|c| c.column == cap.column)?;
        Some(self.caps[at].values.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, Column, ColumnData, EmbeddingData};
    use crate::config::Config;

    fn catalog() -> Catalog {
        let mut catalog = Catalog::new();
        let rows = EmbeddingData::F32(vec![3.0, 4.0, 1.0, 0.0].into());
        catalog.add_signal(Embedding::new("text", 2, rows)).unwrap();
        let data = ColumnData::Int(vec![Some(1), Some(2)]);
        catalog.add_column(Column { name: "class".to_owned(), data }).unwrap();
        catalog
    }

    const FIRST: &str = "
        relevance.adjust = [{ column = \"class\", weight = 0.5 }]
        signal = [{ name = \"text\" }]
        spacing = [{ name = \"s\", column = \"class\", values = [2], strength = 1.0, window = 3 }]
        cap = [{ column = \"class\", max = 1, window = 2 }]";

    #[test]
    fn what_is_the_same_is_shared_and_what_is_not_is_not() {
        let catalog = catalog();
        let first = Config::from_toml(FIRST).unwrap();
        let first = Problem::new(&first, &catalog).unwrap();
        let stronger = Config::from_toml(&FIRST.replace("1.0", "2.0")).unwrap();
        let shared = Problem::sharing(&stronger, &first).unwrap();
        assert!(Arc::ptr_eq(&shared.signals[0].factors, &first.signals[0].factors));
        assert!(Arc::ptr_eq(&shared.adjustment, &first.adjustment));
        assert!(Arc::ptr_eq(&shared.spacing[0].membership, &first.spacing[0].membership));
        assert!(Arc::ptr_eq(&shared.caps[0].values, &first.caps[0].values));
        assert_eq!(shared.spacing[0].strength, 2.0);

        let other = FIRST
            .replace("0.5", "0.25")
            .replace("[2]", "[1]")
            .replace("name = \"text\"", "name = \"text\", metric = \"dot\"");
        let other = Config::from_toml(&other).unwrap();
        let apart = Problem::sharing(&other, &first).unwrap();
        assert_eq!(*apart.signals[0].factors, [1.0, 1.0]);
        assert_eq!(*apart.adjustment, [0.25, 0.5]);
        assert_eq!(*apart.spacing[0].membership, [1.0, 0.0]);
    }
}
