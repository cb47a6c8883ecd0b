//! What stands in a file's place and is none.

use std::path::PathBuf;

use spectrank::io::CatalogColumns;

use crate::files::{Folder, catalog_error, letters, slates_error};

#[test]
fn a_folder_or_nothing() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("folder.parquet")).unwrap();
    for (name, line) in [
        ("folder.parquet", "cannot be opened (is a directory): check that it is a file and that you may read it"),
        ("none.parquet", "no such file: check the path"),
        ("none.parquet/x.npy", "no such file: check the path"),
    ] {
        let path = [folder.path(name)];
        assert_eq!(catalog_error(&path, &CatalogColumns::All), line, "{name}");
        assert_eq!(slates_error(&path, &letters(4)), line, "{name}");
    }
}

#[test]
fn the_wrong_number_of_files() {
    let folder = Folder::new();
    let array = folder.npy("a.npy", &[1, 1], &[1f32]);
    let lines = folder.bytes("a.jsonl", b"");
    for (paths, line) in [
        (
            vec![&array],
            "1 slate files were given: pass one .parquet, .arrow or .jsonl file, or a pair of .npy files (candidates and scores)",
        ),
        (
            vec![&array, &lines],
            "2 slate files were given: pass one .parquet, .arrow or .jsonl file, or a pair of .npy files (candidates and scores)",
        ),
        (
            vec![&array, &array, &array],
            "3 slate files were given: pass one .parquet, .arrow or .jsonl file, or a pair of .npy files (candidates and scores)",
        ),
    ] {
        let paths: Vec<PathBuf> = paths.into_iter().cloned().collect();
        assert_eq!(slates_error(&paths, &letters(4)), line);
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_file_that_may_not_be_read() {
        let folder = Folder::new();
        let path = folder.bytes("x.parquet", b"PAR1");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
        // Root may read everything.
        if std::fs::File::open(&path).is_err() {
            assert_eq!(catalog_error(&[path], &CatalogColumns::All), "");
        }
    }

    /// Nobody writes into it: whoever opens it to read waits for ever.
    #[test]
    fn a_pipe_that_nobody_writes_to() {
        let folder = Folder::new();
        for name in ["x.parquet", "x.npy", "x.safetensors"] {
            let path = folder.path(name);
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
            let start = Instant::now();
            assert_eq!(
                catalog_error(&[path], &CatalogColumns::All),
                "is a pipe or a device: write its content to a file, or send slates through standard input (--slates -)",
                "{name}"
            );
            assert!(start.elapsed() < Duration::from_secs(5));
        }
    }

    #[test]
    fn a_device() {
        let folder = Folder::new();
        for (device, name, line) in [
            (
                "/dev/null",
                "null.npy",
                "is a pipe or a device: write its content to a file, or send slates through standard input (--slates -)",
            ),
            (
                "/dev/zero",
                "zero.npy",
                "is a pipe or a device: write its content to a file, or send slates through standard input (--slates -)",
            ),
        ] {
            std::os::unix::fs::symlink(device, folder.path(name)).unwrap();
            assert_eq!(catalog_error(&[folder.path(name)], &CatalogColumns::All), line);
        }
    }
}
