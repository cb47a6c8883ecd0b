//! Where rankings go: one file or stream, or a folder of parts.

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use spectrank::catalog::Catalog;
use spectrank::config::Config;
use spectrank::contract;
use spectrank::engine::OnGpuError;
use spectrank::folder::{self, FolderSink, FolderSource, Header, InputFile, OutputFolder, Part, PartBatch, PartLayout};
use spectrank::io::{self, BatchLimit, InputError, OutputError, OutputFormat, SlateSink, SlateSource};
use spectrank::pipeline::WriteStage;
use spectrank::slate::RankedSlate;

use super::inputs::Watch;
use super::stop::Left;
use super::{Failure, Rerank, Stop, Summary, terminal};

/// Slates of a part where the user does not say.
const PART_SLATES: u64 = 16_384;

/// Where the output goes, by its name.
pub enum Place {
    Stdout,
    File,
    Folder(FolderPlace),
}

/// A folder that is not open yet.
pub struct FolderPlace {
    layout: PartLayout,
    /// The digests of all inputs, which are read while the catalog is.
    inputs: JoinHandle<Result<Vec<InputFile>, (PathBuf, std::io::Error)>>,
}

impl Place {
    /// Holds the flags against each other and looks at a folder, before any work.
    pub fn of(flags: &Rerank) -> Result<Self, Failure> {
        let is_stdout = flags.output.as_os_str() == "-";
        let is_folder = !is_stdout && folder::is_folder(&flags.output);
        let wrong = |flag: &str, cure: &str| Err(Failure::usage(format_args!("{flag}: {cure}")));
        if !is_folder {
            if !is_stdout && flags.output.is_dir() {
                let name = flags.output.display();
                let cure = format_args!("is a folder: write {name}/ for parts in it, or name a file as --output");
                return Err(Failure::usage(format_args!("{name}: {cure}")));
            }
            if flags.resume {
                return wrong("--resume", "is for an output folder: end --output with a slash");
            }
            if flags.part_slates.is_some() {
                return wrong("--part-slates", "is for an output folder: end --output with a slash");
            }
            if !is_stdout && flags.output_format.is_some() {
                let cure = "is for --output - and for folders: drop it, a file has the format of its extension";
                return wrong("--output-format", cure);
            }
            // The summary goes there where the slates do not.
            if is_stdout || flags.json {
                terminal::expect_stdout()?;
            }
            return Ok(if is_stdout { Self::Stdout } else { Self::File });
        }
        if flags.resume && flags.slates.iter().any(|path| path.as_os_str() == "-") {
            return wrong("--resume", "slates on standard input cannot be read again: name a file of slates");
        }
        if flags.json {
            terminal::expect_stdout()?;
        }
        folder::look(&flags.output, flags.resume)?;
        let (catalog, slates) = (flags.catalog.clone(), flags.slates.clone());
        let inputs = std::thread::spawn(move || InputFile::read_all(&catalog, &slates));
        let layout = PartLayout {
            format: flags.output_format.unwrap_or(OutputFormat::Parquet),
            part_slates: flags.part_slates.unwrap_or(PART_SLATES),
            has_ids: false,
        };
        Ok(Self::Folder(FolderPlace { layout, inputs }))
    }

    /// Opens a file or stream. A folder has to wait until it is known what computes.
    pub fn open(
        self,
        flags: &Rerank,
        source: &dyn SlateSource,
        catalog: &Catalog,
        config: &Config,
    ) -> Result<Outlet, OutputError> {
        let in_kind = if source.is_arrow_pipe() { OutputFormat::Arrow } else { OutputFormat::Jsonl };
        let format = flags.output_format.unwrap_or(in_kind);
        let metadata = contract::metadata(config);
        let left = match self {
            Self::Folder(place) => return Ok(Outlet::Folder(place)),
            Self::Stdout => Left::Stream,
            Self::File => Left::Nothing,
        };
        let sink = io::create_output_as(&flags.output, format, catalog.has_ids(), &metadata)?;
        Ok(Outlet::Single(sink, left))
    }
}

/// An output as far as it can be opened before the engine is known.
pub enum Outlet {
    Single(Box<dyn SlateSink + Send>, Left),
    Folder(FolderPlace),
}

/// Both ends of a run.
pub struct Connected<'a> {
    pub source: Source<'a>,
    pub sink: Sink,
    pub left: Left,
    pub before: Before,
}

/// What a folder held before the run.
#[derive(Default)]
pub struct Before {
    pub slates: u64,
    pub parts: u64,
    /// Parts that have to be made again, by file name.
    pub lost: Vec<String>,
    /// Nothing was left to do.
    pub was_complete: bool,
    /// How long it took to read the parts and hold them against their checksums.
    pub verifying: Duration,
}

impl Outlet {
    /// Opens a folder; `engine` is what computes.
    pub fn connect<'a>(
        self,
        flags: &Rerank,
        source: Box<dyn SlateSource + Send + 'a>,
        catalog: &Catalog,
        config: &Config,
        engine: String,
    ) -> Result<Connected<'a>, Failure> {
        let FolderPlace { layout, inputs } = match self {
            Self::Single(sink, left) => {
                let (source, sink) = (Source::All(source), Sink::Single(sink));
                return Ok(Connected { source, sink, left, before: Before::default() });
            }
            Self::Folder(place) => place,
        };
        let inputs = inputs.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause));
        let cannot = |(path, error): (PathBuf, std::io::Error)| {
            Failure::input(path.display(), format_args!("cannot be read ({error}): check the disk"))
        };
        let layout = PartLayout { has_ids: catalog.has_ids(), ..layout };
        let cpu_may_take_over = flags.engine.on_gpu_error() == Some(OnGpuError::Cpu);
        let header = Header { cpu_may_take_over, ..Header::new(config, engine, inputs.map_err(cannot)?, layout) };
        let is_repeatable = header.is_repeatable();
        let started = Instant::now();
        let folder = OutputFolder::open(&flags.output, header, flags.resume)?;
        let (verifying, was_complete) = (started.elapsed(), folder.is_done());
        let lost = folder.lost().map(|part| part.file.clone()).collect();
        let source = Source::Left(FolderSource::new(source, &folder));
        let sink = FolderSink::new(folder, catalog.has_ids(), &contract::metadata(config));
        let kept = sink.kept();
        let before = Before { slates: kept.slates(), parts: kept.parts(), lost, was_complete, verifying };
        let left = Left::Parts { kept, is_repeatable };
        Ok(Connected { source, sink: Sink::Folder(Box::new(sink)), left, before })
    }
}

/// Slates in batches, all of them or those that a folder lacks.
pub enum Source<'a> {
    All(Box<dyn SlateSource + Send + 'a>),
    Left(FolderSource<'a>),
}

impl Source<'_> {
    pub fn next_batch(&mut self, limit: BatchLimit) -> Result<Option<PartBatch>, InputError> {
        match self {
            Self::All(source) => Ok(source.next_batch_within(limit)?.map(|slates| PartBatch { part: 0, slates })),
            Self::Left(source) => source.next_batch(limit),
        }
    }
}

/// A file, a stream or a folder.
pub enum Sink {
    Single(Box<dyn SlateSink + Send>),
    Folder(Box<FolderSink>),
}

impl Sink {
    /// Completes the output; all parts of a folder.
    pub fn finish(self) -> Result<Option<Vec<Part>>, Stop> {
        match self {
            Self::Single(sink) => sink.finish().map(|()| None).map_err(Stop::from),
            Self::Folder(sink) => Ok(Some(sink.finish().map_err(Failure::from)?)),
        }
    }
}

/// Ranked slates of one batch.
pub struct Ranked {
    pub batch: PartBatch,
    pub ranked: Vec<RankedSlate>,
    /// What computed them.
    pub engine: String,
}

/// The last stage.
pub struct Writer<'a> {
    pub sink: Sink,
    pub watch: &'a Watch,
    pub catalog: &'a Catalog,
    pub bar: ProgressBar,
}

impl Writer<'_> {
    /// What a folder says of its parts must hold: they are ranked from the files whose digests it has.
    pub fn check_inputs(&self) -> Result<(), Stop> {
        match self.sink {
            Sink::Single(_) => Ok(()),
            Sink::Folder(_) => self.watch.check().map_err(Stop::from),
        }
    }
}

impl WriteStage<Ranked, Stop> for Writer<'_> {
    fn write(&mut self, Ranked { batch, ranked, engine }: Ranked) -> Result<(), Stop> {
        self.check_inputs()?;
        match &mut self.sink {
            Sink::Single(sink) => sink.write(&batch.slates, &ranked, self.catalog)?,
            Sink::Folder(sink) => sink.write(&batch, &ranked, self.catalog, &engine).map_err(Failure::from)?,
        }
        self.bar.inc(batch.slates.len() as u64);
        Ok(())
    }
}

/// A writer that counts what it is given.
pub struct Counted<'a, W> {
    pub summary: &'a mut Summary,
    pub writer: W,
}

impl<W: WriteStage<Ranked, Stop>> WriteStage<Ranked, Stop> for Counted<'_, W> {
    fn write(&mut self, results: Ranked) -> Result<(), Stop> {
        self.summary.count(&results.batch.slates, &results.ranked);
        self.writer.write(results)
    }
}
