//! Faults planted on purpose, to see that checks catch them and recovery works. The program never plants any.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A change to the shader's source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Patch {
    /// Text that occurs exactly once in the source.
    pub find: &'static str,
    /// What stands there instead.
    pub replace: &'static str,
}

/// What goes wrong, and when. The default is nothing.
#[derive(Debug, Clone, Default)]
pub struct Planted {
    /// Changes to the kernel. The known-answer test runs with them too.
    pub shader: Vec<Patch>,
    /// Failures of the device while slates are computed. The known-answer test runs without.
    pub device: DeviceFaults,
    /// The device says that it is quick in double precision, if it has that at all.
    pub quick_doubles: bool,
}

/// A failure of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantedFault {
    /// An allocation finds no memory.
    OutOfMemory,
    /// The device is gone before a dispatch is submitted. It really is: it gets destroyed.
    Lost,
    /// A dispatch ends before it has done anything, and says it is finished.
    Truncated,
    /// A dispatch signs with another's nonce.
    StaleNonce,
    /// A result does not arrive in time.
    Timeout,
}

/// Where an engine asks whether a fault is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    Allocation,
    Submit,
    Readback,
}

impl PlantedFault {
    fn site(self) -> Site {
        match self {
            Self::OutOfMemory => Site::Allocation,
            Self::Lost | Self::Truncated | Self::StaleNonce => Site::Submit,
            Self::Timeout => Site::Readback,
        }
    }
}

/// A schedule of failures. Clones share their counts, so that the schedule goes on where a device is replaced.
#[derive(Debug, Clone, Default)]
pub struct DeviceFaults(Option<Arc<Schedule>>);

#[derive(Debug)]
struct Schedule {
    faults: Vec<(PlantedFault, RangeInclusive<usize>)>,
    counts: [AtomicUsize; 3],
    n_struck: AtomicUsize,
}

impl DeviceFaults {
    /// Each fault strikes at these allocations, submits or readbacks of an engine, counted from 1.
    pub fn new(faults: impl IntoIterator<Item = (PlantedFault, RangeInclusive<usize>)>) -> Self {
        let faults = faults.into_iter().collect();
        Self(Some(Arc::new(Schedule { faults, counts: Default::default(), n_struck: AtomicUsize::new(0) })))
    }

    /// Faults that have struck so far, so that a test cannot pass because its fault never came.
    pub fn n_struck(&self) -> usize {
        self.0.as_ref().map_or(0, |schedule| schedule.n_struck.load(Ordering::Relaxed))
    }

    /// Counts one more visit of a site; the fault that is due there, if any.
    pub(super) fn due(&self, site: Site) -> Option<PlantedFault> {
        let schedule = self.0.as_ref()?;
        let visit = schedule.counts[site as usize].fetch_add(1, Ordering::Relaxed) + 1;
        let due = schedule.faults.iter().find(|(fault, when)| fault.site() == site && when.contains(&visit));
        schedule.n_struck.fetch_add(usize::from(due.is_some()), Ordering::Relaxed);
        due.map(|&(fault, _)| fault)
    }
}

impl Planted {
    /// Nothing but a change to the kernel.
    pub fn in_shader(find: &'static str, replace: &'static str) -> Self {
        Self { shader: vec![Patch { find, replace }], ..Self::default() }
    }

    /// The source with every patch in it.
    ///
    /// # Errors
    /// A patch that does not fit, so that a test of the harness cannot pass by planting nothing.
    pub fn patch(&self, source: String) -> Result<String, String> {
        patch(&self.shader, source)
    }
}

pub(super) fn patch(patches: &[Patch], mut source: String) -> Result<String, String> {
    for Patch { find, replace } in patches {
        match source.matches(find).count() {
            1 => source = source.replacen(find, replace, 1),
            n => return Err(format!("`{find}` occurs {n} times in the shader, not once")),
        }
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::{DeviceFaults, Planted, PlantedFault, Site};

    #[test]
    fn a_patch_fits_exactly_once() {
        let planted = Planted::in_shader("a < b", "a > b");
        assert_eq!(planted.patch("if a < b".to_owned()), Ok("if a > b".to_owned()));
        assert!(planted.patch("if b < a".to_owned()).is_err());
        assert!(planted.patch("a < b, a < b".to_owned()).is_err());
    }

    #[test]
    fn a_fault_strikes_at_its_site_when_it_is_due() {
        let faults = DeviceFaults::new([(PlantedFault::Lost, 2..=3), (PlantedFault::Timeout, 1..=1)]);
        let same = faults.clone();
        assert_eq!(faults.due(Site::Submit), None);
        assert_eq!(same.due(Site::Submit), Some(PlantedFault::Lost));
        assert_eq!(faults.due(Site::Readback), Some(PlantedFault::Timeout));
        assert_eq!(faults.due(Site::Submit), Some(PlantedFault::Lost));
        assert_eq!((faults.due(Site::Submit), faults.due(Site::Allocation)), (None, None));
        assert_eq!((faults.n_struck(), same.n_struck()), (3, 3));
        assert_eq!((DeviceFaults::default().due(Site::Submit), DeviceFaults::default().n_struck()), (None, 0));
    }
}
