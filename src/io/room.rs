//! Room for what a file holds.

use super::error::InputProblem;

/// An empty list with room for `n_values`: what the system does not have is an error, not the end of the program.
pub(super) fn room_for<T>(n_values: usize) -> Result<Vec<T>, InputProblem> {
    let mut values = Vec::new();
    let no_room = |_| InputProblem::NoRoom { n_bytes: (n_values as u64).saturating_mul(size_of::<T>() as u64) };
    values.try_reserve_exact(n_values).map_err(no_room)?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_does_not_have_is_an_error() {
        assert!(room_for::<f32>(1000).unwrap().capacity() >= 1000);
        let error = room_for::<f32>(1 << 60).unwrap_err().to_string();
        assert!(error.starts_with("takes 4294967296.0 GiB of memory, more than there is: "), "{error}");
    }
}
