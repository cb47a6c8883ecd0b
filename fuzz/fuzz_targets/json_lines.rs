#![no_main]

spectrank_fuzz::fuzz!("json_lines");
