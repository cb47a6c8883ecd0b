//! Numbers on the command line. A number that is none of a flag is answered with those that are.

use std::str::FromStr;

/// A whole number in a range.
pub fn whole<T: TryFrom<u64>>(
    lowest: u64,
    highest: u64,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| (lowest..=highest).contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| whole_numbers(lowest, highest))
    }
}

/// A whole number of the configuration: its range is checked with the rest, after the file that it goes over is read.
pub fn whole_setting(
    lowest: usize,
    highest: usize,
) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    move |text| text.parse().map_err(|_| whole_numbers(lowest, highest))
}

/// A number of the configuration, likewise.
pub fn setting(lowest: f64, highest: f64) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    move |text| f64::from_str(text).map_err(|_| format!("a number from {lowest} to {highest}"))
}

fn whole_numbers(lowest: impl std::fmt::Display, highest: impl std::fmt::Display) -> String {
    format!("a whole number from {lowest} to {highest}")
}
