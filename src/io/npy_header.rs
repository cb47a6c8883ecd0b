//! The header of a `.npy` file: a Python dictionary of `descr`, `fortran_order` and `shape`.

use std::io::Read;

use half::f16;

use super::error::InputProblem;
use super::npy::MAGIC;

/// Longest header that is read. NumPy itself refuses 10,000 characters and more.
const MAX_HEADER_BYTES: u64 = 64 << 10;

/// What the header says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Header {
    pub(crate) number: NumberType,
    pub(crate) is_fortran: bool,
    pub(crate) shape: Vec<u64>,
}

impl Header {
    /// The shape as NumPy writes it.
    pub(crate) fn shape_text(&self) -> String {
        let sizes: Vec<String> = self.shape.iter().map(u64::to_string).collect();
        format!("({})", sizes.join(", "))
    }
}

/// A number type of NumPy: `<f4`, `>i8`, `|u1`, ...
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberType {
    kind: Kind,
    n_bytes: usize,
    is_big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Float,
    Signed,
    Unsigned,
}

impl std::fmt::Display for NumberType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.kind {
            Kind::Float => "float",
            Kind::Signed => "int",
            Kind::Unsigned => "uint",
        };
        write!(f, "{name}{}", self.n_bytes * 8)
    }
}

impl NumberType {
    fn parse(descr: &str) -> Result<Self, InputProblem> {
        let mut letters = descr.chars();
        let order = letters.next();
        let kind = letters.next();
        let n_bytes = letters.as_str().parse::<usize>().ok();
        if kind == Some('O') {
            let (what, found) = ("the array".to_owned(), "object (pickled values)".to_owned());
            return Err(InputProblem::WrongDtype { what, found, expected: "a matrix of float16, float32 or float64" });
        }
        match (order, kind, n_bytes) {
            (Some(o @ ('<' | '>' | '=' | '|')), Some(k), Some(n_bytes)) => {
                let kind = match (k, n_bytes) {
                    ('f', 2 | 4 | 8) => Kind::Float,
                    ('i', 1 | 2 | 4 | 8) => Kind::Signed,
                    ('u', 1 | 2 | 4 | 8) => Kind::Unsigned,
                    _ => return Err(Self::unusable(descr)),
                };
                Ok(Self { kind, n_bytes, is_big_endian: o == '>' })
            }
            _ => Err(Self::unusable(descr)),
        }
    }

    fn unusable(descr: &str) -> InputProblem {
        let found = format!("\"{}\"", descr.chars().take(40).collect::<String>());
        let expected = "float16, float32 or float64 (integers for candidates)";
        InputProblem::WrongDtype { what: "the array".to_owned(), found, expected }
    }

    /// True where numbers in the file are as numbers in memory.
    pub(crate) fn is_native(self) -> bool {
        self.is_big_endian == cfg!(target_endian = "big")
    }

    pub(crate) fn n_bytes(self) -> usize {
        self.n_bytes
    }

    /// Width of a float type, nothing for integers.
    pub(crate) fn float_bytes(self) -> Option<usize> {
        (self.kind == Kind::Float).then_some(self.n_bytes)
    }

    /// Words of `N` bytes, turned to little-endian.
    pub(crate) fn words<const N: usize>(self, bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
        bytes.as_chunks::<N>().0.iter().map(move |&word| {
            let mut word = word;
            if self.is_big_endian {
                word.reverse();
            }
            word
        })
    }

    /// All values as f64. Integers beyond 2^53 round.
    pub(crate) fn floats(self, bytes: &[u8]) -> Vec<f64> {
        match (self.kind, self.n_bytes) {
            (Kind::Float, 2) => self.words::<2>(bytes).map(|b| f16::from_le_bytes(b).to_f64()).collect(),
            (Kind::Float, 4) => self.words::<4>(bytes).map(|b| f64::from(f32::from_le_bytes(b))).collect(),
            (Kind::Float, _) => self.words::<8>(bytes).map(f64::from_le_bytes).collect(),
            _ => self.integers(bytes).into_iter().map(|x| x as f64).collect(),
        }
    }

    /// All values as i64, nothing for a float type. Values beyond i64 saturate.
    pub(crate) fn integers(self, bytes: &[u8]) -> Vec<i64> {
        match (self.kind, self.n_bytes) {
            (Kind::Signed, 1) => bytes.iter().map(|&b| i64::from(b as i8)).collect(),
            (Kind::Signed, 2) => self.words::<2>(bytes).map(|b| i64::from(i16::from_le_bytes(b))).collect(),
            (Kind::Signed, 4) => self.words::<4>(bytes).map(|b| i64::from(i32::from_le_bytes(b))).collect(),
            (Kind::Signed, _) => self.words::<8>(bytes).map(i64::from_le_bytes).collect(),
            (Kind::Unsigned, 1) => bytes.iter().map(|&b| i64::from(b)).collect(),
            (Kind::Unsigned, 2) => self.words::<2>(bytes).map(|b| i64::from(u16::from_le_bytes(b))).collect(),
            (Kind::Unsigned, 4) => self.words::<4>(bytes).map(|b| i64::from(u32::from_le_bytes(b))).collect(),
            (Kind::Unsigned, _) => {
                let saturated = |b| i64::try_from(u64::from_le_bytes(b)).unwrap_or(i64::MAX);
                self.words::<8>(bytes).map(saturated).collect()
            }
            (Kind::Float, _) => Vec::new(),
        }
    }
}

/// Reads the header and says where the data starts.
pub(crate) fn read(file: &mut impl Read, n_file_bytes: u64) -> Result<(Header, u64), InputProblem> {
    let mut start = [0; 8];
    file.read_exact(&mut start)?;
    if !start.starts_with(MAGIC) {
        return Err(bad("it does not start with \\x93NUMPY"));
    }
    let (n_header_bytes, n_start_bytes) = match start[6] {
        1 => {
            let mut size = [0; 2];
            file.read_exact(&mut size)?;
            (u64::from(u16::from_le_bytes(size)), 10)
        }
        2 | 3 => {
            let mut size = [0; 4];
            file.read_exact(&mut size)?;
            (u64::from(u32::from_le_bytes(size)), 12)
        }
        version => return Err(bad(&format!("version {version} is unknown"))),
    };
    if n_header_bytes > n_file_bytes.saturating_sub(n_start_bytes) {
        let detail = format!("its header of {n_header_bytes} bytes goes past the end");
        return Err(InputProblem::Truncated { detail });
    }
    if n_header_bytes > MAX_HEADER_BYTES {
        return Err(bad(&format!("{n_header_bytes} bytes of header")));
    }
    let mut text = vec![0; n_header_bytes as usize];
    file.read_exact(&mut text)?;
    let text = std::str::from_utf8(&text).map_err(|_| bad("it is not text"))?;
    Ok((parse(text)?, n_start_bytes + n_header_bytes))
}

fn bad(detail: &str) -> InputProblem {
    InputProblem::BadHeader { format: "NumPy .npy", detail: detail.to_owned() }
}

fn parse(text: &str) -> Result<Header, InputProblem> {
    let mut rest = Cursor(text);
    let (mut descr, mut is_fortran, mut shape) = (None, None, None);
    rest.take('{')?;
    while !rest.skip('}') {
        let key = rest.string()?;
        rest.take(':')?;
        match key {
            "descr" => descr = Some(rest.descr()?),
            "fortran_order" => is_fortran = Some(rest.boolean()?),
            "shape" => shape = Some(rest.shape()?),
            _ => return Err(bad("it has an unknown key")),
        }
        if !rest.skip(',') {
            rest.take('}')?;
            break;
        }
    }
    if !rest.0.trim().is_empty() {
        return Err(bad("there is text after the dictionary"));
    }
    match (descr, is_fortran, shape) {
        (Some(descr), Some(is_fortran), Some(shape)) => {
            Ok(Header { number: NumberType::parse(descr)?, is_fortran, shape })
        }
        _ => Err(bad("one of descr, fortran_order and shape is missing")),
    }
}

/// The part of the header not yet read.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn skip(&mut self, c: char) -> bool {
        self.0 = self.0.trim_start();
        match self.0.strip_prefix(c) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn take(&mut self, c: char) -> Result<(), InputProblem> {
        if self.skip(c) { Ok(()) } else { Err(bad(&format!("'{c}' expected"))) }
    }

    fn string(&mut self) -> Result<&'a str, InputProblem> {
        let quote = if self.skip('\'') {
            '\''
        } else if self.skip('"') {
            '"'
        } else {
            return Err(bad("a quoted name is expected"));
        };
        let (text, rest) = self.0.split_once(quote).ok_or_else(|| bad("a quote does not close"))?;
        self.0 = rest;
        Ok(text)
    }

    fn descr(&mut self) -> Result<&'a str, InputProblem> {
        if self.0.trim_start().starts_with('[') {
            return Err(NumberType::unusable("a structured type"));
        }
        self.string()
    }

    fn boolean(&mut self) -> Result<bool, InputProblem> {
        self.0 = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err(bad("fortran_order must be True or False"))
    }

    fn shape(&mut self) -> Result<Vec<u64>, InputProblem> {
        self.take('(')?;
        let mut sizes = Vec::new();
        while !self.skip(')') {
            self.0 = self.0.trim_start();
            let n_digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, rest) = self.0.split_at(n_digits);
            if digits.is_empty() {
                return Err(bad("a size in shape is not a whole number"));
            }
            sizes.push(digits.parse().map_err(|_| InputProblem::ShapeOverflow { shape: format!("({digits}, …)") })?);
            self.0 = rest.strip_prefix('L').unwrap_or(rest);
            if !self.skip(',') {
                self.take(')')?;
                break;
            }
        }
        Ok(sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_as_numpy_writes_them_parse() {
        let header = parse("{'descr': '<u4', 'fortran_order': False, 'shape': (800, 500), }      \n").unwrap();
        assert_eq!(
            (header.number.to_string(), header.is_fortran, header.shape),
            ("uint32".into(), false, vec![800, 500])
        );
        let header = parse("{\"shape\": (3L,), 'fortran_order': True, 'descr': '>f8'}").unwrap();
        assert_eq!((header.number.is_big_endian, header.is_fortran, header.shape), (true, true, vec![3]));
    }

    #[test]
    fn broken_headers_are_errors() {
        let whole = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
        for end in 0..whole.len() {
            assert!(parse(&whole[..end]).is_err(), "{}", &whole[..end]);
        }
        for text in ["{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", "{}", "{'shape': (-1,)}"] {
            assert!(parse(text).is_err(), "{text}");
        }
        for descr in ["<f3", "<f16", "<c8", "|S9", "", "<", "<f", "é"] {
            assert!(NumberType::parse(descr).is_err(), "{descr}");
        }
    }

    #[test]
    fn a_header_length_beyond_the_file_or_the_limit_allocates_nothing() {
        let mut content = MAGIC.to_vec();
        content.extend([2, 0, 255, 255, 255, 255]);
        assert!(matches!(read(&mut content.as_slice(), 12), Err(InputProblem::Truncated { .. })));
        assert!(matches!(read(&mut content.as_slice(), u64::MAX), Err(InputProblem::BadHeader { .. })));
    }

    #[test]
    fn integers_of_every_width_keep_their_sign() {
        let number = |d: &str| NumberType::parse(d).unwrap();
        assert_eq!(number("|i1").integers(&[255]), [-1]);
        assert_eq!(number("|u1").integers(&[255]), [255]);
        assert_eq!(number(">i2").integers(&[255, 254]), [-2]);
        assert_eq!(number("<u2").integers(&[1, 2]), [513]);
        assert_eq!(number("<u8").integers(&[255; 8]), [i64::MAX]);
        assert_eq!(number("<f2").floats(&f16::from_f32(0.5).to_le_bytes()), [0.5]);
    }
}
