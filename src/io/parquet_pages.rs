//! The pages of a Parquet file, held against limits before they are unpacked.
//!
//! The reader believes what the header of a page claims and makes room for it: billions of values in a page of some bytes.
//! It asks for the bytes of every header first, so that is where each header is read here once before.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use parquet::arrow::arrow_reader::RowGroups;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use super::parquet_thrift::PageHeader;
use super::{parquet_delta, unpacked};

/// Values in lists that one batch may pull, however small the file. They are decoded page by page until the rows of the batch are
/// whole, so a row that never ends would take all memory.
const FREE_LIST_VALUES: u64 = 8 << 20;
/// Values per byte of the file beyond that.
const MAX_VALUES_PER_BYTE: u64 = 16;

/// Bytes that texts which share their beginnings may come to in one batch, however large the file: each is written out.
const MAX_SHARED_BYTES: u64 = 512 << 20;

/// What the limits are held against.
#[derive(Debug)]
struct Limits {
    /// Start and end of every column chunk, ascending, and whether its column is inside a list.
    chunks: Vec<(u64, u64, bool)>,
    n_file_bytes: u64,
    /// Where pages start whose header has been read: the reader may come to them without reading the header again.
    bodies: Mutex<HashSet<u64>>,
    /// Values in lists pulled since the batch began.
    n_list_values: AtomicU64,
    /// What texts that share their beginnings come to since then, in bytes.
    n_shared_bytes: AtomicU64,
}

/// A Parquet file for the reader. A clone shares what has been counted.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    file: Arc<File>,
    /// Nothing until the directory has been read.
    limits: Option<Arc<Limits>>,
}

impl Pages {
    pub(super) fn new(file: File) -> Self {
        Self { file: Arc::new(file), limits: None }
    }

    /// The directory, which is at the end of the file; nothing where there is none.
    pub(super) fn directory(&self) -> std::io::Result<Option<Vec<u8>>> {
        const END_BYTES: u64 = 8;
        let Some(end) = self.file.len().checked_sub(END_BYTES) else { return Ok(None) };
        let mut file = BufReader::new(self.file.try_clone()?);
        file.seek(SeekFrom::Start(end))?;
        let mut tail = [0; END_BYTES as usize];
        file.read_exact(&mut tail)?;
        let [a, b, c, d, mark @ ..] = tail;
        let n_bytes = u32::from_le_bytes([a, b, c, d]);
        let Some(start) = end.checked_sub(n_bytes.into()).filter(|_| mark == *b"PAR1") else { return Ok(None) };
        file.seek(SeekFrom::Start(start))?;
        let mut directory = vec![0; n_bytes as usize];
        file.read_exact(&mut directory)?;
        Ok(Some(directory))
    }

    /// Checks the pages of these column chunks from here on.
    pub(super) fn checked(self, metadata: &ParquetMetaData) -> Self {
        let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
        let mut chunks: Vec<_> = columns
            .map(|column| {
                let (start, n_bytes) = column.byte_range();
                (start, start.saturating_add(n_bytes), column.column_descr().max_rep_level() > 0)
            })
            .collect();
        chunks.sort_unstable();
        // Where chunks overlap, a page can be one of a list whatever chunk it is found in.
        if chunks.windows(2).any(|pair| pair[1].0 < pair[0].1) {
            chunks.iter_mut().for_each(|chunk| chunk.2 = true);
        }
        let n_file_bytes = self.file.len();
        let (bodies, n_list_values, n_shared_bytes) = (Mutex::default(), AtomicU64::new(0), AtomicU64::new(0));
        Self { limits: Some(Arc::new(Limits { chunks, n_file_bytes, bodies, n_list_values, n_shared_bytes })), ..self }
    }

    /// Counts values from zero again.
    pub(super) fn start_batch(&self) {
        if let Some(limits) = &self.limits {
            limits.n_list_values.store(0, Ordering::Relaxed);
            limits.n_shared_bytes.store(0, Ordering::Relaxed);
        }
    }
}

impl Limits {
    /// Reads the header that starts here, if one does; the reader comes back to where it was.
    fn check(&self, start: u64, reader: &mut BufReader<File>) -> Result<(), ParquetError> {
        let chunk = self.chunks.partition_point(|chunk| chunk.0 <= start).checked_sub(1).map(|at| self.chunks[at]);
        let Some((_, end, is_list)) = chunk.filter(|chunk| start < chunk.1) else { return Ok(()) };
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        if bodies.contains(&start) {
            return Ok(());
        }
        let Some((header, n_header_bytes)) = PageHeader::read(reader.take(end - start)) else {
            return Err(ParquetError::General(format!("the header of the page at byte {start} is damaged")));
        };
        reader.seek_relative(-(n_header_bytes as i64))?;
        if header.n_bytes > 0 {
            bodies.insert(start + n_header_bytes);
        }
        self.check_header(&header, is_list).map_err(ParquetError::General)
    }

    /// Adds what the texts of a page come to.
    fn add_shared(&self, n_bytes: u64) -> Result<(), ParquetError> {
        let n_bytes = self.n_shared_bytes.fetch_add(n_bytes, Ordering::Relaxed).saturating_add(n_bytes);
        let limit = unpacked::limit(self.n_file_bytes).min(MAX_SHARED_BYTES);
        if n_bytes <= limit {
            return Ok(());
        }
        let (n_mib, limit_mib) = (n_bytes >> 20, limit >> 20);
        let what = "texts of a few rows, which share their beginnings, claim to hold";
        Err(ParquetError::General(format!("{what} {n_mib} MiB, more than {limit_mib}")))
    }

    fn check_header(&self, header: &PageHeader, is_list: bool) -> Result<(), String> {
        let PageHeader { n_bytes, n_unpacked_bytes, .. } = *header;
        if n_unpacked_bytes > unpacked::limit(n_bytes) {
            return Err(format!("a page of {n_bytes} bytes claims to hold {n_unpacked_bytes}"));
        }
        // Every value of a dictionary is written out in it.
        if header.n_dictionary_values > n_unpacked_bytes {
            let n_values = header.n_dictionary_values;
            return Err(format!("a dictionary of {n_unpacked_bytes} bytes claims to hold {n_values} values"));
        }
        if !is_list {
            // Decoded no further than a batch needs it.
            return Ok(());
        }
        let n_values = self.n_list_values.fetch_add(header.n_values, Ordering::Relaxed).saturating_add(header.n_values);
        if n_values > FREE_LIST_VALUES.max(self.n_file_bytes.saturating_mul(MAX_VALUES_PER_BYTE)) {
            return Err(format!("a few rows of lists claim to hold {n_values} values"));
        }
        Ok(())
    }
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for Pages {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        let mut reader = BufReader::new(file);
        if let Some(limits) = &self.limits {
            limits.check(start, &mut reader)?;
        }
        Ok(reader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<bytes::Bytes, ParquetError> {
        if let Some(limits) = &self.limits {
            limits.bodies.lock().unwrap_or_else(PoisonError::into_inner).remove(&start);
        }
        self.file.get_bytes(start, length)
    }
}

/// All row groups from one on, whose pages are checked once more when they are unpacked.
pub(super) struct CheckedGroups {
    pub(super) pages: Pages,
    pub(super) metadata: Arc<ParquetMetaData>,
    pub(super) first: usize,
}

impl RowGroups for CheckedGroups {
    fn num_rows(&self) -> usize {
        let n_rows = |group: &RowGroupMetaData| usize::try_from(group.num_rows()).unwrap_or(0);
        self.row_groups().map(n_rows).fold(0, usize::saturating_add)
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>, ParquetError> {
        let (pages, metadata) = (Arc::new(self.pages.clone()), Arc::clone(&self.metadata));
        Ok(Box::new(Chunks { pages, metadata, column, next_group: self.first }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.metadata.row_groups().iter().skip(self.first))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The chunks of a column.
struct Chunks {
    pages: Arc<Pages>,
    metadata: Arc<ParquetMetaData>,
    column: usize,
    next_group: usize,
}

impl Iterator for Chunks {
    type Item = Result<Box<dyn PageReader>, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.metadata.row_groups().get(self.next_group)?;
        self.next_group += 1;
        let chunk = group.column(self.column);
        let n_rows = group.num_rows().try_into().unwrap_or(0);
        let levels = (chunk.column_descr().max_rep_level(), chunk.column_descr().max_def_level());
        let reader = SerializedPageReader::new(Arc::clone(&self.pages), chunk, n_rows, None);
        let limits = self.pages.limits.clone();
        Some(reader.map(|reader| Box::new(CheckedPages { reader, levels, limits }) as _))
    }
}

impl PageIterator for Chunks {}

/// The pages of a chunk.
struct CheckedPages {
    reader: SerializedPageReader<Pages>,
    /// Largest repetition and definition level of the column.
    levels: (i16, i16),
    limits: Option<Arc<Limits>>,
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        let page = self.reader.get_next_page()?;
        if let Some(page) = &page {
            let n_bytes = parquet_delta::check(page, self.levels.0, self.levels.1).map_err(ParquetError::General)?;
            self.limits.as_ref().map_or(Ok(()), |limits| limits.add_shared(n_bytes))?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        self.reader.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        self.reader.skip_next_page()
    }
}

impl Iterator for CheckedPages {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}
