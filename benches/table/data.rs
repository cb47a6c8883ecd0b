//! Slates that are measured, and the same slates as files for the peers.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use half::f16;
use npyz::WriterBuilder;
use spectrank::catalog::{Catalog, EmbeddingData};
use spectrank::config::Config;
use spectrank::io::{CatalogColumns, SlateFields, open_slates, read_catalog};
use spectrank::slate::Slate;

use crate::common::synthetic::{Shape, synthetic};
use crate::rows::{Context, Slates};

/// A catalog and slates of it.
pub struct Data {
    /// Items.
    pub catalog: Catalog,
    /// Requests.
    pub slates: Vec<Slate>,
    /// What they are, in words.
    pub about: String,
}

impl Data {
    /// So many slates of a kind.
    pub fn new(context: &Context, kind: Slates, config: &Config, n_slates: usize) -> Result<Self, String> {
        match kind {
            Slates::Synthetic => {
                let own_items = context.sizes.own_items;
                let shape = Shape { candidates: 500, dim: 256, slates: n_slates, own_items };
                let (catalog, slates) = synthetic(shape).map_err(|error| error.to_string())?;
                Ok(Self { catalog, slates, about: format!("{n_slates} slates, {own_items} with items of their own") })
            }
            Slates::WordNet => wordnet(context, config, n_slates),
        }
    }
}

/// The folder with the demo's data.
pub fn demo_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo")
}

fn wordnet(context: &Context, config: &Config, n_slates: usize) -> Result<Data, String> {
    let given = context.arguments.wordnet.clone();
    let folder = given.clone().unwrap_or_else(demo_folder);
    let catalog = read_catalog(&[folder.join("items.parquet")], &CatalogColumns::of(config));
    let catalog = catalog.map_err(|error| error.to_string())?;
    let mut found = read_slates(&folder.join("slates.parquet"), &catalog)?;
    let n_found = found.len();
    // The demo has few; the same ones again until there is something to measure.
    found = (0..n_slates).filter_map(|i| found.get(i % n_found.max(1)).cloned()).collect();
    let n_candidates = found.first().map_or(0, |slate| slate.candidates.len());
    let which = if given.is_some() { "" } else { "the demo's set, not the full one of --wordnet: " };
    let about = format!("{which}{} of {n_found} slates, N = {n_candidates}", n_slates.min(n_found));
    Ok(Data { catalog, slates: found, about })
}

/// All slates of a file.
pub fn read_slates(path: &Path, catalog: &Catalog) -> Result<Vec<Slate>, String> {
    let fields = SlateFields::Only { attributes: Vec::new(), seen: false, seen_bloom: None };
    let mut source = open_slates(&[path.to_owned()], catalog, &fields).map_err(|error| error.to_string())?;
    let mut slates = Vec::new();
    while let Some(batch) = source.next_batch(1024).map_err(|error| error.to_string())? {
        slates.extend(batch);
    }
    Ok(slates)
}

/// Writes what a peer reads: `items.npy` [items, d], `candidates.npy` and `scores.npy` [slates, N].
pub fn write_for_peers(folder: &Path, data: &Data, slates: &[Slate]) -> Result<(), String> {
    let signal = data.catalog.signals().first().ok_or("no embedding")?;
    let n_candidates = slates.first().map_or(0, |slate| slate.candidates.len());
    if slates.iter().any(|slate| slate.candidates.len() != n_candidates) {
        return Err("slates of several lengths: peers take them as one array".to_owned());
    }
    let rows: Vec<f32> = match &signal.data {
        EmbeddingData::F16(values) => values.iter().copied().map(f16::to_f32).collect(),
        EmbeddingData::F32(values) => values.to_vec(),
        EmbeddingData::F64(values) => values.iter().map(|&value| value as f32).collect(),
    };
    let shape = [slates.len() as u64, n_candidates as u64];
    let candidates = slates.iter().flat_map(|slate| slate.candidates.iter().copied());
    let scores = slates.iter().flat_map(|slate| slate.scores.iter().map(|&score| score as f32));
    let written = write_npy(&folder.join("items.npy"), &[signal.n_rows() as u64, signal.dim as u64], rows)
        .and_then(|()| write_npy(&folder.join("candidates.npy"), &shape, candidates))
        .and_then(|()| write_npy(&folder.join("scores.npy"), &shape, scores));
    written.map_err(|error| format!("{}: {error}", folder.display()))
}

fn write_npy<T: npyz::AutoSerialize>(
    path: &Path,
    shape: &[u64],
    values: impl IntoIterator<Item = T>,
) -> std::io::Result<()> {
    let file = BufWriter::new(File::create(path)?);
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd()?;
    writer.extend(values)?;
    writer.finish()
}
