//! Adapters as a table for people.

use std::fmt::Write;

use super::adapter::AdapterDescription;
use super::diagnosis::{Environment, diagnose};

const HEAD: [&str; 11] =
    ["  #", "adapter", "kind", "via", "driver", "buffer", "binding", "workgroup", "f16", "subgroup", "pci"];

/// Draws the table of `devices`. `chosen` is the adapter that `auto` takes; without one, the last line says why.
pub fn devices_table(list: &[AdapterDescription], chosen: Option<usize>) -> String {
    let why_none = chosen.is_none().then(|| diagnose(list, &Environment::probe()).to_string());
    render(list, chosen, why_none.as_deref().unwrap_or_default())
}

fn render(list: &[AdapterDescription], chosen: Option<usize>, why_none: &str) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(list.iter().enumerate().map(|(i, adapter)| cells(adapter, chosen == Some(i))));
    let mut text = String::new();
    if !list.is_empty() {
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; HEAD.len()] = std::array::from_fn(width);
        for row in &rows {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        text.push('\n');
    }
    // Writing to a String does not fail.
    let _ = match chosen.and_then(|i| list.get(i)) {
        Some(adapter) => writeln!(text, "* auto: {} over {}", adapter.name, adapter.backend),
        None => writeln!(text, "auto: the CPU engine (no GPU found: {why_none})"),
    };
    text
}

fn cells(adapter: &AdapterDescription, is_chosen: bool) -> [String; HEAD.len()] {
    let mark = if is_chosen { "*" } else { " " };
    [
        format!("{mark} {}", adapter.index),
        adapter.name.clone(),
        adapter.kind.to_string(),
        adapter.backend.to_string(),
        format!("{} {}", adapter.driver, adapter.driver_info).trim().to_owned(),
        size(adapter.max_buffer_bytes),
        size(adapter.max_binding_bytes),
        format!("{} × {}", size(adapter.max_workgroup_memory_bytes.into()), adapter.max_workgroup_invocations),
        if adapter.has_f16 { "yes" } else { "no" }.to_owned(),
        match adapter.subgroup {
            None => "no".to_owned(),
            Some((min, max)) if min == max => min.to_string(),
            Some((min, max)) => format!("{min}–{max}"),
        },
        if adapter.pci_bus_id.is_empty() { "–".to_owned() } else { adapter.pci_bus_id.clone() },
    ]
}

/// A size in the unit that keeps it short. Limits are often one byte short of a power of two, hence the rounding.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("EiB", 60), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    // Some drivers state "no limit" as the largest number there is.
    if bytes >= 1 << 60 {
        return "no limit".to_owned();
    }
    for (unit, shift) in UNITS {
        let value = bytes as f64 / (1_u64 << shift) as f64;
        if value > 0.9999 {
            let text = format!("{value:.1}");
            return format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text));
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::super::adapter::fixtures::adapter;
    use super::{render, size};
    use crate::gpu::{AdapterKind, Backend};

    #[test]
    fn sizes_are_short() {
        let cases = [
            (0, "0 B"),
            (16 << 10, "16 KiB"),
            (128 << 20, "128 MiB"),
            ((2 << 30) - 1, "2 GiB"),
            (2 << 30, "2 GiB"),
            (5 << 29, "2.5 GiB"),
            (1 << 40, "1024 GiB"),
            (u64::MAX, "no limit"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn the_choice_of_auto_is_marked() {
        let list = [
            adapter(0, "llvmpipe", AdapterKind::Cpu, Backend::Vulkan, ""),
            adapter(1, "Arc A770", AdapterKind::Discrete, Backend::Vulkan, "0000:03:00.0"),
        ];
        let expected = "
  #  adapter   kind      via     driver      buffer  binding  workgroup      f16  subgroup  pci
  0  llvmpipe  cpu       vulkan  driver 1.0  4 GiB   2 GiB    48 KiB × 1024  yes  32        –
* 1  Arc A770  discrete  vulkan  driver 1.0  4 GiB   2 GiB    48 KiB × 1024  yes  32        0000:03:00.0

* auto: Arc A770 over vulkan
";
        assert_eq!(render(&list, Some(1), ""), expected[1..]);
    }

    #[test]
    fn without_a_gpu_the_reason_is_said() {
        assert_eq!(render(&[], None, "no loader"), "auto: the CPU engine (no GPU found: no loader)\n");
    }
}
