//! Runs the program and reads what it wrote.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;

use crate::files::Folder;

/// The program, as built for this test.
pub fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_spectrank"));
    // Tests leave nothing in the user's folders.
    program.env("SPECTRANK_GPU_CACHE", "0");
    program
}

/// What a run left behind.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Checks that all went well.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Checks that the program failed as it should, and gives its one line without the program's name.
    pub fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        let line = self.stderr.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {:?}", self.stderr));
        assert!(!line.contains('\n'), "more than one line: {line}");
        assert!(!line.contains("panicked"), "{line}");
        line.strip_prefix("spectrank: ").unwrap_or_else(|| panic!("{line} does not start with the program's name"))
    }
}

/// Runs `spectrank` with these arguments.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    Ran::of(program().args(arguments).output().unwrap())
}

/// A `rerank` in the making.
#[derive(Clone)]
pub struct Rerank(pub Vec<PathBuf>);

impl Rerank {
    pub fn of(catalog: &[PathBuf], slates: &[PathBuf], output: &Path) -> Self {
        let mut arguments: Vec<PathBuf> = vec!["rerank".into(), "--catalog".into()];
        arguments.extend_from_slice(catalog);
        arguments.push("--slates".into());
        arguments.extend_from_slice(slates);
        arguments.extend(["--output".into(), output.to_owned()]);
        Self(arguments)
    }

    pub fn with<S: AsRef<OsStr>>(mut self, more: impl IntoIterator<Item = S>) -> Self {
        self.0.extend(more.into_iter().map(|argument| PathBuf::from(argument.as_ref())));
        self
    }

    /// On the CPU, as most of these tests are not about the engine.
    pub fn on_cpu(self) -> Self {
        self.with(["--backend", "cpu"])
    }

    pub fn run(&self) -> Ran {
        run(&self.0)
    }
}

/// One row of an output.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Row {
    pub slate_id: String,
    pub position: u32,
    #[serde(deserialize_with = "text_of_any")]
    pub item_id: String,
    pub candidate: u32,
    pub score: f64,
    pub base: f64,
    pub utility: f64,
    pub diversity: f64,
    pub spacing: f64,
    pub semantic: f64,
    pub balance: f64,
}

fn text_of_any<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    })
}

/// JSON lines as rows.
pub fn json_rows(text: &str) -> Vec<Row> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The rows of an output, whatever its format.
pub fn read_rows(path: &Path) -> Vec<Row> {
    match path.extension().and_then(OsStr::to_str) {
        Some("csv") => csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect(),
        Some("parquet") => read_parquet(path).1.iter().flat_map(batch_rows).collect(),
        _ => json_rows(&std::fs::read_to_string(path).unwrap()),
    }
}

/// Metadata and batches of a Parquet file.
pub fn read_parquet(path: &Path) -> (Vec<(String, String)>, Vec<RecordBatch>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
    let pairs = builder.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
    let pairs = pairs.iter().map(|pair| (pair.key.clone(), pair.value.clone().unwrap_or_default())).collect();
    (pairs, builder.build().unwrap().map(Result::unwrap).collect())
}

pub fn batch_rows(batch: &RecordBatch) -> Vec<Row> {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let number = |name: &str, row: usize| column(name).as_primitive::<Float64Type>().value(row);
    let integer = |name: &str, row: usize| column(name).as_primitive::<UInt32Type>().value(row);
    let rows = 0..batch.num_rows();
    let row = |i: usize| Row {
        slate_id: column("slate_id").as_string::<i32>().value(i).to_owned(),
        position: integer("position", i),
        item_id: match column("item_id").data_type() {
            DataType::Utf8 => column("item_id").as_string::<i32>().value(i).to_owned(),
            _ => integer("item_id", i).to_string(),
        },
        candidate: integer("candidate", i),
        score: number("score", i),
        base: number("base", i),
        utility: number("utility", i),
        diversity: number("diversity", i),
        spacing: number("spacing", i),
        semantic: number("semantic", i),
        balance: number("balance", i),
    };
    rows.map(row).collect()
}

/// The names of all files in a folder, hidden ones too.
pub fn listing(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.0.path()).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
