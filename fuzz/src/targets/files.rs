//! Files in the folder for temporary files, which `run.sh` puts into memory: readers take paths.

use std::path::{Path, PathBuf};

use spectrank::catalog::{Catalog, ColumnData, EmbeddingData};
use spectrank::io::{
    BloomRequest, CatalogColumns, HistoriesError, InputError, SlateFields, build_blooms, catalog_header, open_slates,
    read_catalog, slates_header,
};
use spectrank::slate::Slate;

use super::ranking;

/// Slates that are read of one input; whole batches of either size, so that both readings end at the same slate.
const MAX_SLATES: usize = 198;

thread_local! {
    static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a folder for temporary files");
}

/// A file of this name, the same one every time.
pub fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = FOLDER.with(|folder| folder.path().join(name));
    std::fs::write(&path, content).expect("room for a small file");
    path
}

/// Every message is one line that starts with the file.
fn check_error(error: &InputError, paths: &[PathBuf]) {
    let line = error.to_string();
    let starts = paths.iter().any(|path| line.starts_with(&format!("{}: ", path.display())));
    assert!(starts && !line.chars().any(char::is_control), "{line:?}");
}

/// Reads a catalog whole and in part, and ranks some of it.
pub fn read_as_catalog(path: &Path) {
    let paths = [path.to_owned()];
    let header = catalog_header(path);
    if let Err(error) = &header {
        check_error(error, &paths);
    }
    let only = CatalogColumns::Only { signals: None, columns: vec!["x".to_owned(), "color".to_owned()] };
    if let Err(error) = read_catalog(&paths, &only) {
        check_error(&error, &paths);
    }
    match (read_catalog(&paths, &CatalogColumns::All), read_catalog(&paths, &CatalogColumns::All)) {
        (Ok(catalog), Ok(again)) => {
            assert_eq!(text(&catalog), text(&again));
            check_catalog(&catalog);
            let has_columns = catalog.has_ids() || !catalog.signals().is_empty() || !catalog.columns().is_empty();
            let n_rows = header.expect("a file that can be read has a header").n_rows;
            assert!(!has_columns || n_rows == catalog.n_items() as u64, "{n_rows} rows promised");
            ranking::rank_some(&catalog);
        }
        (Err(error), Err(again)) => {
            check_error(&error, &paths);
            assert_eq!(error.to_string(), again.to_string());
        }
        (first, second) => panic!("read in two ways: {first:?} and {second:?}"),
    }
}

/// The catalog as text, by which NaN equals NaN; without the table of ids, whose order is left to chance.
fn text(catalog: &Catalog) -> String {
    let ids: Vec<_> = (0..catalog.n_items().min(1000) as u32).map(|row| catalog.id_of(row)).collect();
    format!("{:?} {:?} {ids:?}", catalog.signals(), catalog.columns())
}

fn check_catalog(catalog: &Catalog) {
    for signal in catalog.signals() {
        assert_eq!((signal.n_rows(), signal.n_rows() * signal.dim), (catalog.n_items(), signal.data.len()));
        let is_finite = match &signal.data {
            EmbeddingData::F16(values) => values.iter().all(|x| x.is_finite()),
            EmbeddingData::F32(values) => values.iter().all(|x| x.is_finite()),
            EmbeddingData::F64(values) => values.iter().all(|x| x.is_finite()),
        };
        assert!(is_finite, "{} is not finite", signal.name);
    }
    for column in catalog.columns() {
        assert_eq!(column.data.n_rows(), catalog.n_items(), "{}", column.name);
        if let ColumnData::Codes { width, codes } = &column.data {
            assert_eq!(codes.len(), width * catalog.n_items(), "{}", column.name);
        }
    }
    for row in 0..catalog.n_items().min(1000) as u32 {
        assert!(!catalog.has_ids() || catalog.row_of(&catalog.id_of(row)) == Some(row));
    }
}

/// Reads slates in small and in large batches, and ranks them.
pub fn read_as_slates(paths: &[PathBuf], fields: &SlateFields) {
    let catalog = ranking::catalog();
    if let Err(error) = slates_header(paths, catalog.has_ids(), fields) {
        check_error(&error, paths);
    }
    let (slates, error) = slates(paths, &catalog, fields, 3);
    let (again, error_again) = self::slates(paths, &catalog, fields, MAX_SLATES);
    assert_eq!((format!("{slates:?}"), &error), (format!("{again:?}"), &error_again));
    for slate in &slates {
        assert_eq!(slate.candidates.len(), slate.scores.len());
        let rows = slate.candidates.iter().chain(&slate.recent).chain(&slate.seen);
        let is_known = |&row: &u32| (row as usize) < catalog.n_items();
        assert!(rows.chain(slate.pinned.iter().map(|pin| &pin.item)).all(is_known));
    }
    ranking::rank(&catalog, &slates);
}

/// The slates up to the first that cannot be read, and why it cannot.
fn slates(
    paths: &[PathBuf],
    catalog: &Catalog,
    fields: &SlateFields,
    max_slates: usize,
) -> (Vec<Slate>, Option<String>) {
    let mut all = Vec::new();
    let failed = |error: InputError| {
        check_error(&error, paths);
        Some(error.to_string())
    };
    let mut source = match open_slates(paths, catalog, fields) {
        Ok(source) => source,
        Err(error) => return (all, failed(error)),
    };
    while all.len() < MAX_SLATES {
        match source.next_batch(max_slates) {
            Ok(Some(batch)) => {
                assert!(!batch.is_empty() && batch.len() <= max_slates);
                all.extend(batch);
            }
            Ok(None) => return (all, None),
            // Slates of the batch that stand before the one that cannot be read go with it.
            Err(error) => {
                all.clear();
                return (all, failed(error));
            }
        }
    }
    (all, None)
}

/// Makes Bloom filters of histories and reads what was written.
pub fn read_as_histories(path: &Path, extension: &str) {
    let catalog = ranking::catalog();
    let request = |catalog| BloomRequest { column: "items".to_owned(), name: "seen".to_owned(), rate: 0.01, catalog };
    let output = file(&format!("out.{extension}"), b"");
    for request in [request(None), request(Some(&catalog))] {
        match build_blooms(path, &output, &request) {
            Ok(summary) => {
                assert!(summary.n_null <= summary.n_rows && summary.worst_rate <= 0.011, "{summary:?}");
                let again = build_blooms(path, &output, &request).expect("it went well before");
                assert_eq!(summary, again);
            }
            Err(HistoriesError::Input(error)) => check_error(&error, &[path.to_owned()]),
            Err(HistoriesError::Output(error)) => panic!("{error}"),
        }
    }
}
