#![no_main]

spectrank_fuzz::fuzz!("arrow");
