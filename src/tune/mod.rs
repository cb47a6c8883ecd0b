//! Finding strengths: every setting of a sweep over the same slates, and the one that keeps a wanted relevance.
//!
//! ```text
//! families   --vary, --sweep → Family …     one per strategy or sweep, each with its parameters
//! settings   Family → Setting …             the grid: every value with every other
//! run        every setting over the slates  → Point: mean relevance kept, mean diversity, all other means
//!            front    which points nothing beats in both
//!            choice   per family, the most diverse point that keeps the wanted relevance
//!            refine   bisection between the choice and its neighbour that keeps too little; each step is a run
//!            holdout  the choice on slates it did not see
//! ```

mod front;
mod grid;
mod page;
mod plot;
mod result;
mod run;
mod text;
mod value;
mod vary;

pub use front::{front, most_diverse};
pub use grid::{Family, MAX_SETTINGS, Setting, families};
pub use page::report;
pub use result::{Choice, FamilyResult, Point, TuneResult};
pub use run::{TuneError, TuneRequest, run};
pub use vary::{Parameter, Scale, VaryError, VaryProblem};
