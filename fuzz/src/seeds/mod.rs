//! Small files to start from: those of the tests, and some made here with a column of every kind.

mod tables;
mod texts;

/// An input for a target.
pub struct Seed {
    /// Name of the target.
    pub target: &'static str,
    /// Name of the file.
    pub name: String,
    /// The input.
    pub data: Vec<u8>,
}

/// All seeds.
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |target, name: &str, data: Vec<u8>| seeds.push(Seed { target, name: name.to_owned(), data });
    tables::parquet(&mut add);
    tables::arrow(&mut add);
    texts::arrays(&mut add);
    texts::tensors(&mut add);
    texts::json_lines(&mut add);
    texts::configs(&mut add);
    texts::cases(&mut add);
    seeds
}

/// Takes target, name and content.
type Add<'a> = dyn FnMut(&'static str, &str, Vec<u8>) + 'a;

/// An input whose first byte chooses how the rest is read.
fn chosen(choice: u8, content: &[u8]) -> Vec<u8> {
    [&[choice], content].concat()
}
