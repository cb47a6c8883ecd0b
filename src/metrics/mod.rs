//! What a slate is worth: how much relevance it kept and how much variety it gained.
//!
//! Each function takes the slate as its positions, so that it serves slates from any engine and any similarity.
//! [`Similarities`] has those of a [`Problem`](crate::problem::Problem); [`Measure`](crate::evaluate::Measure) takes all
//! figures of a slate at once. A figure that has no meaning (no pair to average, no relevance to keep) is `None`, never NaN.
//! Only the slate itself is looked at: items shown before it do not count.

mod category;
mod distance;
mod list;
mod order;
mod prefix;
mod relevance;
mod similarities;
mod spacing;
mod vendi;

pub use category::{alpha_ndcg, category_coverage, category_entropy, category_gini};
pub(crate) use category::{alpha_ndcg_of, best_gains};
pub use distance::{distance_to_before, largest_similarity, least_distance, mean_distance};
pub use list::{Better, FAMILIES, Family, judging, markdown};
pub use order::{displacement, overlap};
pub use prefix::{agreement, prefix_overlap};
pub use relevance::{ndcg, relevance_kept};
pub use similarities::Similarities;
pub use spacing::{spacing_load, spacing_violations};
pub use vendi::vendi;

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0_usize, 0.0), |(n, sum), x| (n + 1, sum + x));
    (n > 0).then(|| sum / n as f64)
}
