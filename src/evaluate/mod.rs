//! Slates of several configurations, judged by one measure.
//!
//! ```text
//! MeasureRequest → measuring configuration     whose signals, relevance, rules and Semantic IDs judge everyone
//! Measure::new     binds it to a catalog
//! Measure::refer   Slate → Reference            what a slate could be, whoever ranks it
//! Measure::judge   Reference + RankedSlate → one value per metric
//! Table            values of many slates; their means
//! Bootstrap        how sure the difference of two tables is
//! ```

mod bootstrap;
mod measure;
mod request;
mod rerank;
mod table;

pub use bootstrap::{Bootstrap, Difference};
pub use measure::{Measure, MetricInfo, Reference};
pub use request::MeasureRequest;
pub use rerank::{EvaluateError, prepare, refer};
pub use table::{Mean, Table};
