//! How much memory a run takes, worked out before it takes any.
//!
//! ```text
//! program            code, threads, buffers of the formats                     PROGRAM_BYTES
//! catalog            embeddings, ids and columns as they lie in memory         io::catalog_footprint, from headers
//! derived            what is computed from the catalog once                    problem_bytes
//! reading            what is decoded at a time while the catalog is read       io::catalog_footprint
//! work               slates that are read, ranked and written at a time        Work: what is left, in shares
//! ```
//!
//! Reading is over before the work begins, so the larger of the two counts. [`MemoryPlan::new`] makes a limit hold: fewer slates
//! at a time first, then embeddings that stay in their files (`.npy`, `.safetensors`), largest first; where that does not do,
//! an error says what needs how much. Sizes that a header does not tell are watched while they grow.
//!
//! A limit is on this program's own memory. Not in it: pages of mapped files, which count as resident while nobody else needs
//! the room and which the system takes back when somebody does, and what a driver of a GPU takes.

mod cost;
mod peak;
mod plan;
mod size;

pub use cost::{PROGRAM_BYTES, problem_bytes, ranking_bytes, scratch_bytes, slate_bytes, unpruned_bytes};
pub(crate) use cost::{column_bytes, hash_table_bytes, id_bytes, number_bytes, text_bytes};
pub use peak::peak_bytes;
pub use plan::{BATCH_SLATES, MemoryError, MemoryPlan, N_BATCHES, Work};
pub use size::{MemoryLimit, size_text};
