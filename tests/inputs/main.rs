//! What goes in and out: every format, and every way a file can be wrong, met with one line and never a panic.

mod catalogs;
mod damage;
mod files;
mod outputs;
mod slates;
