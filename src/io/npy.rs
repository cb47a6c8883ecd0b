//! NumPy `.npy` matrices, read in blocks of rows.
//!
//! The header is parsed here rather than by a crate because nothing may be multiplied or allocated before the claimed
//! shape has been held against the length of the file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use half::f16;

use super::catalog_files::Wanted;
use super::error::{AtPath, InputError, InputProblem};
use super::footprint::FilePart;
use super::growing::Growing;
use super::npy_header::{self, Header, NumberType};
use super::room::room_for;
use crate::catalog::{Embedding, EmbeddingData, MappedFile};

/// The first bytes of every `.npy` file.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// Bytes read at once; a row that is longer is read whole.
pub(crate) const BLOCK_BYTES: usize = 4 << 20;

/// A two-dimensional array whose size is known to fit its file.
pub(crate) struct Matrix {
    file: File,
    header: Header,
    data_start: u64,
    n_rows: usize,
    dim: usize,
}

impl Matrix {
    /// Reads and checks the header; no data yet.
    pub(crate) fn open(mut file: File, expected: &'static str) -> Result<Self, InputProblem> {
        let n_file_bytes = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(0))?;
        let (header, data_start) = npy_header::read(&mut file, n_file_bytes)?;
        let overflow = || InputProblem::ShapeOverflow { shape: header.shape_text() };
        let n_elements = header.shape.iter().try_fold(1u64, |n, &x| n.checked_mul(x)).ok_or_else(overflow)?;
        let n_data_bytes = n_elements.checked_mul(header.number.n_bytes() as u64).ok_or_else(overflow)?;
        let n_claimed = data_start.checked_add(n_data_bytes).ok_or_else(overflow)?;
        let &[n_rows, dim] = header.shape.as_slice() else {
            return Err(InputProblem::WrongRank { what: "the array".to_owned(), shape: header.shape_text(), expected });
        };
        if n_claimed > n_file_bytes {
            let detail = format!(
                "shape {} of {} needs {n_data_bytes} bytes, {} are there",
                header.shape_text(),
                header.number,
                n_file_bytes.saturating_sub(data_start)
            );
            return Err(InputProblem::Truncated { detail });
        }
        if n_claimed < n_file_bytes {
            return Err(InputProblem::TrailingBytes { n_bytes: n_file_bytes - n_claimed });
        }
        if dim == 0 {
            return Err(InputProblem::WrongRank { what: "the array".to_owned(), shape: header.shape_text(), expected });
        }
        let n_rows = usize::try_from(n_rows).map_err(|_| overflow())?;
        let dim = usize::try_from(dim).map_err(|_| overflow())?;
        dim.checked_mul(header.number.n_bytes()).ok_or_else(overflow)?;
        Ok(Self { file, header, data_start, n_rows, dim })
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    pub(crate) fn number(&self) -> NumberType {
        self.header.number
    }

    pub(crate) fn shape_text(&self) -> String {
        self.header.shape_text()
    }

    /// True where the bytes are those of the matrix in memory, row by row.
    pub(crate) fn can_be_mapped(&self) -> bool {
        let size =
            self.header.number.float_bytes().filter(|_| self.header.number.is_native() && !self.header.is_fortran);
        size.is_some_and(|size| self.data_start.is_multiple_of(size as u64))
    }

    /// How many rows fit a block, at least one.
    pub(crate) fn rows_per_block(&self) -> usize {
        (BLOCK_BYTES / (self.dim * self.header.number.n_bytes()).max(1)).max(1)
    }

    /// The bytes of some rows in C order, whatever the order in the file. The caller keeps the range inside the array.
    fn read_rows(&mut self, start: usize, n_rows: usize) -> Result<Vec<u8>, InputProblem> {
        let size = self.header.number.n_bytes();
        let mut bytes = vec![0; n_rows * self.dim * size];
        if !self.header.is_fortran {
            let offset = (start * self.dim * size) as u64;
            self.file.seek(SeekFrom::Start(self.data_start + offset))?;
            self.file.read_exact(&mut bytes)?;
            return Ok(bytes);
        }
        let mut column = vec![0; n_rows * size];
        for k in 0..self.dim {
            let offset = ((k * self.n_rows + start) * size) as u64;
            self.file.seek(SeekFrom::Start(self.data_start + offset))?;
            self.file.read_exact(&mut column)?;
            for (row, value) in column.chunks_exact(size).enumerate() {
                let at = (row * self.dim + k) * size;
                bytes[at..at + size].copy_from_slice(value);
            }
        }
        Ok(bytes)
    }

    /// Some rows as f64, row-major. Exact for every float type.
    pub(crate) fn floats(&mut self, start: usize, n_rows: usize) -> Result<Vec<f64>, InputProblem> {
        let bytes = self.read_rows(start, n_rows)?;
        Ok(self.header.number.floats(&bytes))
    }

    /// Some rows as i64, row-major; values beyond i64 saturate, which no row number reaches.
    pub(crate) fn integers(&mut self, start: usize, n_rows: usize) -> Result<Vec<i64>, InputProblem> {
        let bytes = self.read_rows(start, n_rows)?;
        Ok(self.header.number.integers(&bytes))
    }
}

/// The number of rows of an array nobody wants; its header is checked all the same.
pub(crate) fn count_rows(path: &Path, file: File) -> Result<usize, InputError> {
    Matrix::open(file, "(items, dimension)").at(path).map(|matrix| matrix.n_rows())
}

/// Reads an array as one signal: all its rows, or the first `max_rows`.
///
/// # Errors
/// A header that does not fit the file, a type that is not f2, f4 or f8, or an array that is not two-dimensional.
pub(crate) fn read_signal(
    path: &Path,
    file: File,
    name: &str,
    wanted: &mut Wanted<'_>,
) -> Result<Embedding, InputError> {
    let mut matrix = Matrix::open(file, "(items, dimension)").at(path)?;
    let n_rows = matrix.n_rows.min(wanted.max_rows);
    let dim = matrix.dim;
    let data = if wanted.maps(path, name) {
        map_embedding(path, matrix, wanted)
    } else {
        let n_bytes = (n_rows as u64).saturating_mul((dim * matrix.number().n_bytes()) as u64);
        wanted.take_bytes(n_bytes).and_then(|()| read_embedding(&mut matrix, n_rows))
    };
    Ok(Embedding::new(name, dim, data.at(path)?))
}

/// All rows, left in the file.
fn map_embedding(path: &Path, matrix: Matrix, wanted: &Wanted<'_>) -> Result<EmbeddingData, InputProblem> {
    let Matrix { file, header, data_start, n_rows, dim } = matrix;
    // The product was checked when the header was read.
    let part = FilePart { start: data_start, n_values: n_rows * dim };
    part.map(MappedFile::new(path, file).map_err(InputProblem::CannotMap)?.into(), header.number.float_bytes(), wanted)
}

fn read_embedding(matrix: &mut Matrix, n_rows: usize) -> Result<EmbeddingData, InputProblem> {
    let number = matrix.number();
    let n_values = n_rows * matrix.dim;
    let mut data = match number.float_bytes() {
        Some(2) => Growing::F16(room_for(n_values)?),
        Some(4) => Growing::F32(room_for(n_values)?),
        Some(8) => Growing::F64(room_for(n_values)?),
        _ => {
            let what = "the array".to_owned();
            return Err(InputProblem::WrongDtype { what, found: number.to_string(), expected: "float16, 32 or 64" });
        }
    };
    let block = matrix.rows_per_block();
    for start in (0..n_rows).step_by(block) {
        let bytes = matrix.read_rows(start, block.min(n_rows - start))?;
        match &mut data {
            Growing::F16(v) => v.extend(number.words::<2>(&bytes).map(f16::from_le_bytes)),
            Growing::F32(v) => v.extend(number.words::<4>(&bytes).map(f32::from_le_bytes)),
            Growing::F64(v) => v.extend(number.words::<8>(&bytes).map(f64::from_le_bytes)),
        }
    }
    Ok(data.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::CatalogColumns;

    /// A version 1.0 file with any header text.
    pub(super) fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend([1, 0]);
        out.extend((header.len() as u16).to_le_bytes());
        out.extend(header.as_bytes());
        out.extend(data);
        out
    }

    fn read(content: &[u8]) -> Result<Embedding, InputProblem> {
        let mut handle = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut handle, content).unwrap();
        read_signal(Path::new("x.npy"), handle, "x", &mut Wanted::new(&CatalogColumns::All)).map_err(|e| e.problem)
    }

    #[test]
    fn every_order_and_byte_order_gives_the_same_rows() {
        let rows: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let by_column: [f32; 6] = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0];
        let header = |t: &str, f: &str| format!("{{'descr': '{t}', 'fortran_order': {f}, 'shape': (2, 3), }}\n");
        let le: Vec<u8> = rows.iter().flat_map(|x| x.to_le_bytes()).collect();
        let be: Vec<u8> = rows.iter().flat_map(|x| x.to_be_bytes()).collect();
        let fortran: Vec<u8> = by_column.iter().flat_map(|x| x.to_le_bytes()).collect();
        for content in [
            file(&header("<f4", "False"), &le),
            file(&header(">f4", "False"), &be),
            file(&header("<f4", "True"), &fortran),
        ] {
            let signal = read(&content).unwrap();
            assert_eq!((signal.dim, signal.data), (3, EmbeddingData::F32(rows.to_vec().into())));
        }
    }

    #[test]
    fn a_shape_that_overflows_allocates_nothing() {
        for shape in ["(4294967296, 4294967296)", "(9223372036854775807, 2)", "(99999999999999999999, 1)"] {
            let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
            let found = read(&file(&header, &[])).unwrap_err();
            assert!(matches!(found, InputProblem::ShapeOverflow { .. }), "{shape}: {found}");
        }
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000), }";
        assert!(matches!(read(&file(header, &[0; 40])).unwrap_err(), InputProblem::Truncated { .. }));
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9223372036854775807), }";
        assert!(matches!(read(&file(header, &[])).unwrap_err(), InputProblem::ShapeOverflow { .. }));
    }

    #[test]
    fn what_is_no_matrix_of_floats_is_named() {
        let of = |t: &str, s: &str, n: usize| {
            read(&file(&format!("{{'descr': '{t}', 'fortran_order': False, 'shape': {s}, }}"), &vec![0; n]))
                .unwrap_err()
        };
        assert!(matches!(of("<i4", "(2, 3)", 24), InputProblem::WrongDtype { .. }));
        assert!(matches!(of("<f4", "(6,)", 24), InputProblem::WrongRank { .. }));
        assert!(matches!(of("<f4", "()", 4), InputProblem::WrongRank { .. }));
        assert!(matches!(of("<f4", "(6, 0)", 0), InputProblem::WrongRank { .. }));
        assert!(matches!(of("<f4", "(2, 3)", 25), InputProblem::TrailingBytes { n_bytes: 1 }));
        assert!(of("|O", "(2, 3)", 25).to_string().starts_with("the array has type object (pickled values)"));
    }
}
