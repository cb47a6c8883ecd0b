//! An embedding that is not complete yet.

use half::f16;

use crate::catalog::EmbeddingData;

/// Values in the precision they are stored in, as they come.
pub(crate) enum Growing {
    F16(Vec<f16>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl From<Growing> for EmbeddingData {
    fn from(values: Growing) -> Self {
        match values {
            Growing::F16(v) => Self::F16(v.into()),
            Growing::F32(v) => Self::F32(v.into()),
            Growing::F64(v) => Self::F64(v.into()),
        }
    }
}
