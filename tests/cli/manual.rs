//! Completions and manual pages.

use crate::program::run;

#[test]
fn every_shell_gets_completions_of_commands_and_flags() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(["completions", shell]).ok().stdout;
        for part in ["rerank", "output-format", "catalog", "spectrank"] {
            assert!(script.contains(part), "{shell}: {part}");
        }
    }
    assert_eq!(run(["completions", "cmd"]).code, Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn bash_takes_the_completions() {
    let script = run(["completions", "bash"]).ok().stdout;
    let test = format!(
        "{script}\nCOMP_WORDS=(spectrank rer); COMP_CWORD=1; _spectrank spectrank rer spectrank; echo ${{COMPREPLY[@]}}"
    );
    let output = std::process::Command::new("bash").args(["-c", &test]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "rerank\n");
}

#[test]
fn there_is_a_page_for_the_program_and_for_each_command() {
    let page = run(["man"]).ok().stdout;
    assert!(page.contains(".TH spectrank 1") && page.contains("spectrank\\-rerank(1)"), "{page}");
    let page = run(["man", "rerank"]).ok().stdout;
    assert!(page.contains("\\-\\-output\\-format") && page.contains("producer | spectrank rerank"), "{page}");
    assert!(run(["man", "rank"]).failed(2).contains("no command \"rank\""));
}
