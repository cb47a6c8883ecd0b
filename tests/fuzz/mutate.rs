//! Inputs changed here and there, as fuzzers do: the same ones every time.

/// Bytes that are often a border of something.
const EDGES: [u8; 8] = [0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF, b'"', b'\n'];
/// Most changes of one input.
const MAX_CHANGES: usize = 4;

/// Makes inputs of inputs.
pub struct Mutator {
    state: u64,
    words: Vec<Vec<u8>>,
}

impl Mutator {
    /// Takes libFuzzer's form of a dictionary: a word in quotes per line.
    pub fn new(dictionary: &str) -> Self {
        let words: Vec<_> = dictionary.lines().filter_map(word).collect();
        assert!(!words.is_empty(), "no words in the dictionary");
        Self { state: 1, words }
    }

    fn below(&mut self, n: usize) -> usize {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.state >> 33) as usize) % n.max(1)
    }

    fn word(&mut self) -> Vec<u8> {
        let at = self.below(self.words.len());
        self.words[at].clone()
    }

    /// One of the inputs, changed in one to four places.
    pub fn changed(&mut self, inputs: &[&[u8]]) -> Vec<u8> {
        let mut data = inputs[self.below(inputs.len())].to_vec();
        for _ in 0..=self.below(MAX_CHANGES) {
            let at = self.below(data.len());
            let end = (at + 1 + self.below(16)).min(data.len());
            match self.below(6) {
                0 if !data.is_empty() => data[at] ^= 1 << self.below(8),
                1 if !data.is_empty() => data[at] = EDGES[self.below(EDGES.len())],
                2 => drop(data.drain(at..end)),
                3 => {
                    let word = self.word();
                    data.splice(at..at, word);
                }
                4 => {
                    let word = self.word();
                    let end = (at + word.len()).min(data.len());
                    data.splice(at..end, word);
                }
                _ => {
                    let other = inputs[self.below(inputs.len())];
                    let from = self.below(other.len());
                    data.truncate(at);
                    data.extend_from_slice(&other[from..]);
                }
            }
        }
        data
    }
}

/// The bytes of `"..."` with `\\`, `\"` and `\xNN`.
fn word(line: &str) -> Option<Vec<u8>> {
    let text = line.trim().strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next()? {
                b'x' => {
                    let digits = [rest.next()?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                other => other,
            },
            byte => byte,
        });
    }
    Some(bytes)
}

#[test]
fn words_are_read_and_inputs_differ() {
    assert_eq!(word("\"a\\x00\\\\\\\"b\"").unwrap(), b"a\0\\\"b");
    assert_eq!(word("# a comment"), None);
    let mut mutator = Mutator::new("\"word\"");
    let made: std::collections::HashSet<Vec<u8>> = (0..100).map(|_| mutator.changed(&[b"some input", b""])).collect();
    assert!(made.len() > 50, "{}", made.len());
}
