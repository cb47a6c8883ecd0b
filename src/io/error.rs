//! What can be wrong with a file, said in one line that ends with what to do.

use std::path::{Path, PathBuf};

use super::histories::HistoryProblem;
use super::pytorch::ModuleInfoProblem;
use super::slate_error::SlateFileProblem;
use crate::catalog::CatalogError;

/// A problem with an input file. Its `Display` is one line: `<path>: <problem and cure>`.
#[derive(Debug, thiserror::Error)]
#[error("{}", line(path, problem))]
pub struct InputError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: InputProblem,
}

/// One variant per way an input file can fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputProblem {
    /// No such file.
    #[error("no such file: check the path")]
    Missing,
    /// Standard input, for what is read from files alone.
    #[error("the {role} cannot be read from standard input: write it to a file, and name that")]
    NotFromStandardInput {
        /// `catalog` or `slates`.
        role: &'static str,
    },
    /// A file, or standard input, that a general tool has compressed.
    #[error(
        "is compressed with {tool}: unpack it to a file, or slates on the way ({unpack} slates.jsonl | spectrank rerank --slates - …)"
    )]
    Compressed {
        /// What with.
        tool: &'static str,
        /// The command that unpacks it to standard output.
        unpack: &'static str,
    },
    /// The file exists but cannot be opened.
    #[error("cannot be opened ({0}): check that it is a file and that you may read it")]
    CannotOpen(#[source] std::io::Error),
    /// A pipe or a device, in which nobody can go back.
    #[error("is a pipe or a device: write its content to a file, or send slates through standard input (--slates -)")]
    NotAFile,
    /// Reading failed half way.
    #[error("cannot be read ({0}): check the disk, then copy or export the file again")]
    Read(#[source] std::io::Error),
    /// No file was named.
    #[error("no {role} file was given: name at least one")]
    NoFiles {
        /// `catalog` or `slates`.
        role: &'static str,
    },
    /// More files than the form can take.
    #[error(
        "{n_files} slate files were given: pass one .parquet, .arrow or .jsonl file, or a pair of .npy files (candidates and scores)"
    )]
    FileCount {
        /// How many were given.
        n_files: usize,
    },
    /// The file name does not say which format this is.
    #[error("unknown {role} format: the extension must be one of {known}")]
    UnknownExtension {
        /// `catalog` or `slates`.
        role: &'static str,
        /// The extensions that are understood.
        known: &'static str,
    },
    /// The content is not what the extension says.
    #[error("is not a {expected} file (it starts with {found}): fix the extension or export the file again")]
    WrongContent {
        /// Format by extension.
        expected: &'static str,
        /// First bytes, printable.
        found: String,
    },
    /// A PyTorch or other pickle file, which can run code when it is loaded.
    #[error("is a PyTorch (pickle) file, which is not read because it can run code; convert it: {line}")]
    PyTorch {
        /// The shell line that converts it.
        line: String,
    },
    /// A PyTorch archive that does not say what it makes.
    #[error(transparent)]
    ModuleInfo(#[from] ModuleInfoProblem),
    /// A NumPy archive of several arrays.
    #[error("is a NumPy archive (.npz): save the one array you need with numpy.save('x.npy', archive['name'])")]
    Npz,
    /// A format that is read from several places.
    #[error("is {format}, which cannot be read from a pipe: name the file, or send an Arrow stream or JSON lines")]
    NoPipe {
        /// Which format.
        format: &'static str,
    },
    /// The file ends before its content does.
    #[error("is truncated ({detail}): copy or export it again")]
    Truncated {
        /// What is missing.
        detail: String,
    },
    /// The file goes on after its content ends.
    #[error("has {n_bytes} bytes after the end of its data: the header does not fit the file, export it again")]
    TrailingBytes {
        /// How many.
        n_bytes: u64,
    },
    /// A header that cannot be understood.
    #[error("has a bad {format} header ({detail}): export it again")]
    BadHeader {
        /// Which format.
        format: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// A header that claims more bytes than can be addressed.
    #[error("has a bad header: the size of shape {shape} overflows; export it again")]
    ShapeOverflow {
        /// The shape as the header has it.
        shape: String,
    },
    /// An array or tensor of a type that cannot be used.
    #[error("{what} has type {found}, which cannot be used here: convert it to {expected}")]
    WrongDtype {
        /// The array or tensor.
        what: String,
        /// Its type.
        found: String,
        /// Types that can be used.
        expected: &'static str,
    },
    /// An array or tensor that is not a table.
    #[error("{what} has shape {shape}: reshape it to two dimensions, {expected}")]
    WrongRank {
        /// The array or tensor.
        what: String,
        /// Its shape.
        shape: String,
        /// What the two dimensions are.
        expected: &'static str,
    },
    /// The catalog takes more memory than it may, which no header told.
    #[error(
        "takes the catalog beyond the {} that --memory-limit leaves for it, which its header did not tell: raise the limit",
        crate::memory::size_text(*max_bytes)
    )]
    OverLimit {
        /// What it may take.
        max_bytes: u64,
    },
    /// The system has no memory for it.
    #[error(
        "takes {} of memory, more than there is: --memory-limit leaves embeddings of .npy and .safetensors in their files",
        crate::memory::size_text(*n_bytes)
    )]
    NoRoom {
        /// What it takes.
        n_bytes: u64,
    },
    /// An embedding that cannot be mapped into memory.
    #[error("cannot be mapped into memory ({0}): raise --memory-limit, so that it can be read")]
    CannotMap(#[source] std::io::Error),
    /// No tensor at all.
    #[error("holds no tensor: export at least one of shape (items, dimension)")]
    NoTensors,
    /// A Parquet file its reader refuses.
    #[error("cannot be read as Parquet ({0}): export it again")]
    Parquet(String),
    /// A file that would become far larger than it is.
    #[error(
        "unpacks to more than {limit_mib} MiB, a thousand times its size: check where it comes from, and export it again"
    )]
    Unpacked {
        /// The limit.
        limit_mib: u64,
    },
    /// An Arrow stream or file its reader refuses.
    #[error("cannot be read as Arrow ({0}): export it again")]
    Arrow(String),
    /// Bytes after the mark that ends an Arrow stream.
    #[error(
        "goes on after the mark that ends its Arrow stream: write all batches into one stream, or pass one stream at a time"
    )]
    AfterEnd,
    /// An Arrow message that asks for more memory than a slate table can need.
    #[error("message {message} takes more than {limit_mib} MiB: write batches of fewer rows")]
    MessageTooLarge {
        /// 1-based number of the message; the schema is the first.
        message: u64,
        /// The limit.
        limit_mib: u64,
    },
    /// Values that do not convert to what is needed.
    #[error("holds values that cannot be used ({0}): correct them and export it again")]
    Values(String),
    /// A column is not there.
    #[error("has no column \"{column}\" (it has: {available}): {cure}")]
    MissingColumn {
        /// The name that was looked for.
        column: String,
        /// What is there instead.
        available: String,
        /// What to do.
        cure: &'static str,
    },
    /// A column has a type that does not fit its purpose.
    #[error("column \"{column}\" holds {found}: it must hold {expected}")]
    ColumnType {
        /// The column.
        column: String,
        /// What it holds.
        found: String,
        /// What it must hold.
        expected: &'static str,
    },
    /// A catalog file of no items.
    #[error("has no rows, so embedding \"{column}\" has no dimension: export the catalog again, with its items")]
    NoRows {
        /// The embedding.
        column: String,
    },
    /// Embedding rows of different lengths.
    #[error(
        "column \"{column}\" has {found} values at row {row} but {expected} before: all rows of an embedding need one length"
    )]
    ListLength {
        /// The column.
        column: String,
        /// The first row that differs.
        row: usize,
        /// Its length.
        found: usize,
        /// The length of the rows before.
        expected: usize,
    },
    /// A code that is negative or too large.
    #[error("column \"{column}\" holds the code {value} at row {row}: codes go from 0 (missing) to 4294967295")]
    CodeRange {
        /// The column.
        column: String,
        /// The item's row.
        row: usize,
        /// The value.
        value: String,
    },
    /// An integer list that is too long to be a Semantic ID.
    #[error("column \"{column}\" holds {found} codes at row {row}: at most {limit} are supported, shorten the lists")]
    TooManyCodes {
        /// The column.
        column: String,
        /// The item's row.
        row: usize,
        /// Its length.
        found: usize,
        /// The longest that is read.
        limit: usize,
    },
    /// The files do not form one catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Something is wrong with slates.
    #[error(transparent)]
    Slate(#[from] SlateFileProblem),
    /// Histories that no filters can be made of.
    #[error(transparent)]
    History(#[from] HistoryProblem),
    /// A line that is not a JSON object.
    #[error("line {line} is not a JSON object ({detail}): write one slate per line (JSON has no NaN or Infinity)")]
    Json {
        /// 1-based line number.
        line: u64,
        /// What the parser says.
        detail: String,
    },
    /// A line too long to be a slate.
    #[error("line {line} is longer than {}: write one slate per line, or raise --memory-limit if there is one", crate::memory::size_text(*max_bytes))]
    LineTooLong {
        /// 1-based line number.
        line: u64,
        /// The limit.
        max_bytes: u64,
    },
}

impl From<std::io::Error> for InputProblem {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::Truncated { detail: "the file ends too early".to_owned() },
            _ => Self::Read(error),
        }
    }
}

impl From<parquet::errors::ParquetError> for InputProblem {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Parquet(super::parquet_file::plain(&error.to_string()).to_owned())
    }
}

impl From<arrow_schema::ArrowError> for InputProblem {
    fn from(error: arrow_schema::ArrowError) -> Self {
        Self::Values(error.to_string())
    }
}

/// Names the file in which a problem was found.
pub trait AtPath<T> {
    /// Adds the path to the error.
    ///
    /// # Errors
    /// The problem as it was, with the path.
    fn at(self, path: &Path) -> Result<T, InputError>;
}

impl<T, P: Into<InputProblem>> AtPath<T> for Result<T, P> {
    fn at(self, path: &Path) -> Result<T, InputError> {
        self.map_err(|problem| InputError { path: path.to_owned(), problem: problem.into() })
    }
}

/// Ids and names come from files, so they may hold line breaks; a message must not.
pub(super) fn line(path: &Path, problem: &dyn std::fmt::Display) -> String {
    crate::text::one_line(format_args!("{}: {problem}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_the_file_holds() {
        let problem = InputProblem::Slate(SlateFileProblem::IdNotInCatalog {
            slate: "a\nb".to_owned(),
            role: "candidate",
            id: "x\r\u{1b}[2J".to_owned(),
        });
        let error = InputError { path: PathBuf::from("slates.parquet"), problem };
        let text = error.to_string();
        assert_eq!(
            text,
            "slates.parquet: slate \"a\\nb\": candidate \"x\\r\\u{1b}[2J\" is not in the catalog: \
             remove it, or pass the catalog these slates were made for"
        );
    }
}
