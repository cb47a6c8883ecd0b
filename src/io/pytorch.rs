//! What can be known of a PyTorch file without running what is in it: how to convert it, and the `module_info.json` of
//! an archive. The pickle inside is never read: unpickling executes code.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::error::{AtPath, InputError, InputProblem};
use super::format::open;
use crate::contract::against::ModuleInfo;

/// Longest `module_info.json` that is read, whatever the archive says of its size.
const MAX_INFO_BYTES: u64 = 1 << 20;
/// Where archives keep what their maker added, below a folder named after the archive.
const INFO_NAME: &str = "extra/module_info.json";

/// Why a PyTorch archive cannot say what it makes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModuleInfoProblem {
    /// Not a zip archive, as PyTorch's archives are.
    #[error("is no PyTorch archive ({detail}): pass what torch.jit.save or torch.export.save wrote")]
    NoArchive {
        /// What the reader says.
        detail: String,
    },
    /// No such entry.
    #[error(
        "has no extra/module_info.json: save the model with torch.export.save(..., extra_files={{\"module_info.json\": ...}}), \
         or torch.jit.save and _extra_files"
    )]
    Missing,
    /// An entry that is not what it should be.
    #[error(
        "its extra/module_info.json cannot be used ({detail}): it must be {{\"input_names\": [...], \"output_names\": [...]}}"
    )]
    Bad {
        /// What is wrong.
        detail: String,
    },
}

/// What sort of PyTorch file it is; each is converted in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `torch.save` of a tensor or of a dictionary of tensors.
    Tensors,
    /// `torch.jit.save`.
    Script,
    /// `torch.export.save`.
    Exported,
}

impl Kind {
    /// By the names in the archive; older files are no archives and hold tensors.
    fn of(file: &mut File) -> Self {
        let Ok(archive) = archive(file) else { return Self::Tensors };
        let has = |end: &str| archive.file_names().flatten().any(|name| without_folder(&name) == Some(end));
        match (has("archive_format"), has("constants.pkl")) {
            (true, _) => Self::Exported,
            (false, true) => Self::Script,
            (false, false) => Self::Tensors,
        }
    }

    /// Python that gives a dictionary of tensors from the file `a`.
    fn tensors(self) -> &'static str {
        match self {
            Self::Tensors => {
                "x=torch.load(a,map_location='cpu',weights_only=True); x=x if isinstance(x,dict) else {'embedding':x}"
            }
            Self::Script => "x=torch.jit.load(a,map_location='cpu').state_dict()",
            Self::Exported => "x=torch.export.load(a).state_dict",
        }
    }
}

/// Opens the directory. Exported models hold an archive inside: unless it is said that nothing stands before the archive,
/// the reader takes the inner directory for the outer.
fn archive<R: Read + Seek>(file: R) -> Result<ZipArchive<BufReader<R>>, ZipError> {
    let config = zip::read::Config { archive_offset: zip::read::ArchiveOffset::Known(0) };
    ZipArchive::with_config(config, BufReader::new(file))
}

/// The shell line that turns a PyTorch file into one that can be read safely.
pub(crate) fn conversion(path: &Path, file: &mut File) -> String {
    let from = quoted(&path.display().to_string());
    let same = path.with_extension("safetensors");
    // A file that has the extension already must not be written over.
    let to = if same == path { path.with_extension("converted.safetensors") } else { same };
    let to = quoted(&to.display().to_string());
    format!(
        "python -c \"import sys,torch,safetensors.torch as s; a,b=sys.argv[1:]; {}; \
         s.save_file({{k:v.detach().clone().contiguous() for k,v in x.items() if torch.is_tensor(v)}},b)\" {from} {to}",
        Kind::of(file).tensors()
    )
}

/// A file name as a shell takes it.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._-/+:=@%,".contains(c) || (cfg!(windows) && c == '\\');
    if name.chars().all(is_plain) && !name.starts_with('-') {
        name.to_owned()
    } else if cfg!(windows) {
        format!("\"{name}\"")
    } else {
        format!("'{}'", name.replace('\'', r"'\''"))
    }
}

/// Reads what a PyTorch archive says about itself: `extra/module_info.json`, as `torch.jit.save` and
/// `torch.export.save` put it there. Nothing else of the archive is read.
///
/// # Errors
/// Not an archive, one that does not have the file, or a file that is not what it should be.
pub fn read_module_info(path: &Path) -> Result<ModuleInfo, InputError> {
    let file = open(path)?;
    module_info(file).at(path)
}

fn module_info(file: File) -> Result<ModuleInfo, InputProblem> {
    let mut archive = archive(file).map_err(no_archive)?;
    let is_info = |name: &str| name == INFO_NAME || without_folder(name) == Some(INFO_NAME);
    // A name that is no text is not the one.
    let names = archive.file_names().flatten().filter(|name| is_info(name));
    let names: Vec<String> = names.map(|name| name.into_owned()).collect();
    let name = match names.as_slice() {
        [] => return Err(ModuleInfoProblem::Missing.into()),
        [name] => name,
        [first, second, ..] => {
            return Err(bad(&format!("there are two of them, {first} and {second}")));
        }
    };
    let entry = archive.by_name(name).map_err(|e| bad(&e.to_string()))?;
    let mut text = Vec::new();
    // The size in the directory is a claim; what counts is what comes out.
    entry.take(MAX_INFO_BYTES + 1).read_to_end(&mut text).map_err(|e| bad(&e.to_string()))?;
    if text.len() as u64 > MAX_INFO_BYTES {
        return Err(bad(&format!("it is longer than {} MiB", MAX_INFO_BYTES >> 20)));
    }
    serde_json::from_slice(&text).map_err(|e| bad(&e.to_string()))
}

fn bad(detail: &str) -> InputProblem {
    ModuleInfoProblem::Bad { detail: detail.to_owned() }.into()
}

fn no_archive(error: ZipError) -> InputProblem {
    match error {
        ZipError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => error.into(),
        _ => ModuleInfoProblem::NoArchive { detail: error.to_string() }.into(),
    }
}

/// A name without its first folder.
fn without_folder(name: &str) -> Option<&str> {
    name.split_once('/').map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::CompressionMethod;
    use zip::write::{SimpleFileOptions, ZipWriter};

    fn zipped(entries: &[(&str, &[u8])]) -> File {
        let mut writer = ZipWriter::new(tempfile::tempfile().unwrap());
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        for (name, content) in entries {
            writer.start_file(*name, options).unwrap();
            writer.write_all(content).unwrap();
        }
        let mut file = writer.finish().unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn the_file_is_found_with_and_without_a_folder() {
        let text = br#"{"output_names": ["text"], "made_by": "us"}"#;
        for name in ["extra/module_info.json", "model/extra/module_info.json"] {
            let found = module_info(zipped(&[("model/data.pkl", b"?"), (name, text)])).unwrap();
            assert_eq!(found.output_names, ["text"]);
        }
        let deeper = zipped(&[("a/b/extra/module_info.json", text)]);
        assert!(matches!(module_info(deeper), Err(InputProblem::ModuleInfo(ModuleInfoProblem::Missing))));
        let two = zipped(&[("a/extra/module_info.json", text), ("extra/module_info.json", text)]);
        assert!(
            matches!(module_info(two), Err(InputProblem::ModuleInfo(ModuleInfoProblem::Bad { detail })) if detail.contains("two of them"))
        );
    }

    #[test]
    fn what_is_not_module_info_is_said() {
        for (content, part) in [
            (&b"{\"output_names\": [1]}"[..], "expected a string"),
            (b"{\"input_names\": []}", "missing field `output_names`"),
            (b"[]", "invalid"),
            (b"{", "EOF"),
            (b"\xff", "expected value"),
        ] {
            let error = module_info(zipped(&[("m/extra/module_info.json", content)])).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    /// 64 MiB of spaces in 64 KiB: read to the limit and no further.
    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = zipped(&[("m/extra/module_info.json", &vec![b' '; 64 << 20])]);
        assert!(bomb.metadata().unwrap().len() < 1 << 18);
        let error = module_info(bomb).unwrap_err().to_string();
        assert!(error.contains("longer than 1 MiB"), "{error}");
    }

    /// The directory says one byte, the stream goes on: what counts is what comes out, and it is refused.
    #[test]
    fn a_size_that_lies_is_no_way_around_the_limit() {
        let mut file = zipped(&[("m/extra/module_info.json", &vec![b' '; 4 << 20])]);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        let size = (4u32 << 20).to_le_bytes();
        let places: Vec<usize> = (0..bytes.len() - 4).filter(|&i| bytes[i..i + 4] == size).collect();
        assert!(!places.is_empty());
        for at in places {
            bytes[at..at + 4].copy_from_slice(&1u32.to_le_bytes());
        }
        let mut lying = tempfile::tempfile().unwrap();
        lying.write_all(&bytes).unwrap();
        lying.rewind().unwrap();
        assert!(matches!(module_info(lying), Err(InputProblem::ModuleInfo(ModuleInfoProblem::Bad { .. }))));
    }

    #[test]
    fn names_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("a/x-1.pt"), "a/x-1.pt");
        #[cfg(unix)]
        assert_eq!(quoted("it's x.pt"), r"'it'\''s x.pt'");
        #[cfg(unix)]
        assert_eq!(quoted("-x.pt"), "'-x.pt'");
    }

    #[test]
    fn the_line_to_run_names_the_file() {
        let line = conversion(Path::new("in/my vectors.pt"), &mut zipped(&[("x/data.pkl", b"?")]));
        assert!(line.starts_with("python -c \"import sys,torch,") && line.contains("weights_only=True"), "{line}");
        #[cfg(unix)]
        assert!(line.ends_with(" 'in/my vectors.pt' 'in/my vectors.safetensors'"), "{line}");
        let script = conversion(Path::new("m.pt"), &mut zipped(&[("m/constants.pkl", b"?")]));
        assert!(script.contains("torch.jit.load(a,") && script.ends_with("m.pt m.safetensors"), "{script}");
        let exported = conversion(Path::new("m.pt2"), &mut zipped(&[("m/archive_format", b"pt2")]));
        assert!(exported.contains("torch.export.load(a)"), "{exported}");
        let misnamed = conversion(Path::new("x.safetensors"), &mut zipped(&[("x/data.pkl", b"?")]));
        assert!(misnamed.ends_with(" x.safetensors x.converted.safetensors"), "{misnamed}");
    }
}
