//! Enough slates for many parts, and folders of parts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::data::{Data, N_ITEMS};
use crate::files::Folder;
use crate::program::*;

/// Slates without ids, of 6 to 14 candidates, as JSON lines.
pub fn many_slates(folder: &Folder, n_slates: usize) -> PathBuf {
    let line = |s: usize| {
        let candidates: Vec<usize> = (0..6 + s % 9).map(|i| (i * 7 + s * 5) % N_ITEMS).collect();
        let scores: Vec<f64> = candidates.iter().map(|c| ((c * 37 + s * 11) % 101) as f64 / 101.0).collect();
        serde_json::json!({ "candidates": candidates, "scores": scores }).to_string() + "\n"
    };
    folder.bytes("many.jsonl", (0..n_slates).map(line).collect::<String>().as_bytes())
}

/// A run with many parts into a folder, with `--resume`.
pub fn in_parts(folder: &Folder, n_slates: usize, part_slates: usize, output: &Path) -> Rerank {
    let rerank = Rerank::of(&[Data::new().catalog_npy(folder)], &[many_slates(folder, n_slates)], output);
    rerank.on_cpu().with(["--quiet", "--resume", "--part-slates", &part_slates.to_string()])
}

/// Every file of a folder with its bytes; nothing where there is no folder.
pub fn content(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(path).into_iter().flatten().map(Result::unwrap);
    let read =
        |entry: std::fs::DirEntry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap());
    entries.map(read).collect()
}

/// A folder in memory, where there is such a place: nothing waits for a disk there.
pub fn in_memory() -> Folder {
    Folder(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
}

/// Whole lines of a manifest after the first: parts that are committed.
pub fn n_committed(content: &BTreeMap<String, Vec<u8>>) -> usize {
    let manifest = content.get("_manifest.jsonl").map(Vec::as_slice).unwrap_or_default();
    manifest.iter().filter(|&&byte| byte == b'\n').count().saturating_sub(1)
}
