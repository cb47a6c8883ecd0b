//! `.safetensors` catalogs: one signal per two-dimensional tensor of floats.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::Deserialize;

use super::catalog_files::{Part, Wanted};
use super::error::{AtPath, InputError, InputProblem};
use super::footprint::FilePart;
use super::room::room_for;
use crate::catalog::{Embedding, EmbeddingData, MappedFile};

/// Longest header that is read; the format's own limit is 100 MB.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// Bytes of the header's length.
const N_LENGTH_BYTES: u64 = 8;
const FLOATS: &str = "float16, bfloat16, float32 or float64";

/// Reads the wanted tensors, in file order.
///
/// # Errors
/// A header that does not fit the file, or a wanted tensor that is not a table of floats.
pub(crate) fn read(path: &Path, file: File, wanted: &mut Wanted<'_>) -> Result<Part, InputError> {
    read_part(path, file, wanted).at(path)
}

fn read_part(path: &Path, mut file: File, wanted: &mut Wanted<'_>) -> Result<Part, InputProblem> {
    let (metadata, data_start) = read_header(&mut file)?;
    let mut part = Part::default();
    let mut first_unusable = None;
    let mut mapped = None;
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        if let Err(problem) = check(&name, info) {
            if wanted.names_signal(&name) {
                return Err(problem);
            }
            first_unusable.get_or_insert(problem);
            continue;
        }
        wanted.see(&name);
        if wanted.take_signal(&name) {
            if !wanted.maps(path, &name) {
                part.signals.push(read_tensor(&mut file, data_start, &name, info, wanted)?);
                continue;
            }
            let file = match &mapped {
                Some(file) => Arc::clone(file),
                None => {
                    let file = file.try_clone().and_then(|file| MappedFile::new(path, file));
                    Arc::clone(mapped.insert(file.map_err(InputProblem::CannotMap)?.into()))
                }
            };
            let start = data_start + info.data_offsets.0 as u64;
            let data =
                FilePart { start, n_values: info.shape[0] * info.shape[1] }.map(file, float_bytes(info), wanted)?;
            part.signals.push(Embedding::new(&name, info.shape[1], data));
        }
    }
    match first_unusable {
        Some(problem) if metadata.offset_keys().len() == 1 => Err(problem),
        _ if metadata.offset_keys().is_empty() => Err(InputProblem::NoTensors),
        _ => Ok(part),
    }
}

/// The header as text. Tensors by name, so that of two at one place, or of two faults, the same one always comes first.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "__metadata__")]
    metadata: Option<HashMap<String, String>>,
    #[serde(flatten)]
    tensors: BTreeMap<String, TensorInfo>,
}

/// The header, held against the length of the file: after this, every tensor's bytes are known to be there.
pub(crate) fn read_header(file: &mut File) -> Result<(Metadata, u64), InputProblem> {
    let n_file_bytes = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    let mut length = [0; N_LENGTH_BYTES as usize];
    file.read_exact(&mut length)?;
    let n_header_bytes = u64::from_le_bytes(length);
    if n_header_bytes > MAX_HEADER_BYTES {
        return Err(bad(format!("{n_header_bytes} bytes of header")));
    }
    if n_header_bytes > n_file_bytes.saturating_sub(N_LENGTH_BYTES) {
        let detail = format!("its header of {n_header_bytes} bytes goes past the end");
        return Err(InputProblem::Truncated { detail });
    }
    let mut text = vec![0; n_header_bytes as usize];
    file.read_exact(&mut text)?;
    let header: Header = serde_json::from_slice(&text).map_err(|e| bad(e.to_string()))?;
    let mut tensors: Vec<_> = header.tensors.into_iter().collect();
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    // Checks that shapes, types and offsets agree and that no product overflows.
    let metadata = Metadata::new(header.metadata, tensors).map_err(|e| bad(e.to_string()))?;
    let data_start = N_LENGTH_BYTES + n_header_bytes;
    let n_there = n_file_bytes - data_start;
    let n_claimed = metadata.data_len() as u64;
    if n_claimed > n_there {
        let detail = format!("its tensors need {n_claimed} bytes, {n_there} are there");
        return Err(InputProblem::Truncated { detail });
    }
    if n_claimed < n_there {
        return Err(InputProblem::TrailingBytes { n_bytes: n_there - n_claimed });
    }
    Ok((metadata, data_start))
}

fn bad(detail: String) -> InputProblem {
    InputProblem::BadHeader { format: "safetensors", detail }
}

pub(crate) fn check(name: &str, info: &TensorInfo) -> Result<(), InputProblem> {
    let what = format!("tensor \"{name}\"");
    if !matches!(info.dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64) {
        return Err(InputProblem::WrongDtype { what, found: info.dtype.to_string(), expected: FLOATS });
    }
    if info.shape.len() != 2 || info.shape[1] == 0 {
        let shape = format!("{:?}", info.shape);
        return Err(InputProblem::WrongRank { what, shape, expected: "(items, dimension)" });
    }
    Ok(())
}

/// Width of floats that are in the file as they are in memory.
fn float_bytes(info: &TensorInfo) -> Option<usize> {
    match info.dtype {
        Dtype::F16 => Some(2),
        Dtype::F32 => Some(4),
        Dtype::F64 => Some(8),
        _ => None,
    }
}

/// What so many bytes of a tensor take in memory.
pub(crate) fn memory_bytes(info: &TensorInfo, n_bytes: u64) -> u64 {
    // bfloat16 becomes f32.
    if info.dtype == Dtype::BF16 { n_bytes.saturating_mul(2) } else { n_bytes }
}

/// True where the tensor's bytes are those of the matrix in memory; the data starts at `data_start` in the file.
pub(crate) fn can_be_mapped(info: &TensorInfo, data_start: u64) -> bool {
    let start = data_start + info.data_offsets.0 as u64;
    cfg!(target_endian = "little") && float_bytes(info).is_some_and(|size| start.is_multiple_of(size as u64))
}

fn read_tensor(
    file: &mut File,
    data_start: u64,
    name: &str,
    info: &TensorInfo,
    wanted: &mut Wanted<'_>,
) -> Result<Embedding, InputProblem> {
    let (start, end) = info.data_offsets;
    // The header has been checked: the bytes are those of whole rows.
    let n_row_bytes = (end - start).checked_div(info.shape[0]).unwrap_or(0);
    let end = end.min(start.saturating_add(n_row_bytes.saturating_mul(wanted.max_rows)));
    wanted.take_bytes(memory_bytes(info, (end - start) as u64))?;
    file.seek(SeekFrom::Start(data_start + start as u64))?;
    let reader = Values { file, n_bytes: end - start };
    let data = match info.dtype {
        Dtype::F16 => EmbeddingData::F16(reader.read::<2, _>(f16::from_le_bytes)?.into()),
        Dtype::BF16 => EmbeddingData::F32(reader.read::<2, _>(|b| bf16::from_le_bytes(b).to_f32())?.into()),
        Dtype::F32 => EmbeddingData::F32(reader.read::<4, _>(f32::from_le_bytes)?.into()),
        Dtype::F64 => EmbeddingData::F64(reader.read::<8, _>(f64::from_le_bytes)?.into()),
        other => {
            let what = format!("tensor \"{name}\"");
            return Err(InputProblem::WrongDtype { what, found: other.to_string(), expected: FLOATS });
        }
    };
    Ok(Embedding::new(name, info.shape[1], data))
}

/// The bytes of one tensor, decoded block by block so that the file is never held twice.
struct Values<'a> {
    file: &'a mut File,
    n_bytes: usize,
}

impl Values<'_> {
    fn read<const N: usize, T>(self, decode: impl Fn([u8; N]) -> T) -> Result<Vec<T>, InputProblem> {
        const BLOCK_BYTES: usize = 1 << 20;
        let mut out = room_for(self.n_bytes / N)?;
        let mut block = vec![0; BLOCK_BYTES.min(self.n_bytes)];
        let mut n_left = self.n_bytes;
        while n_left > 0 {
            let bytes = &mut block[..n_left.min(BLOCK_BYTES)];
            self.file.read_exact(bytes)?;
            out.extend(bytes.as_chunks::<N>().0.iter().map(|&word| decode(word)));
            n_left -= bytes.len();
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::CatalogColumns;

    fn read_bytes(content: &[u8]) -> Result<Part, InputProblem> {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, content).unwrap();
        read_part(Path::new("x.safetensors"), file, &mut Wanted::new(&CatalogColumns::All))
    }

    fn with_header(header: &str, n_data_bytes: usize) -> Vec<u8> {
        let mut out = (header.len() as u64).to_le_bytes().to_vec();
        out.extend(header.as_bytes());
        out.extend(vec![0; n_data_bytes]);
        out
    }

    #[test]
    fn every_float_type_is_read() {
        for (dtype, size, stored) in [("F16", 2, "f16"), ("BF16", 2, "f32"), ("F32", 4, "f32"), ("F64", 8, "f64")] {
            let n = 6 * size;
            let header = format!("{{\"x\":{{\"dtype\":\"{dtype}\",\"shape\":[3,2],\"data_offsets\":[0,{n}]}}}}");
            let part = read_bytes(&with_header(&header, n)).unwrap();
            let signal = &part.signals[0];
            assert_eq!((signal.dim, signal.n_rows(), signal.data.dtype()), (2, 3, stored));
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused_before_anything_is_allocated() {
        let huge =
            "{\"x\":{\"dtype\":\"U8\",\"shape\":[18446744073709551608],\"data_offsets\":[0,18446744073709551608]}}";
        let overflow = "{\"x\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}";
        let beyond = "{\"x\":{\"dtype\":\"F32\",\"shape\":[1000000,1000000],\"data_offsets\":[0,4000000000000]}}";
        assert!(matches!(read_bytes(&with_header(huge, 8)), Err(InputProblem::BadHeader { .. })));
        assert!(matches!(read_bytes(&with_header(overflow, 0)), Err(InputProblem::BadHeader { .. })));
        assert!(matches!(read_bytes(&with_header(beyond, 16)), Err(InputProblem::Truncated { .. })));
        assert!(matches!(read_bytes(&u64::MAX.to_le_bytes()), Err(InputProblem::BadHeader { .. })));
        assert!(matches!(read_bytes(&1000u64.to_le_bytes()), Err(InputProblem::Truncated { .. })));
        assert!(matches!(read_bytes(b"abc"), Err(InputProblem::Truncated { .. })));
        assert!(matches!(read_bytes(&with_header("{}", 0)), Err(InputProblem::NoTensors)));
    }

    #[test]
    fn a_lone_tensor_that_cannot_be_used_is_named() {
        let ints = "{\"x\":{\"dtype\":\"I32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}";
        let flat = "{\"x\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}";
        assert!(matches!(read_bytes(&with_header(ints, 16)), Err(InputProblem::WrongDtype { .. })));
        assert!(matches!(read_bytes(&with_header(flat, 16)), Err(InputProblem::WrongRank { .. })));
    }
}
