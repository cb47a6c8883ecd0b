//! What a run depends on, down to the last bit of its output: the manifest's first line.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::FolderProblem;
use crate::config::Config;
use crate::digest::Digest;
use crate::engine::takes_over;
use crate::io::{OUTPUT_COLUMNS, OutputFormat, OutputType};

/// Version of the manifest's form.
const FORM: u32 = 1;

/// What a run depends on. Two runs with equal headers write equal bytes; names of files are for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of the manifest's form, 1.
    pub manifest: u32,
    /// Version of spectrank.
    pub spectrank: String,
    /// What computes: [`Engine::identity`](crate::engine::Engine::identity).
    pub engine: String,
    /// Format of the parts.
    pub format: OutputFormat,
    /// Slates of every part but the last.
    pub part_slates: u64,
    /// Columns of the output.
    pub columns: Vec<Column>,
    /// Catalog and slates, file by file.
    pub inputs: Vec<InputFile>,
    /// Hash of the configuration with every default written out.
    pub config_xxh3: String,
    /// That configuration.
    pub config: Value,
    /// Whether the CPU may go on with what a GPU began; not part of the manifest. The parts it computes say so.
    #[serde(skip)]
    pub cpu_may_take_over: bool,
}

/// One column of the output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as the README has it.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// One file of the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// `catalog` or `slates`.
    pub role: String,
    /// File name, without its folder.
    pub file: String,
    /// Length and hash; none for a pipe.
    pub digest: Option<Digest>,
}

/// How a run writes its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartLayout {
    /// Format of the parts.
    pub format: OutputFormat,
    /// Slates of every part but the last, at least 1.
    pub part_slates: u64,
    /// Whether the catalog has ids.
    pub has_ids: bool,
}

impl Header {
    /// The header of a run.
    pub fn new(config: &Config, engine: String, inputs: Vec<InputFile>, layout: PartLayout) -> Self {
        let config = serde_json::to_value(config).unwrap_or_default();
        let type_name = |holds: OutputType| match holds {
            OutputType::Item if layout.has_ids => OutputType::Text.name(),
            OutputType::Item => OutputType::Count.name(),
            holds => holds.name(),
        };
        let column = |name: &str, holds| Column { name: name.to_owned(), type_name: type_name(holds).to_owned() };
        Self {
            manifest: FORM,
            spectrank: env!("CARGO_PKG_VERSION").to_owned(),
            engine,
            format: layout.format,
            part_slates: layout.part_slates,
            columns: OUTPUT_COLUMNS.iter().map(|column_| column(column_.name, column_.holds)).collect(),
            inputs,
            config_xxh3: config_xxh3(&config),
            config,
            cpu_may_take_over: false,
        }
    }

    /// True where every input can be read again.
    pub fn is_repeatable(&self) -> bool {
        self.inputs.iter().all(|input| input.digest.is_some())
    }

    /// True where the hash is that of the configuration.
    pub(super) fn is_sound(&self) -> bool {
        self.config_xxh3 == config_xxh3(&self.config)
    }

    /// Holds the run that is to go on, `self`, against the one that was begun; names the first thing that is another.
    pub(super) fn check(&self, begun: &Self) -> Result<(), FolderProblem> {
        let changed = |text: String| Err(FolderProblem::Changed(text));
        if (begun.manifest, &begun.spectrank) != (self.manifest, &self.spectrank) {
            let (before, now) = (&begun.spectrank, &self.spectrank);
            return changed(format!(
                "it was begun by spectrank {before} and this is {now}: go on with {before}, or name another folder"
            ));
        }
        if !(begun.is_repeatable() && self.is_repeatable()) {
            return Err(FolderProblem::NotRepeatable);
        }
        if let Some((input, what)) = changed_input(&begun.inputs, &self.inputs) {
            return changed(format!(
                "{} {what}: bring back the {} it was begun with, or name another folder",
                input.file, input.role
            ));
        }
        if let Some((key, before, now)) = changed_key(&begun.config, &self.config) {
            return changed(format!(
                "{key} was {before} when it was begun and is {now} now: set it back, or name another folder"
            ));
        }
        let takes_over = takes_over(&begun.engine, &self.engine);
        if begun.engine != self.engine && !(takes_over && self.cpu_may_take_over) {
            let (before, now) = (&begun.engine, &self.engine);
            let cpu = if takes_over { ", let the CPU do the rest (--on-gpu-error cpu)" } else { "" };
            return changed(format!(
                "it was begun by \"{before}\" and would go on by \"{now}\", whose last digits can differ: ask for the \
                 engine it was begun with (--backend, --adapter, --precision){cpu}, or name another folder"
            ));
        }
        let (before, now) = (begun.format.extension(), self.format.extension());
        if before != now {
            return changed(format!(
                "its parts are {before} and would now be {now}: add --output-format {before}, or name another folder"
            ));
        }
        if begun.part_slates != self.part_slates {
            let (before, now) = (begun.part_slates, self.part_slates);
            return changed(format!(
                "its parts hold {before} slates and would now hold {now}: add --part-slates {before}, or name another folder"
            ));
        }
        if begun.columns != self.columns {
            return changed("its columns are others: name another folder".to_owned());
        }
        Ok(())
    }
}

fn config_xxh3(config: &Value) -> String {
    Digest::of(config.to_string().as_bytes()).xxh3
}

/// The first input that is another one, and what became of it.
fn changed_input<'a>(begun: &'a [InputFile], now: &'a [InputFile]) -> Option<(&'a InputFile, &'static str)> {
    for i in 0..begun.len().max(now.len()) {
        match (begun.get(i), now.get(i)) {
            (Some(before), Some(now)) if before.role == now.role && before.digest == now.digest => {}
            // More files of one role push the others back.
            (Some(before), Some(now)) if before.role != now.role && now.role == "catalog" => {
                return Some((now, "was not part of it"));
            }
            (Some(before), Some(now)) if before.role != now.role => return Some((before, "is missing")),
            (_, Some(now)) if begun.len() <= i => return Some((now, "was not part of it")),
            (_, Some(now)) => return Some((now, "has changed")),
            (Some(before), None) => return Some((before, "is missing")),
            (None, None) => return None,
        }
    }
    None
}

/// The first key whose value is another one, with both values.
fn changed_key(before: &Value, now: &Value) -> Option<(String, String, String)> {
    let name = |key: &str, inner: String| if inner.is_empty() { key.to_owned() } else { format!("{key}.{inner}") };
    match (before, now) {
        (Value::Object(a), Value::Object(b)) => {
            a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))).find_map(|key| {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                changed_key(&of(a), &of(b)).map(|(inner, before, now)| (name(key, inner), before, now))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs
                .filter_map(|(i, (a, b))| changed_key(a, b).map(|(inner, x, y)| (name(&i.to_string(), inner), x, y)))
                .next()
        }
        _ if before == now => None,
        _ => Some((String::new(), shown(before), shown(now))),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "not set".to_owned(),
        Value::Array(list) if list.len() > 1 => format!("{} entries", list.len()),
        value => value.to_string(),
    }
}

impl InputFile {
    /// Reads and hashes a file. What is no file, such as a pipe, is left alone.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(role: &str, path: &Path) -> std::io::Result<Self> {
        let file = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy()).into_owned();
        let is_file = path.as_os_str() != "-" && path.metadata()?.is_file();
        let digest = match is_file {
            true => Some(Digest::of_file(&mut std::fs::File::open(path)?)?),
            false => None,
        };
        Ok(Self { role: role.to_owned(), file, digest })
    }

    /// Those of catalog and slates, in order.
    ///
    /// # Errors
    /// The first file that cannot be read.
    pub fn read_all(catalog: &[PathBuf], slates: &[PathBuf]) -> Result<Vec<Self>, (PathBuf, std::io::Error)> {
        let catalog = catalog.iter().map(|path| ("catalog", path));
        let all = catalog.chain(slates.iter().map(|path| ("slates", path)));
        all.map(|(role, path)| Self::read(role, path).map_err(|error| (path.clone(), error))).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn input(role: &str, file: &str, content: &[u8]) -> InputFile {
        InputFile { role: role.to_owned(), file: file.to_owned(), digest: Some(Digest::of(content)) }
    }

    pub(in crate::folder) fn header() -> Header {
        let inputs = vec![input("catalog", "items.npy", b"1"), input("slates", "s.jsonl", b"2")];
        let layout = PartLayout { format: OutputFormat::Csv, part_slates: 3, has_ids: true };
        Header::new(&Config::default(), "CPU, f32".to_owned(), inputs, layout)
    }

    fn said(change: impl FnOnce(&mut Header)) -> String {
        let mut now = header();
        change(&mut now);
        now.check(&header()).unwrap_err().to_string()
    }

    #[test]
    fn what_changed_is_named_with_its_cure() {
        assert!(header().check(&header()).is_ok());
        let set = |text: &str| {
            let config = Config::from_toml(text).unwrap();
            said(|now| now.config = serde_json::to_value(config).unwrap())
        };
        for (found, expected) in [
            (said(|now| now.spectrank = "9.0.0".to_owned()), "go on with 0."),
            (
                said(|now| now.inputs[0] = input("catalog", "items.npy", b"x")),
                "items.npy has changed: bring back the catalog",
            ),
            (
                said(|now| now.inputs[1] = input("slates", "t.jsonl", b"x")),
                "t.jsonl has changed: bring back the slates",
            ),
            (said(|now| now.inputs.insert(1, input("catalog", "more.npy", b"x"))), "more.npy was not part of it"),
            (said(|now| now.inputs.push(input("slates", "more.npy", b"x"))), "more.npy was not part of it"),
            (said(|now| drop(now.inputs.remove(0))), "items.npy is missing"),
            (said(|now| drop(now.inputs.pop())), "s.jsonl is missing"),
            (set("[spectral]\nstrength = 0.5"), "spectral.strength was 0.3 when it was begun and is 0.5 now"),
            (set("[[signal]]\nname = \"text\""), "signal was [] when"),
            (set("[semantic_id]\ncolumn = \"s\"\nstrength = 1.0\nwindow = 3"), "semantic_id was not set when"),
            (said(|now| now.engine = "CPU, f64".to_owned()), "begun by \"CPU, f32\" and would go on by \"CPU, f64\""),
            (said(|now| now.format = OutputFormat::Jsonl), "add --output-format csv"),
            (said(|now| now.part_slates = 4), "add --part-slates 3"),
            (said(|now| now.columns[2].type_name = "u32".to_owned()), "its columns are others"),
        ] {
            assert!(found.starts_with("cannot be resumed: ") && found.contains(expected), "{found}");
        }
    }

    #[test]
    fn the_cpu_goes_on_for_a_gpu_where_it_is_asked_to() {
        let begun = Header { engine: "GPU, NVIDIA RTX A4000, vulkan".to_owned(), ..header() };
        let error = header().check(&begun).unwrap_err().to_string();
        assert!(error.contains("(--on-gpu-error cpu)"), "{error}");
        assert!(Header { cpu_may_take_over: true, ..header() }.check(&begun).is_ok());
        let other = Header { engine: "CPU, f64".to_owned(), cpu_may_take_over: true, ..header() };
        assert!(other.check(&begun).is_err() && Header { cpu_may_take_over: true, ..begun }.check(&header()).is_err());
    }

    #[test]
    fn another_name_or_folder_of_a_file_is_no_change() {
        let mut now = header();
        now.inputs[1].file = "renamed.jsonl".to_owned();
        assert!(now.check(&header()).is_ok());
    }

    #[test]
    fn what_comes_from_a_pipe_is_not_repeatable() {
        let mut piped = header();
        piped.inputs[1].digest = None;
        assert!(matches!(piped.check(&piped), Err(FolderProblem::NotRepeatable)));
        assert_eq!(InputFile::read("slates", Path::new("-")).unwrap().digest, None);
    }

    #[test]
    fn a_configuration_survives_the_way_through_json() {
        let text = serde_json::to_string(&header()).unwrap();
        assert_eq!(serde_json::from_str::<Header>(&text).unwrap(), header());
    }
}
