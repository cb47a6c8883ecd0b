//! NumPy arrays: a catalog, or slates as a pair of them.

use spectrank::io::SlateFields;

use super::choice;
use super::files::{file, read_as_catalog, read_as_slates};

const MAGIC: &[u8] = b"\x93NUMPY";

pub fn run(data: &[u8]) {
    let (role, content) = choice(data, 2);
    if role == 0 {
        read_as_catalog(&file("x.npy", content));
        return;
    }
    // The second array starts at its mark, so that changes of the first leave it where it is.
    let second = content.windows(MAGIC.len()).rposition(|bytes| bytes == MAGIC).unwrap_or(0);
    let (first, second) = content.split_at(second);
    read_as_slates(&[file("a.npy", first), file("b.npy", second)], &SlateFields::All);
}
