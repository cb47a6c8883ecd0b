//! spectrank composes recommendation slates from scored candidates.

pub mod catalog;
pub mod io;
pub mod slate;
