//! safetensors, and the files of PyTorch that are mistaken for them.

use crate::catalogs_are_refused;

fn tensors(header: &str, n_bytes: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; n_bytes]].concat()
}

fn tensor(dtype: &str, shape: &str, offsets: &str, n_bytes: usize) -> Vec<u8> {
    let header = format!("{{\"x\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{offsets}}}}}");
    tensors(&header, n_bytes)
}

#[test]
fn catalogs() {
    let two = "{\"x\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]},\
        \"x\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[4,8]}}";
    let overlap = "{\"x\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},\
        \"y\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[4,8]}}";
    catalogs_are_refused(vec![
        ("empty.safetensors", vec![], "is truncated (the file ends too early): copy or export it again"),
        ("length.safetensors", vec![1, 2, 3], "is truncated (the file ends too early): copy or export it again"),
        (
            "no_header.safetensors",
            tensors("", 0),
            "has a bad safetensors header (EOF while parsing a value at line 1 column 0): export it again",
        ),
        (
            "huge_header.safetensors",
            [0xFF; 16].to_vec(),
            "has a bad safetensors header (18446744073709551615 bytes of header): export it again",
        ),
        (
            "long_header.safetensors",
            [&50_000_000u64.to_le_bytes()[..], b"{}"].concat(),
            "is truncated (its header of 50000000 bytes goes past the end): copy or export it again",
        ),
        (
            "text.safetensors",
            tensors("not json", 0),
            "has a bad safetensors header (expected ident at line 1 column 2): export it again",
        ),
        (
            "list.safetensors",
            tensors("[]", 0),
            "has a bad safetensors header (invalid type: sequence, expected struct Header at line 1 column 0): export it again",
        ),
        ("nothing.safetensors", tensors("{}", 0), "holds no tensor: export at least one of shape (items, dimension)"),
        (
            "nested.safetensors",
            tensors(&"{\"x\":".repeat(10_000), 0),
            "has a bad safetensors header (recursion limit exceeded at line 1 column 636): export it again",
        ),
        (
            "utf8.safetensors",
            [&5u64.to_le_bytes()[..], b"{\"\xff\":"].concat(),
            "has a bad safetensors header (invalid unicode code point at line 1 column 3): export it again",
        ),
        (
            "bom.safetensors",
            tensors("\u{feff}{}", 0),
            "has a bad safetensors header (expected value at line 1 column 1): export it again",
        ),
        (
            "type.safetensors",
            tensor("F31", "[1,1]", "[0,4]", 4),
            "has a bad safetensors header (unknown variant `F31`, expected one of `BOOL`, `F4`, `F6_E2M3`, `F6_E3M2`, `U8`, `I8`, `F8_E5M2`, `F8_E4M3`, `F8_E8M0`, `F8_E4M3FNUZ`, `F8_E5M2FNUZ`, `I16`, `U16`, `F16`, `BF16`, `I32`, `U32`, `F32`, `C64`, `F64`, `I64`, `U64` at line 1 column 56): export it again",
        ),
        (
            "negative.safetensors",
            tensor("F32", "[-1,1]", "[0,4]", 4),
            "has a bad safetensors header (invalid value: integer `-1`, expected usize at line 1 column 57): export it again",
        ),
        (
            "offset.safetensors",
            tensor("F32", "[1,1]", "[-4,0]", 4),
            "has a bad safetensors header (invalid value: integer `-4`, expected usize at line 1 column 57): export it again",
        ),
        (
            "reversed.safetensors",
            tensor("F32", "[1,1]", "[4,0]", 4),
            "has a bad safetensors header (invalid offset for tensor `x`): export it again",
        ),
        (
            "gap.safetensors",
            tensor("F32", "[1,1]", "[4,8]", 8),
            "has a bad safetensors header (invalid offset for tensor `x`): export it again",
        ),
        (
            "overflow.safetensors",
            tensor("F64", "[4611686018427387904,4]", "[0,0]", 0),
            "has a bad safetensors header (overflow computing buffer size from shape and/or element type): export it again",
        ),
        (
            "far.safetensors",
            tensor("F64", "[1,1]", "[18446744073709551608,18446744073709551615]", 8),
            "has a bad safetensors header (invalid offset for tensor `x`): export it again",
        ),
        (
            "claims.safetensors",
            tensor("F64", "[1000000000,1000]", "[0,8000000000000]", 8),
            "is truncated (its tensors need 8000000000000 bytes, 8 are there): copy or export it again",
        ),
        (
            "small.safetensors",
            tensor("F32", "[2,2]", "[0,12]", 12),
            "has a bad safetensors header (invalid shape, data type, or offset for tensor): export it again",
        ),
        (
            "short.safetensors",
            tensor("F32", "[2,2]", "[0,16]", 15),
            "is truncated (its tensors need 16 bytes, 15 are there): copy or export it again",
        ),
        (
            "more.safetensors",
            tensor("F32", "[2,2]", "[0,16]", 17),
            "has 1 bytes after the end of its data: the header does not fit the file, export it again",
        ),
        (
            "integers.safetensors",
            tensor("I64", "[1,1]", "[0,8]", 8),
            "tensor \"x\" has type I64, which cannot be used here: convert it to float16, bfloat16, float32 or float64",
        ),
        (
            "eighths.safetensors",
            tensor("F8_E4M3", "[1,1]", "[0,1]", 1),
            "tensor \"x\" has type F8_E4M3, which cannot be used here: convert it to float16, bfloat16, float32 or float64",
        ),
        (
            "flat.safetensors",
            tensor("F32", "[4]", "[0,16]", 16),
            "tensor \"x\" has shape [4]: reshape it to two dimensions, (items, dimension)",
        ),
        (
            "no_columns.safetensors",
            tensor("F32", "[4,0]", "[0,0]", 0),
            "tensor \"x\" has shape [4, 0]: reshape it to two dimensions, (items, dimension)",
        ),
        (
            "two.safetensors",
            tensors(two, 8),
            "has a bad safetensors header (invalid offset for tensor `x`): export it again",
        ),
        (
            "overlap.safetensors",
            tensors(overlap, 8),
            "has a bad safetensors header (invalid offset for tensor `y`): export it again",
        ),
    ]);
}

#[test]
fn values() {
    let mut nan = tensor("F16", "[1,2]", "[0,4]", 4);
    let at = nan.len() - 2;
    nan[at..].copy_from_slice(&half::f16::NAN.to_le_bytes());
    catalogs_are_refused(vec![(
        "nan.safetensors",
        nan,
        "embedding \"x\" is not finite at row 0 (item 0), dimension 1: repair or drop that item",
    )]);
}

/// A pickle is never opened, whatever it is called.
#[test]
fn pickles() {
    let start =
        "is a PyTorch (pickle) file, which is not read because it can run code; convert it: python -c \"import ";
    for (name, content) in [
        ("x.pt", &b"\x80\x02cos\nsystem\nq\x01X\x02\0\0\0idq\x02\x85q\x03Rq\x04."[..]),
        ("x.safetensors", b"PK\x03\x04\x14\0\0\0\0\0"),
        ("x.parquet", b"\x80\x05\x95\0\0\0\0\0\0\0\0"),
    ] {
        let folder = crate::files::Folder::new();
        let path = folder.bytes(name, content);
        let found = crate::files::catalog_error(&[path], &spectrank::io::CatalogColumns::All);
        assert!(found.starts_with(start), "{found}");
    }
}
