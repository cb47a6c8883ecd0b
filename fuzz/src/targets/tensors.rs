//! Files of models: safetensors, and the archives of PyTorch.

use spectrank::io::{CatalogColumns, read_catalog, read_module_info};

use super::files::{file, read_as_catalog};

pub fn safetensors(data: &[u8]) {
    read_as_catalog(&file("x.safetensors", data));
}

/// Never read for its tensors: what counts is the message, and what the archive says of itself.
pub fn pytorch(data: &[u8]) {
    let path = file("x.pt", data);
    let line = read_catalog(std::slice::from_ref(&path), &CatalogColumns::All)
        .expect_err("a pickle is no catalog")
        .to_string();
    assert!(line.contains("python -c") && !line.chars().any(char::is_control), "{line:?}");
    match read_module_info(&path) {
        Ok(info) => assert_eq!(Some(info), read_module_info(&path).ok()),
        Err(error) => assert!(error.to_string().starts_with(&format!("{}: ", path.display())), "{error}"),
    }
}
