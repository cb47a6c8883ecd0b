//! Reading catalogs and slates, writing ranked slates: one file per format.
//!
//! Everything here is untrusted until it has been checked, and it is checked once, at the door: sizes are multiplied
//! with overflow checks and held against the length of the file before anything is allocated, and every failure is one
//! line that names the file, the slate and the item and says what to do.

mod arrow_end;
mod arrow_expansion;
mod arrow_messages;
mod arrow_stream;
mod arrow_values;
mod catalog_columns;
mod catalog_files;
mod catalog_parquet;
mod drafts;
mod error;
mod footprint;
mod format;
mod growing;
mod histories;
mod histories_json;
mod histories_parquet;
mod inspect;
mod json_lines;
mod live_input;
mod npy;
mod npy_header;
mod output;
mod output_answers;
mod output_arrow;
mod output_batch;
mod output_columns;
mod output_csv;
mod output_error;
mod output_json;
mod output_parquet;
mod output_target;
mod parquet_delta;
mod parquet_directory;
mod parquet_file;
mod parquet_pages;
mod parquet_sizes;
mod parquet_thrift;
mod pytorch;
mod resolve;
mod room;
mod safetensors;
mod slate_error;
mod slates;
mod slates_columns;
mod slates_json;
mod slates_long;
mod slates_npy;
mod slates_table;
mod type_words;
mod unpacked;

pub use catalog_files::{CatalogColumns, CatalogStorage, read_catalog, read_catalog_as, read_catalog_start};
pub use drafts::{Abandoned, abandon_drafts};
pub(crate) use drafts::{DraftFile, is_draft};
pub use error::{AtPath, InputError, InputProblem};
pub use footprint::{CatalogFootprint, ColumnFootprint, Holding, catalog_footprint};
pub use histories::{BloomRequest, BloomSummary, HistoriesError, HistoryProblem, build_blooms};
pub use inspect::{CatalogHeader, HeaderColumn, SlatesHeader, catalog_header, slates_header};
pub(crate) use output::create_part;
pub use output::{OutputFormat, SlateSink, create_output, create_output_as};
pub use output_columns::{OUTPUT_COLUMNS, OutputColumn, OutputType};
pub use output_error::{OutputError, OutputProblem};
pub(crate) use output_target::PartDraft;
pub use output_target::TextFile;
pub use pytorch::{ModuleInfoProblem, read_module_info};
pub use slate_error::SlateFileProblem;
pub use slates::{BatchLimit, STANDARD_INPUT, SlateFields, SlateSource, open_slates, open_slates_within};
