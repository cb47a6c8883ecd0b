//! Compiled kernels that are kept between runs change nothing but the time of a start, whatever is wrong with them.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::generate::{Random, Storage, embedding};
use common::gpu;
use spectrank::catalog::Catalog;
use spectrank::config::Config;
use spectrank::gpu::{GpuEngine, GpuOptions};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::{RankedSlate, Slate};

/// What a run says that has a device of its own, as a program has; none where there is no adapter.
fn run(kernel_cache: Option<&Path>) -> Option<Vec<RankedSlate>> {
    let device = gpu::own_device()?;
    let mut catalog = Catalog::new();
    catalog.add_signal(embedding("x", 8, &Random(3).normals(30 * 8), Storage::F16)).unwrap();
    let config = Config { slate_size: 10, ..Config::default() };
    let problem = Problem::new(&config, &catalog).unwrap();
    let slate = Slate {
        candidates: (0..30).collect(),
        scores: (0..30).map(|i| f64::from(i % 7)).collect(),
        ..Slate::default()
    };
    let slates = [PreparedSlate::new(&problem, &slate).unwrap()];
    let options = GpuOptions { kernel_cache: kernel_cache.map(Path::to_owned), ..GpuOptions::default() };
    Some(GpuEngine::new(device, &problem, options).unwrap().rerank(&slates).unwrap())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn whatever_lies_in_the_cache_the_result_is_the_same() {
    let Some(expected) = run(None) else { return };
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("kernels");
    assert_eq!(run(Some(&cache)), Some(expected.clone()));
    let found = files(&cache);
    let has_caches = gpu::device().unwrap().device.features().contains(wgpu::Features::PIPELINE_CACHE);
    assert_eq!(found.len(), usize::from(has_caches), "{found:?}");
    let Some(file) = found.first() else { return };
    let whole = fs::read(file).unwrap();
    // As it was left; half of it; nothing; the data of nobody; one byte changed.
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    for bytes in [whole.clone(), whole[..whole.len() / 2].to_vec(), Vec::new(), vec![7; 5000], changed] {
        fs::write(file, &bytes).unwrap();
        assert_eq!(run(Some(&cache)), Some(expected.clone()), "{} bytes", bytes.len());
        assert_eq!(files(&cache), found);
        // What was damaged is replaced.
        assert!(bytes == whole || fs::read(file).unwrap() != bytes);
    }
}

#[test]
fn where_there_is_no_place_for_a_cache_it_works_without() {
    let Some(expected) = run(None) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    for place in [file.clone(), file.join("deeper"), PathBuf::new()] {
        assert_eq!(run(Some(&place)), Some(expected.clone()));
    }
    assert_eq!(fs::read(&file).unwrap(), b"not a folder");
}
