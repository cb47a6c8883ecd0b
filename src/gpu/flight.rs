//! Batches on their way: while the device works on one, the host prepares the next and reads the one before.
//!
//! ```text
//! device   │ A 1 │ B 1 │ A 2 │ B 2 │ C 1 │ …        a dispatch each, in the order of their submits
//! host     open A, open B; then again and again: wait for the oldest dispatch, submit the next one of its batch;
//!          where the batch is done: open the next batch in its buffers, then read its results
//! ```
//!
//! Results leave in the order of the slates. What is not handed over when something fails is done again, or not at all.
//!
//! One queue does it all, and wgpu makes each submit wait for the one before. So copies to and from the device take their turn
//! between dispatches; what runs beside them is the host's share, which is most of it: packing slates into staging memory,
//! checking, and building results.

use std::collections::VecDeque;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::batch::{self, OpenBatch};
use super::batch_rows::{BatchRows, DeviceSlate};
use super::buffers::{BatchBuffers, BatchData};
use super::device::PollFailure;
use super::engine::{COMPILATION_PATIENCE, GpuEngine};
use super::error::GpuError;
use super::layout::{Dispatch, PLACEMENT_WORDS, SlateHeader};
use super::pace::Measured;
use super::plan::Residence;
use super::planted::{PlantedFault, Site};
use crate::prepare::PreparedSlate;
use crate::slate::RankedSlate;

/// Written over the output before a batch starts: "never written" must differ from "wrote 0".
const POISON: u32 = 0xdead_beef;

/// The slates of one call, from the first on that is not done.
pub(super) struct Flight<'s> {
    slates: &'s [PreparedSlate],
    /// Slates whose results were handed over.
    n_done: usize,
    /// Until here slates are done again: one batch at a time, so that it is clear over what a device is lost.
    replayed_until: usize,
    /// In the order of their slates.
    batches: VecDeque<Batch>,
    /// The first slate that is in no batch.
    next: usize,
    /// A batch could not be opened beside others: it is tried again when they are done.
    is_held: bool,
    /// Slates of the largest batch so far.
    largest: usize,
}

struct Batch {
    first: usize,
    n_slates: usize,
    state: BatchState,
}

enum BatchState {
    /// A dispatch is on its way.
    Running(Box<Running>),
    /// The device is done with it.
    Read { headers: Vec<SlateHeader>, output: Vec<u32> },
    /// Its results wait for those of earlier slates.
    Ranked(Vec<RankedSlate>),
}

struct Running {
    open: OpenBatch,
    dispatched: Dispatched,
    is_first: bool,
    n_steps_left: usize,
}

/// A dispatch that was submitted.
pub(super) struct Dispatched {
    copy: Copy,
    /// False where the driver may still have to compile.
    is_warm: bool,
}

/// A copy to the host that was submitted.
pub(super) struct Copy {
    submission: wgpu::SubmissionIndex,
    mapped: mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
    n_bytes: u64,
    submitted: Instant,
}

/// What was being tried when something failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried {
    /// Slates of the largest batch.
    pub(super) n_slates: usize,
    /// Where the slates end that were in any batch.
    pub(super) until: usize,
    /// True where several batches shared the device.
    pub(super) is_shared: bool,
}

impl<'s> Flight<'s> {
    pub(super) fn new(slates: &'s [PreparedSlate], n_done: usize, replayed_until: usize) -> Self {
        Self { slates, n_done, replayed_until, batches: VecDeque::new(), next: n_done, is_held: false, largest: 0 }
    }

    pub(super) fn tried(&self) -> Tried {
        let until = self.next.max(self.n_done + self.largest).min(self.slates.len());
        Tried { n_slates: self.largest, until, is_shared: self.n_running() > 1 }
    }

    fn n_running(&self) -> usize {
        self.batches.iter().filter(|batch| matches!(batch.state, BatchState::Running(_))).count()
    }

    /// Slates that may be in the next batch.
    fn left(&self) -> &'s [PreparedSlate] {
        let end = if self.n_done < self.replayed_until { self.replayed_until } else { self.slates.len() };
        &self.slates[self.next..end.max(self.next)]
    }

    /// True where one more batch may be opened beside those that are on their way. Results that wait for those of earlier
    /// slates must not pile up.
    fn has_room(&self, most: usize) -> bool {
        let most = if self.n_done < self.replayed_until { 1 } else { most };
        !self.is_held && self.n_running() < most && self.batches.len() < 2 * most && !self.left().is_empty()
    }

    /// The batch whose dispatch was submitted first.
    fn oldest(&mut self) -> Option<&mut Batch> {
        let submitted = |batch: &Batch| match &batch.state {
            BatchState::Running(running) => Some(running.dispatched.copy.submitted),
            _ => None,
        };
        let running = self.batches.iter_mut().filter(|batch| submitted(batch).is_some());
        running.min_by_key(|batch| submitted(batch))
    }

    /// Appends what is ranked, as far as everything before it is.
    fn hand_over(&mut self, ranked: &mut Vec<RankedSlate>) {
        while matches!(self.batches.front(), Some(Batch { state: BatchState::Ranked(_), .. })) {
            let Some(Batch { state: BatchState::Ranked(results), .. }) = self.batches.pop_front() else { return };
            self.n_done += results.len();
            ranked.extend(results);
        }
    }
}

impl GpuEngine<'_> {
    /// Composes the slates of a flight and appends them to `ranked`.
    pub(super) fn fly(&mut self, flight: &mut Flight, ranked: &mut Vec<RankedSlate>) -> Result<(), GpuError> {
        loop {
            // The device first, then what the host has to do.
            while flight.has_room(self.most_in_flight) {
                self.open_next(flight)?;
            }
            for batch in &mut flight.batches {
                if let BatchState::Read { headers, output } = &batch.state {
                    let slates = &flight.slates[batch.first..batch.first + batch.n_slates];
                    let ranked = batch::all_ranked(&self.plan, slates, headers, output, batch.first)?;
                    batch.state = BatchState::Ranked(ranked);
                }
            }
            flight.hand_over(ranked);
            let is_shared = flight.n_running() > 1;
            if let Some(batch) = flight.oldest() {
                self.take_result(batch, is_shared)?;
            } else if flight.n_done == flight.slates.len() {
                return Ok(());
            } else {
                flight.is_held = false;
            }
        }
    }

    /// Opens the next batch and submits its first dispatch. Where that fails beside other batches, these are done first.
    fn open_next(&mut self, flight: &mut Flight) -> Result<(), GpuError> {
        let (slates, first) = (flight.left(), flight.next);
        let n_slates = self.batch_len(slates, first);
        let opened = n_slates.and_then(|n_slates| {
            flight.largest = flight.largest.max(n_slates);
            self.open_batch(&slates[..n_slates]).map(|open| (n_slates, open))
        });
        let (n_slates, mut open) = match opened {
            Ok(opened) => opened,
            Err(error) if flight.batches.is_empty() => return Err(error),
            Err(error) => {
                if matches!(error, GpuError::OutOfMemory { .. }) {
                    self.make_smaller(Tried { is_shared: true, ..flight.tried() });
                }
                flight.is_held = true;
                return Ok(());
            }
        };
        let n_steps_left = self.plan.max_steps(&slates[..n_slates]);
        self.n_overlapped += u32::from(flight.n_running() > 0);
        let dispatched = self.dispatch(&mut open, self.pace.budget());
        let running = Box::new(Running { open, dispatched, is_first: true, n_steps_left });
        flight.batches.push_back(Batch { first, n_slates, state: BatchState::Running(running) });
        flight.next = first + n_slates;
        Ok(())
    }

    /// Waits for a batch's dispatch, and submits the next one where slates are left.
    fn take_result(&mut self, batch: &mut Batch, is_shared: bool) -> Result<(), GpuError> {
        let Batch { first, n_slates, state } = batch;
        let BatchState::Running(running) = state else { return Ok(()) };
        let nonce = running.open.dispatch.nonce;
        let ((n_left, output), took) = self.wait(&running.open, &running.dispatched, |words| {
            let n_left = batch::n_left(words, *n_slates, nonce, *first)?;
            // Placements are worth a copy once all are there.
            Ok((n_left, if n_left == 0 { words.to_vec() } else { Vec::new() }))
        })?;
        if let Some(took) = took {
            self.pace.record(Measured { n_slates: *n_slates, is_first: running.is_first, n_left, took });
        }
        if n_left > 0 {
            running.n_steps_left = running.n_steps_left.saturating_sub(1);
            if running.n_steps_left == 0 {
                return Err(GpuError::BadOutput { slate: *first, what: "it never ends".to_owned() });
            }
            running.is_first = false;
            self.n_overlapped += u32::from(is_shared);
            running.dispatched = self.dispatch(&mut running.open, self.pace.budget());
            return Ok(());
        }
        let headers = std::mem::take(&mut running.open.headers);
        let BatchState::Running(running) = std::mem::replace(state, BatchState::Read { headers, output }) else {
            return Ok(());
        };
        self.spare.push(running.open.buffers);
        Ok(())
    }

    /// Uploads a batch, its output poisoned; nothing runs yet.
    pub(super) fn open_batch(&mut self, slates: &[PreparedSlate]) -> Result<OpenBatch, GpuError> {
        let rows = match self.plan.residence {
            Residence::Device => None,
            Residence::Host => Some(BatchRows::of(slates)),
        };
        let on_device: Vec<DeviceSlate> = slates.iter().map(|slate| DeviceSlate::new(slate, rows.as_ref())).collect();
        let headers = batch::headers(&self.plan, &on_device);
        let words = batch::words(&on_device, &headers);
        drop(on_device);
        let (mut state_words, mut output_words) = (0, 0);
        if let (Some(header), Some(slate)) = (headers.last(), slates.last()) {
            state_words = header.state_at as usize + self.plan.state_words(slate);
            output_words = header.output_at as usize + header.n_positions as usize * PLACEMENT_WORDS;
        }
        let data = BatchData { words, state_words, output_words, rows: rows.map(Into::into) };
        let buffers = self.buffers_for(&data)?;
        self.device.upload(&buffers.output, 0, bytemuck::cast_slice(&vec![POISON; output_words]))?;
        let dispatch = Dispatch {
            n_slates: slates.len() as u32,
            is_first: 1,
            row_length: (slates.len() as u32).min(self.limits.groups_per_dimension),
            ..Dispatch::default()
        };
        Ok(OpenBatch { headers, buffers, dispatch, output_words })
    }

    /// Buffers for a batch. Where memory is short those that no batch is in are given back first.
    fn buffers_for(&mut self, data: &BatchData) -> Result<BatchBuffers, GpuError> {
        let has_spare = !self.spare.is_empty();
        let spare = self.spare.pop();
        match self.pipeline.batch_buffers(&self.device, self.problem, &self.plan, data, spare) {
            Err(GpuError::OutOfMemory { .. }) if has_spare && !self.device.is_lost() => {
                self.spare.clear();
                // What is dropped is freed at the next poll.
                let _ = self.device.poll(wgpu::PollType::Poll);
                self.pipeline.batch_buffers(&self.device, self.problem, &self.plan, data, None)
            }
            made => made,
        }
    }

    /// Submits one dispatch over the batch.
    pub(super) fn dispatch(&mut self, open: &mut OpenBatch, budget: usize) -> Dispatched {
        if open.dispatch.nonce != 0 {
            open.dispatch.is_first = 0;
        }
        open.dispatch.budget = budget as u32;
        open.dispatch.nonce = self.next_nonce;
        self.next_nonce = self.next_nonce.wrapping_add(1).max(1);
        let is_warm = self.pipeline.kernel().warm_up();
        let n_bytes = 4 * open.output_words as u64;
        let submission = self.pipeline.submit(&self.device, &open.buffers, &open.dispatch, n_bytes);
        Dispatched { copy: Copy::new(&open.buffers.readback, n_bytes, submission), is_warm }
    }

    /// Waits for a dispatch and looks at its output; also says how long it took, but where the driver may have compiled
    /// meanwhile.
    pub(super) fn wait<T>(
        &mut self,
        open: &OpenBatch,
        dispatched: &Dispatched,
        look: impl FnOnce(&[u32]) -> Result<T, GpuError>,
    ) -> Result<(T, Option<Duration>), GpuError> {
        let Dispatched { copy, is_warm } = dispatched;
        let timeout = self.options.timeout * if *is_warm { 1 } else { COMPILATION_PATIENCE };
        let waited_from = Instant::now();
        let mut finished = waited_from;
        let seen = self.read_back(&open.buffers.readback, copy, timeout, |words| {
            finished = Instant::now();
            look(words)
        })?;
        let took = self.stopwatch.took(copy.submitted, waited_from, finished);
        Ok((seen, is_warm.then_some(took)))
    }

    /// Waits for a copy to the host and looks at it.
    pub(super) fn read_back<T>(
        &self,
        readback: &wgpu::Buffer,
        copy: &Copy,
        timeout: Duration,
        look: impl FnOnce(&[u32]) -> Result<T, GpuError>,
    ) -> Result<T, GpuError> {
        // For this submit alone: the next one may be on its way.
        let wait = wgpu::PollType::Wait { submission_index: Some(copy.submission.clone()), timeout: Some(timeout) };
        let polled = match self.options.planted.device.due(Site::Readback) {
            Some(PlantedFault::Timeout) => Err(PollFailure::Timeout),
            _ => self.device.poll(wait),
        };
        self.check_device()?;
        // Where threads share the device, the poll of another may have taken this callback and not have run it yet.
        let patience = if polled.is_ok() { timeout } else { Duration::ZERO };
        match (polled, copy.mapped.recv_timeout(patience)) {
            (Ok(_), Ok(Ok(()))) => {}
            (Err(PollFailure::Timeout), _) => {
                self.device.give_up();
                return Err(GpuError::Timeout { seconds: timeout.as_secs() });
            }
            (polled, received) => return Err(GpuError::Driver(format!("readback failed ({polled:?}, {received:?})"))),
        }
        let view = readback.get_mapped_range(..copy.n_bytes).map_err(|e| GpuError::Driver(e.to_string()))?;
        let words = bytemuck::try_cast_slice(&view).map_err(|e| GpuError::Driver(format!("readback: {e}")))?;
        let seen = look(words);
        drop(view);
        readback.unmap();
        seen
    }

    fn check_device(&self) -> Result<(), GpuError> {
        if let Some(reason) = self.device.lost_reason() {
            return Err(GpuError::Lost { reason: reason.to_owned() });
        }
        self.device.take_error().map_or(Ok(()), |fault| Err(fault.into()))
    }
}

impl Copy {
    /// Asks for the first bytes of a buffer once a submit that writes them is done.
    pub(super) fn new(readback: &wgpu::Buffer, n_bytes: u64, submission: wgpu::SubmissionIndex) -> Self {
        let (sender, mapped) = mpsc::channel();
        readback.map_async(wgpu::MapMode::Read, ..n_bytes, move |result| {
            // The receiver is gone only where the wait for it has already failed.
            let _ = sender.send(result);
        });
        Self { submission, mapped, n_bytes, submitted: Instant::now() }
    }
}
