//! Configurations.

use spectrank::config::Config;

#[test]
fn configurations() {
    let repeated = |part: &str, n: usize| part.repeat(n);
    for (text, line) in [
        ("slate_size = ".to_owned(), "line 1: configuration: string values must be quoted, expected literal string"),
        ("slate_size = 20\nslate_size = 30".to_owned(), "line 2: slate_size: duplicate key"),
        ("[window]\n[window]".to_owned(), "line 2: window: duplicate key"),
        (
            "slate_size = 99999999999999999999".to_owned(),
            "line 1: slate_size: invalid type: integer `99999999999999999999`, expected a whole number, 0 or more",
        ),
        (
            "slate_size = -1".to_owned(),
            "line 1: slate_size: invalid value: integer `-1`, expected a whole number, 0 or more",
        ),
        (
            "slate_size = 20.0".to_owned(),
            "line 1: slate_size: invalid type: number `20`, expected a whole number, 0 or more",
        ),
        (
            "slate_size = \"20\"".to_owned(),
            "line 1: slate_size: invalid type: string \"20\", expected a whole number, 0 or more",
        ),
        ("[spectral]\nstrength = nan".to_owned(), "spectral.strength = NaN is out of range: 0 to 1000000"),
        ("[spectral]\nstrength = 1e300".to_owned(), "spectral.strength = 1e300 is out of range: 0 to 1000000"),
        ("[spectral]\nstrength = 1e999".to_owned(), "line 2: spectral.strength: floating-point number overflowed"),
        ("[spectral]\nstrength = -0.5".to_owned(), "spectral.strength = -0.5 is out of range: 0 to 1000000"),
        ("spectral = 3".to_owned(), "line 1: spectral: invalid type: integer `3`, expected a table"),
        ("[[signal]]\nweight = 1.0".to_owned(), "line 1: signal[0]: missing field `name`"),
        (
            "[[spacing]]\nname = \"s\"\nvalues = [[1]]".to_owned(),
            "line 3: spacing[0].values[0]: expected a number, text, true or false",
        ),
        ("\0".to_owned(), "line 1: configuration: key with no value, expected `=`"),
        (
            "slate_size = 20 \u{202e}".to_owned(),
            "line 1: configuration: string values must be quoted, expected literal string",
        ),
        (
            "strategy = \"\u{1b}[31m\"".to_owned(),
            "line 1: configuration: invalid basic string, expected non-double-quote visible characters, `\\`",
        ),
        (
            format!("x = {}", repeated("[", 100_000)),
            "line 1: configuration: cannot recurse further; max recursion depth met",
        ),
        (
            format!("x = {}", repeated("{a=", 100_000)),
            "line 1: configuration: cannot recurse further; max recursion depth met",
        ),
        (format!("{}a = 1", repeated("a.", 100_000)), "configuration: recursion limit"),
        (format!("[{}a]", repeated("a.", 100_000)), "configuration: recursion limit"),
        (
            format!("[spectral]\n{} = 1", repeated("k", 40)),
            "line 2: spectral.kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk: unknown field `kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk`, expected one of `strength`, `spectra`, `loading`, `coupling`, `decay`, `horizon`, `epsilon`, `iterations`",
        ),
    ] {
        let error = Config::from_toml(&text).unwrap_err();
        assert_eq!(spectrank::text::one_line(error), line, "{}", text.chars().take(80).collect::<String>());
    }
}

/// A byte order mark, CRLF and an empty file are no fault.
#[test]
fn what_is_only_odd_is_read() {
    assert_eq!(Config::from_toml("\u{feff}slate_size = 20\r\n# end\r\n").unwrap().slate_size, 20);
    assert_eq!(Config::from_toml("").unwrap(), Config::default());
}
