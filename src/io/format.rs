//! Which format a file has: chosen by extension, checked against the first bytes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::arrow_stream::{FILE_MARK, STREAM_MARK};
use super::error::{AtPath, InputError, InputProblem};

/// An input format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    Npy,
    Safetensors,
    JsonLines,
    /// Arrow IPC, stream or file.
    Arrow,
}

/// What a file is read for; decides which formats make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Catalog,
    Slates,
    Histories,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Slates => "slates",
            Self::Histories => "histories",
        }
    }

    fn known(self) -> &'static str {
        match self {
            Self::Catalog => ".parquet, .npy, .safetensors",
            Self::Slates => ".parquet, .arrow, .arrows, .jsonl, .ndjson, .npy (a pair)",
            Self::Histories => ".parquet, .jsonl, .ndjson",
        }
    }

    fn format_by_extension(self, extension: &str) -> Option<Format> {
        match (self, extension) {
            (_, "parquet") => Some(Format::Parquet),
            (Self::Catalog | Self::Slates, "npy") => Some(Format::Npy),
            (Self::Catalog, "safetensors") => Some(Format::Safetensors),
            (Self::Slates | Self::Histories, "jsonl" | "ndjson") => Some(Format::JsonLines),
            (Self::Slates, "arrow" | "arrows") => Some(Format::Arrow),
            _ => None,
        }
    }
}

/// Opens a file to read, with messages for the usual reasons why not.
pub(crate) fn open(path: &Path) -> Result<File, InputError> {
    // Whoever opens a pipe waits until somebody writes to it, and nothing is read in one go from start to end.
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        return Err(InputProblem::NotAFile).at(path);
    }
    let file = File::open(path)
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => InputProblem::Missing,
            _ => InputProblem::CannotOpen(e),
        })
        .at(path)?;
    let is_folder = file.metadata().is_ok_and(|m| m.is_dir());
    if is_folder {
        return Err(InputProblem::CannotOpen(std::io::ErrorKind::IsADirectory.into())).at(path);
    }
    Ok(file)
}

/// Opens a file and says which format it has.
///
/// # Errors
/// An unknown extension, or first bytes that contradict it.
pub(crate) fn open_as(path: &Path, role: Role) -> Result<(Format, File), InputError> {
    if path.as_os_str() == "-" {
        return Err(InputProblem::NotFromStandardInput { role: role.name() }).at(path);
    }
    let mut file = open(path)?;
    let format = detect(path, role, &mut file).at(path)?;
    Ok((format, file))
}

fn detect(path: &Path, role: Role, file: &mut File) -> Result<Format, InputProblem> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let head = first_bytes(file)?;
    if extension == "npz" && head.starts_with(b"PK") {
        return Err(InputProblem::Npz);
    }
    let format = role.format_by_extension(&extension);
    // Protocol 0 is plain text: only the name tells.
    let is_named_so = matches!(extension.as_str(), "pt" | "pth" | "pt2");
    if is_named_so || looks_like_pytorch(&head) && !(format == Some(Format::Safetensors) && head.get(8) == Some(&b'{'))
    {
        return Err(InputProblem::PyTorch { line: super::pytorch::conversion(path, file) });
    }
    if let Some(problem) = compressed(&head) {
        return Err(problem);
    }
    let Some(format) = format else {
        return Err(InputProblem::UnknownExtension { role: role.name(), known: role.known() });
    };
    match format {
        Format::Parquet => check_parquet(file, &head)?,
        Format::Npy => check_start(&head, super::npy::MAGIC, "NumPy .npy")?,
        // Either form by its content, whatever the extension says: tools differ in what they call them.
        Format::Arrow => {
            let mark = if head.first() == Some(&0xFF) { STREAM_MARK } else { FILE_MARK };
            check_start(&head, mark, "binary Arrow")?;
        }
        Format::Safetensors | Format::JsonLines => {}
    }
    Ok(format)
}

fn first_bytes(file: &mut File) -> Result<Vec<u8>, InputProblem> {
    let mut head = Vec::with_capacity(16);
    file.take(16).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(head)
}

/// What a file is compressed with as a whole, where it is.
pub(crate) fn compressed(head: &[u8]) -> Option<InputProblem> {
    let tools: [(&[u8], _, _); 3] = [
        (b"\x1F\x8B\x08", "gzip", "gunzip -c"),
        (b"\x28\xB5\x2F\xFD", "Zstandard", "zstd -dc"),
        (b"\xFD7zXZ\0", "xz", "xz -dc"),
    ];
    let (_, tool, unpack) = tools.into_iter().find(|(mark, ..)| head.starts_with(mark))?;
    Some(InputProblem::Compressed { tool, unpack })
}

/// A zip archive (torch.save since 1.6) or a pickle of protocol 2 to 5 (before, or a plain pickle).
fn looks_like_pytorch(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || matches!(head, [0x80, 2..=5, ..])
}

fn check_start(head: &[u8], magic: &[u8], format: &'static str) -> Result<(), InputProblem> {
    if head.starts_with(magic) {
        Ok(())
    } else if magic.starts_with(head) {
        let detail = format!("only {} bytes", head.len());
        Err(InputProblem::Truncated { detail })
    } else {
        Err(InputProblem::WrongContent { expected: format, found: format!("\"{}\"", head.escape_ascii()) })
    }
}

/// Parquet keeps its directory at the end, so a cut file is recognised before it is parsed.
fn check_parquet(file: &mut File, head: &[u8]) -> Result<(), InputProblem> {
    check_start(head, b"PAR1", "Parquet")?;
    let n_bytes = file.seek(SeekFrom::End(0))?;
    let mut tail = [0; 4];
    if n_bytes >= 12 {
        file.seek(SeekFrom::End(-4))?;
        file.read_exact(&mut tail)?;
    }
    file.seek(SeekFrom::Start(0))?;
    if &tail != b"PAR1" {
        return Err(InputProblem::Truncated { detail: "the closing PAR1 mark is missing".to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &str, content: &[u8], role: Role) -> InputProblem {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        open_as(&path, role).unwrap_err().problem
    }

    #[test]
    fn content_that_contradicts_the_extension_is_named() {
        assert!(matches!(problem("a.npy", b"PK\x03\x04....", Role::Catalog), InputProblem::PyTorch { .. }));
        assert!(matches!(problem("a.pt", b"\x80\x02\x8a\x0a", Role::Catalog), InputProblem::PyTorch { .. }));
        for name in ["a.pt", "a.PTH", "a.pt2"] {
            assert!(matches!(problem(name, b"ctorch._utils\n", Role::Catalog), InputProblem::PyTorch { .. }), "{name}");
        }
        assert!(matches!(problem("a.safetensors", b"PK\x03\x04....zip", Role::Catalog), InputProblem::PyTorch { .. }));
        assert!(matches!(problem("a.npz", b"PK\x03\x04....", Role::Slates), InputProblem::Npz));
        assert!(matches!(problem("a.parquet", b"item_id,title", Role::Catalog), InputProblem::WrongContent { .. }));
        assert!(matches!(problem("a.parquet", b"PAR1 and then nothing", Role::Slates), InputProblem::Truncated { .. }));
        assert!(matches!(problem("a.npy", b"", Role::Slates), InputProblem::Truncated { .. }));
        assert!(matches!(problem("a.csv", b"x", Role::Slates), InputProblem::UnknownExtension { .. }));
        let gzip = problem("a.jsonl.gz", b"\x1f\x8b\x08\0\0\0", Role::Slates).to_string();
        assert!(gzip.starts_with("is compressed with gzip: ") && gzip.contains("(gunzip -c slates"), "{gzip}");
    }

    #[test]
    fn a_safetensors_header_length_that_looks_like_a_pickle_is_no_pickle() {
        // A header of 0x0280 bytes starts with the two bytes of pickle protocol 2.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        std::fs::write(&path, b"\x80\x02\0\0\0\0\0\0{\"a\":").unwrap();
        assert_eq!(open_as(&path, Role::Catalog).unwrap().0, Format::Safetensors);
    }

    #[test]
    fn a_missing_file_and_a_folder_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let missing = open_as(&folder.path().join("x.npy"), Role::Catalog).unwrap_err();
        assert!(matches!(missing.problem, InputProblem::Missing));
        let dir = open_as(folder.path(), Role::Catalog).unwrap_err();
        assert!(matches!(dir.problem, InputProblem::CannotOpen(_)));
    }
}
