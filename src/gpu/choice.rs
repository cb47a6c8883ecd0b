//! Which adapter to take: a pure function over the list.

use std::fmt;
use std::str::FromStr;

use super::adapter::{AdapterDescription, AdapterError, AdapterKind, Backend};

/// Numbers from here on can be part of a card's name.
const LEAST_MODEL_NUMBER: usize = 100;

/// What `--adapter` takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AdapterChoice {
    /// The best GPU; never an adapter that computes on the CPU.
    #[default]
    Auto,
    /// Every GPU; never an adapter that computes on the CPU.
    All,
    /// Place in the list.
    Index(usize),
    /// PCI id, as `0000:01:00.0` or `01:00.0`.
    Pci(String),
    /// Part of the name, in any case.
    Name(String),
}

impl FromStr for AdapterChoice {
    type Err = AdapterError;

    fn from_str(text: &str) -> Result<Self, AdapterError> {
        let text = text.trim();
        if text.is_empty() {
            Err(AdapterError::EmptyChoice)
        } else if text.eq_ignore_ascii_case("auto") {
            Ok(Self::Auto)
        } else if text.eq_ignore_ascii_case("all") {
            Ok(Self::All)
        } else if let Ok(index) = text.parse() {
            Ok(Self::Index(index))
        } else if pci_address(text).is_some() {
            Ok(Self::Pci(text.to_owned()))
        } else {
            Ok(Self::Name(text.to_owned()))
        }
    }
}

impl fmt::Display for AdapterChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::All => f.write_str("all"),
            Self::Index(index) => write!(f, "{index}"),
            Self::Pci(text) | Self::Name(text) => f.write_str(text),
        }
    }
}

/// Chooses adapters, for several engines. One GPU reached through several backends is taken once where all are asked for; an
/// adapter that is named twice is taken twice.
///
/// # Errors
/// As [`choose`].
pub fn choose_each(list: &[AdapterDescription], choices: &[AdapterChoice]) -> Result<Vec<usize>, AdapterError> {
    let mut chosen = Vec::new();
    for choice in choices {
        match choice {
            AdapterChoice::All => chosen.extend(all_gpus(list)?),
            one => chosen.push(choose(list, one)?),
        }
    }
    Ok(chosen)
}

fn all_gpus(list: &[AdapterDescription]) -> Result<Vec<usize>, AdapterError> {
    let mut gpus: Vec<usize> = (0..list.len()).filter(|&i| kind_rank(list[i].kind).is_some()).collect();
    gpus.sort_by_key(|&i| (backend_rank(&list[i]), i));
    let mut taken: Vec<usize> = Vec::new();
    for i in gpus {
        if taken.iter().all(|&j| !is_same_gpu(&list[i], &list[j])) {
            taken.push(i);
        }
    }
    taken.sort_unstable();
    if taken.is_empty() { Err(AdapterError::NoGpu) } else { Ok(taken) }
}

/// Chooses an adapter; the result is its place in the list.
///
/// `Auto` takes a discrete GPU before an integrated one, that before a virtual one, and the first of equals. One GPU
/// reached through several backends counts as one, and is taken through Metal, else Vulkan, else Direct3D 12.
pub fn choose(list: &[AdapterDescription], choice: &AdapterChoice) -> Result<usize, AdapterError> {
    match choice {
        AdapterChoice::Auto => {
            let gpus = list.iter().enumerate().filter_map(|(i, a)| Some((kind_rank(a.kind)?, backend_rank(a), i)));
            gpus.min().map(|(_, _, i)| i).ok_or(AdapterError::NoGpu)
        }
        AdapterChoice::All => match all_gpus(list)?.as_slice() {
            [one] => Ok(*one),
            several => Err(ambiguous(list, several, "asked for".to_owned())),
        },
        AdapterChoice::Index(index) if *index < list.len() => Ok(*index),
        // Model numbers look like indices: `--adapter 4090` means the card. A smaller number is an index past the end,
        // not whatever driver has that digit in its version.
        AdapterChoice::Index(index) if *index >= LEAST_MODEL_NUMBER => named(list, &index.to_string()),
        AdapterChoice::Index(index) => {
            Err(AdapterError::NoMatch { wanted: format!("number {index}"), present: names(list) })
        }
        AdapterChoice::Name(part) => named(list, part),
        AdapterChoice::Pci(text) => {
            let wanted = pci_address(text);
            only_gpu(list, text, |a| wanted.is_some() && pci_address(&a.pci_bus_id) == wanted)
        }
    }
}

fn named(list: &[AdapterDescription], part: &str) -> Result<usize, AdapterError> {
    let part_lower = part.to_lowercase();
    // A whole name wins over the longer names that contain it, as "RTX 4080" over "RTX 4080 SUPER".
    if list.iter().any(|a| a.name.to_lowercase() == part_lower) {
        return only_gpu(list, part, |a| a.name.to_lowercase() == part_lower);
    }
    only_gpu(list, part, |a| a.name.to_lowercase().contains(&part_lower))
}

/// The one GPU among the adapters that match, through the backend preferred.
fn only_gpu(
    list: &[AdapterDescription],
    wanted: &str,
    is_match: impl Fn(&AdapterDescription) -> bool,
) -> Result<usize, AdapterError> {
    let matches: Vec<usize> = (0..list.len()).filter(|&i| is_match(&list[i])).collect();
    let first_of_gpu = matches.iter().min_by_key(|&&i| (backend_rank(&list[i]), i));
    let Some(&best) = first_of_gpu else {
        return Err(AdapterError::NoMatch { wanted: format!("`{wanted}`"), present: names(list) });
    };
    let is_one =
        matches.iter().enumerate().all(|(n, &i)| matches[..n].iter().all(|&j| is_same_gpu(&list[i], &list[j])));
    if is_one {
        return Ok(best);
    }
    Err(ambiguous(list, &matches, format!("`{wanted}`")))
}

fn ambiguous(list: &[AdapterDescription], matches: &[usize], wanted: String) -> AdapterError {
    let matches = matches.iter().map(|&i| list[i].to_string()).collect::<Vec<_>>().join(", ");
    AdapterError::Ambiguous { wanted, matches }
}

/// True where two adapters are the same GPU through different drivers. Where a backend does not tell the PCI id, names
/// and numbers have to do; two equal cards of one backend are two GPUs.
fn is_same_gpu(a: &AdapterDescription, b: &AdapterDescription) -> bool {
    // wgpu looks up PCI ids by vendor and device on Direct3D 12, so two equal cards show the same one.
    let is_reliable = a.backend != b.backend || a.backend == Backend::Vulkan;
    match (pci_address(&a.pci_bus_id), pci_address(&b.pci_bus_id)) {
        (Some(a), Some(b)) if is_reliable => a == b,
        _ => {
            let has_numbers = a.vendor_id != 0 && a.device_id != 0;
            let has_same_numbers = has_numbers && (a.vendor_id, a.device_id) == (b.vendor_id, b.device_id);
            a.backend != b.backend && (has_same_numbers || a.name.eq_ignore_ascii_case(&b.name))
        }
    }
}

/// Order of `auto`; `None` where it does not look. An adapter of unknown kind may well be a CPU.
fn kind_rank(kind: AdapterKind) -> Option<u8> {
    match kind {
        AdapterKind::Discrete => Some(0),
        AdapterKind::Integrated => Some(1),
        AdapterKind::Virtual => Some(2),
        AdapterKind::Cpu | AdapterKind::Other => None,
    }
}

/// Metal exists on Apple's systems alone, where Vulkan is a layer over it; on Windows Vulkan reaches the driver with
/// fewer translations of the shader than Direct3D 12.
fn backend_rank(adapter: &AdapterDescription) -> u8 {
    match adapter.backend {
        Backend::Metal => 0,
        Backend::Vulkan => 1,
        Backend::Dx12 => 2,
    }
}

/// Adapters in words, for a message.
fn names(list: &[AdapterDescription]) -> String {
    if list.is_empty() {
        return "none".to_owned();
    }
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Reads `[domain:]bus:device.function`, all hexadecimal; tools write domains of four and of eight digits.
fn pci_address(text: &str) -> Option<(u32, u8, u8, u8)> {
    let hex = |part: &str, n_digits: usize| {
        let is_hex = !part.is_empty() && part.len() <= n_digits && part.bytes().all(|b| b.is_ascii_hexdigit());
        is_hex.then(|| u32::from_str_radix(part, 16).ok()).flatten()
    };
    let (rest, function) = text.rsplit_once('.')?;
    let (rest, device) = rest.rsplit_once(':')?;
    let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
    let byte = |part: &str, n_digits: usize| u8::try_from(hex(part, n_digits)?).ok();
    Some((hex(domain, 8)?, byte(bus, 2)?, byte(device, 2)?, byte(function, 1)?))
}

#[cfg(test)]
mod tests {
    use super::super::adapter::fixtures::adapter;
    use super::{AdapterChoice, AdapterDescription, AdapterError, choose, choose_each};
    use crate::gpu::AdapterKind::{Cpu, Discrete, Integrated, Other, Virtual};
    use crate::gpu::Backend::{Dx12, Metal, Vulkan};

    fn pick(list: &[AdapterDescription], text: &str) -> Result<usize, AdapterError> {
        choose(list, &text.parse()?)
    }

    /// A laptop on Windows, with two cards of one model added to it.
    fn machine() -> Vec<AdapterDescription> {
        vec![
            adapter(0, "Intel UHD Graphics", Integrated, Vulkan, "0000:00:02.0"),
            adapter(1, "llvmpipe (LLVM 15.0.6)", Cpu, Vulkan, ""),
            adapter(2, "GeForce RTX 4080", Discrete, Vulkan, "0000:0a:00.0"),
            adapter(3, "GeForce RTX 4080", Discrete, Vulkan, "0000:0b:00.0"),
            adapter(4, "Intel UHD Graphics", Integrated, Dx12, "0000:00:02.0"),
            adapter(5, "GeForce RTX 4090 SUPER", Discrete, Vulkan, "0000:0c:00.0"),
            adapter(6, "GeForce RTX 4090", Discrete, Dx12, "0000:0d:00.0"),
        ]
    }

    #[test]
    fn texts_become_choices() {
        let parse = |text: &str| text.parse::<AdapterChoice>();
        assert_eq!(parse("Auto"), Ok(AdapterChoice::Auto));
        assert_eq!(parse("3"), Ok(AdapterChoice::Index(3)));
        for pci in ["0000:01:00.0", "01:00.0", "00000000:C1:1f.7"] {
            assert_eq!(parse(pci), Ok(AdapterChoice::Pci(pci.to_owned())));
        }
        for name in ["Arc A770", "0000:01:00", "zz:00.0", "1:2:3:4.0", "::.", "+1:+0.+0"] {
            assert_eq!(parse(name), Ok(AdapterChoice::Name(name.to_owned())), "{name}");
        }
        assert_eq!(parse("  "), Err(AdapterError::EmptyChoice));
    }

    #[test]
    fn auto_prefers_discrete_then_integrated_then_virtual() {
        let mut list = machine();
        assert_eq!(pick(&list, "auto"), Ok(2));
        list.retain(|a| a.kind != Discrete);
        assert_eq!(pick(&list, "auto"), Ok(0));
        list.retain(|a| a.kind != Integrated);
        assert_eq!(pick(&list, "auto"), Err(AdapterError::NoGpu));
        list.push(adapter(1, "vGPU", Virtual, Vulkan, ""));
        list.push(adapter(2, "unknown", Other, Vulkan, ""));
        assert_eq!(pick(&list, "auto"), Ok(1));
    }

    #[test]
    fn auto_prefers_metal_then_vulkan() {
        let over = |backends: &[super::Backend]| {
            let list: Vec<_> = (0..).zip(backends).map(|(i, &b)| adapter(i, "GPU", Discrete, b, "")).collect();
            pick(&list, "auto").map(|i| list[i].backend)
        };
        assert_eq!(over(&[Dx12, Vulkan]), Ok(Vulkan));
        assert_eq!(over(&[Vulkan, Metal]), Ok(Metal));
        assert_eq!(over(&[Dx12]), Ok(Dx12));
    }

    #[test]
    fn all_are_every_gpu_once() {
        let each = |list: &[AdapterDescription], texts: &[&str]| {
            let choices = texts.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>()?;
            choose_each(list, &choices)
        };
        let list = machine();
        // Each through the backend preferred; one is there through Direct3D 12 alone.
        assert_eq!(each(&list, &["all"]), Ok(vec![0, 2, 3, 5, 6]));
        assert_eq!(each(&list, &["1", "uhd", "1"]), Ok(vec![1, 0, 1]));
        assert_eq!(each(&list[1..2], &["all"]), Err(AdapterError::NoGpu));
        let dx12 = [adapter(0, "X", Discrete, Dx12, "01:00.0"), adapter(1, "X", Discrete, Dx12, "01:00.0")];
        assert_eq!(each(&dx12, &["all"]), Ok(vec![0, 1]));
        // Where one is needed, several are too many.
        assert!(matches!(pick(&dx12, "all"), Err(AdapterError::Ambiguous { .. })));
        assert_eq!(pick(&dx12[..1], "all"), Ok(0));
    }

    #[test]
    fn a_cpu_adapter_is_taken_when_named() {
        let list = machine();
        assert_eq!(pick(&list, "1"), Ok(1));
        assert_eq!(pick(&list, "LLVMpipe"), Ok(1));
    }

    #[test]
    fn pci_ids_are_compared_as_numbers() {
        let list = machine();
        for text in ["0000:0b:00.0", "0B:00.0", "00000000:0b:00.0"] {
            assert_eq!(pick(&list, text), Ok(3), "{text}");
        }
        assert!(matches!(pick(&list, "0001:0b:00.0"), Err(AdapterError::NoMatch { .. })));
    }

    #[test]
    fn one_gpu_over_two_backends_is_not_ambiguous() {
        assert_eq!(pick(&machine(), "uhd"), Ok(0));
        assert_eq!(pick(&machine(), "00:02.0"), Ok(0));
        let without_pci = [adapter(0, "Arc", Discrete, Dx12, ""), adapter(1, "Arc", Discrete, Vulkan, "")];
        assert_eq!(pick(&without_pci, "arc"), Ok(1));
        let mut other_name =
            [adapter(0, "Arc A770", Discrete, Dx12, ""), adapter(1, "Arc (DG2)", Discrete, Vulkan, "")];
        assert!(matches!(pick(&other_name, "arc"), Err(AdapterError::Ambiguous { .. })));
        for same in &mut other_name {
            (same.vendor_id, same.device_id) = (0x8086, 0x56a0);
        }
        assert_eq!(pick(&other_name, "arc"), Ok(1));
    }

    #[test]
    fn two_equal_cards_are_ambiguous_and_listed() {
        let error = pick(&machine(), "4080").unwrap_err().to_string();
        assert!(error.contains("0000:0a:00.0") && error.contains("0000:0b:00.0"), "{error}");
        assert!(!error.contains("UHD"), "{error}");
        let dx12 = [adapter(0, "X", Discrete, Dx12, "01:00.0"), adapter(1, "X", Discrete, Dx12, "01:00.0")];
        assert!(matches!(pick(&dx12, "x"), Err(AdapterError::Ambiguous { .. })));
    }

    #[test]
    fn two_drivers_of_one_card_are_not_ambiguous() {
        let list =
            [adapter(0, "RX (radv)", Discrete, Vulkan, "03:00.0"), adapter(1, "RX", Discrete, Vulkan, "03:00.0")];
        assert_eq!(pick(&list, "03:00.0"), Ok(0));
        assert_eq!(pick(&list, "rx"), Ok(1), "a whole name comes first");
    }

    #[test]
    fn a_whole_name_wins_over_a_longer_one() {
        assert_eq!(pick(&machine(), "geforce rtx 4090"), Ok(6));
        assert!(matches!(pick(&machine(), "rtx 4090"), Err(AdapterError::Ambiguous { .. })));
    }

    #[test]
    fn a_model_number_is_a_name_where_it_is_no_index() {
        assert!(matches!(pick(&machine(), "4080"), Err(AdapterError::Ambiguous { .. })));
        assert_eq!(pick(&machine()[..3], "4080"), Ok(2));
    }

    #[test]
    fn no_match_lists_what_there_is() {
        let error = pick(&machine(), "Radeon").unwrap_err().to_string();
        assert!(error.contains("`Radeon`") && error.contains("llvmpipe"), "{error}");
        let error = pick(&[], "7").unwrap_err().to_string();
        assert_eq!(error, "no adapter is number 7; there is none");
        // Of "llvmpipe (LLVM 15.0.6, 256 bits)", say.
        let versioned = [adapter(0, "llvmpipe (15.0.6)", Cpu, Vulkan, "")];
        assert!(pick(&versioned, "1").is_err() && pick(&versioned, "15").is_err());
    }
}
