//! Faults planted on purpose, to see that checks catch them and recovery works. The program never plants any.

/// A change to the shader's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Text that occurs exactly once in the source.
    pub find: &'static str,
    /// What stands there instead.
    pub replace: &'static str,
}

/// What goes wrong, and when. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planted {
    /// Changes to the kernel.
    pub shader: Vec<Patch>,
}

impl Planted {
    /// The source with every patch in it.
    ///
    /// # Errors
    /// A patch that does not fit, so that a test of the harness cannot pass by planting nothing.
    pub fn patch(&self, mut source: String) -> Result<String, String> {
        for Patch { find, replace } in &self.shader {
            match source.matches(find).count() {
                1 => source = source.replacen(find, replace, 1),
                n => return Err(format!("`{find}` occurs {n} times in the shader, not once")),
            }
        }
        Ok(source)
    }
}

#[cfg(test)]
mod tests {
    use super::{Patch, Planted};

    #[test]
    fn a_patch_fits_exactly_once() {
        let planted = Planted { shader: vec![Patch { find: "a < b", replace: "a > b" }] };
        assert_eq!(planted.patch("if a < b".to_owned()), Ok("if a > b".to_owned()));
        assert!(planted.patch("if b < a".to_owned()).is_err());
        assert!(planted.patch("a < b, a < b".to_owned()).is_err());
    }
}
