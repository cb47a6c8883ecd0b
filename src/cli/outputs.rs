//! Files that a command writes, held against those that it reads before anything is done.

use std::path::{Path, PathBuf};

use super::Failure;

/// A file that is to be written, and the flag that names it.
pub type Output<'a> = (&'static str, &'a Path);

/// Refuses an output that would take the place of an input, and two outputs of which one would take the place of the other,
/// however they are named.
pub fn refuse_overlap<'i, 'o>(
    inputs: impl IntoIterator<Item = &'i PathBuf>,
    outputs: impl IntoIterator<Item = Output<'o>>,
) -> Result<(), Failure> {
    let inputs: Vec<(&PathBuf, PathBuf)> = inputs
        .into_iter()
        .filter(|path| is_file_name(path))
        .filter_map(|path| Some((path, path.canonicalize().ok()?)))
        .collect();
    let mut before: Vec<(&str, PathBuf)> = Vec::new();
    for (flag, path) in outputs.into_iter().filter(|(_, path)| is_file_name(path)) {
        let place = place(path);
        if let Some((input, _)) = inputs.iter().find(|(_, input)| *input == place) {
            return Err(Failure::usage(format_args!("{}: is an input: name another file as {flag}", input.display())));
        }
        if let Some((other, _)) = before.iter().find(|(_, other)| *other == place) {
            let what = format_args!("{}: both {other} and {flag} would write it: name two files", path.display());
            return Err(Failure::usage(what));
        }
        before.push((flag, place));
    }
    Ok(())
}

/// Refuses a folder for new files where one of these inputs lies in it, and could be written over.
pub fn refuse_folder_of_inputs(inputs: &[PathBuf], (flag, folder): Output<'_>) -> Result<(), Failure> {
    let Ok(folder) = folder.canonicalize() else { return Ok(()) };
    match inputs.iter().find(|path| path.canonicalize().is_ok_and(|input| input.starts_with(&folder))) {
        None => Ok(()),
        Some(input) => {
            let what = format_args!("{}: is an input: name another folder as {flag}", input.display());
            Err(Failure::usage(what))
        }
    }
}

/// Not a standard stream.
fn is_file_name(path: &Path) -> bool {
    path.as_os_str() != "-"
}

/// Where a file is, past links, or will be.
fn place(path: &Path) -> PathBuf {
    let in_folder = || {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(folder.canonicalize().ok()?.join(path.file_name()?))
    };
    path.canonicalize().ok().or_else(in_folder).unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_place_and_not_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let (input, other) = (root.join("in.csv"), root.join("other.csv"));
        std::fs::write(&input, "").unwrap();
        std::fs::create_dir(root.join("in")).unwrap();
        let dots = root.join("in/../in.csv");
        let check = |outputs: &[Output]| refuse_overlap([&input], outputs.iter().copied());
        assert!(check(&[("--html", &other), ("--write", &root.join("third.csv"))]).is_ok());
        let line = check(&[("--html", &other), ("--write", &dots)]).unwrap_err().to_string();
        assert_eq!(line, format!("{}: is an input: name another file as --write", input.display()));
        // Neither is there yet.
        let line = check(&[("--html", &other), ("--write", &root.join("in/../other.csv"))]).unwrap_err().to_string();
        assert!(line.ends_with("other.csv: both --html and --write would write it: name two files"), "{line}");
        // Standard streams are no files, and what is not there is nobody's.
        let streams = [PathBuf::from("-"), root.join("none.csv")];
        assert!(refuse_overlap(&streams, [("--output", Path::new("-"))]).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (input, link) = (folder.path().join("in.csv"), folder.path().join("link.csv"));
        std::fs::write(&input, "").unwrap();
        std::os::unix::fs::symlink(&input, &link).unwrap();
        assert!(refuse_overlap([&input], [("--html", link.as_path())]).is_err());
        assert!(refuse_overlap([&link], [("--html", input.as_path())]).is_err());
    }
}
