//! Parts, manifests and marks that are not what a run wrote.

use super::*;

#[test]
fn parts_without_a_first_line_cannot_be_told_and_are_not_thrown_away() {
    let run = Run::csv();
    let (_folder, path, mut torn) = undisturbed(&run);
    torn.get_mut(MANIFEST_NAME).unwrap().truncate(20);
    torn.remove(SUCCESS_NAME);
    put(&path, &torn);
    for run in [run.clone(), run.resumed()] {
        assert!(run.refused(&path).starts_with("_manifest.jsonl is damaged (its first line is missing)"));
    }
}

#[test]
fn a_part_that_was_lost_or_damaged_is_made_again() {
    let run = Run::csv();
    let (_folder, path, whole) = undisturbed(&run);
    let mut unfinished = whole.clone();
    unfinished.remove(SUCCESS_NAME);
    unfinished.remove("part-000003.csv");
    let lines: Vec<&[u8]> = whole[MANIFEST_NAME].split_inclusive(|&byte| byte == b'\n').collect();
    unfinished.insert(MANIFEST_NAME.to_owned(), lines[..4].concat());
    for folder in [&whole, &unfinished] {
        for lost in [vec![0], vec![1], vec![2], vec![0, 2], vec![0, 1, 2], vec![3]] {
            for harm in [None, Some(0), Some(7), Some(usize::MAX)] {
                let mut harmed = folder.clone();
                for number in &lost {
                    let name = part_name(*number, OutputFormat::Csv);
                    let Some(mut bytes) = harmed.remove(&name) else { continue };
                    match harm {
                        None => continue,
                        Some(usize::MAX) => *bytes.last_mut().unwrap() ^= 1,
                        Some(n_bytes) => bytes.truncate(n_bytes),
                    }
                    harmed.insert(name, bytes);
                }
                put(&path, &harmed);
                run.resumed().run(&path).unwrap();
                assert_eq!(content(&path), whole, "{lost:?} {harm:?}");
            }
        }
    }
}

/// A manifest whose lines were changed, with checksums that fit.
fn written_anew(manifest: &[u8], change: impl FnOnce(&mut Vec<Part>)) -> Vec<u8> {
    let mut content = manifest::Content::of(manifest).unwrap();
    change(&mut content.parts);
    let folder = place();
    let mut journal = Journal::open(folder.path(), true).unwrap();
    journal.append(&content.header.unwrap()).unwrap();
    content.parts.iter().for_each(|part| journal.append(part).unwrap());
    fs::read(folder.path().join(MANIFEST_NAME)).unwrap()
}

#[test]
fn a_part_that_cannot_be_made_again_as_it_was_is_an_error() {
    let run = Run::csv();
    let (_folder, path, mut whole) = undisturbed(&run);
    whole.remove(SUCCESS_NAME);
    whole.remove("part-000001.csv");
    let manifest = whole[MANIFEST_NAME].clone();
    let changes: [fn(&mut Part); 2] = [|part| part.digest.xxh3 = "0".repeat(32), |part| part.rows += 1];
    for change in changes {
        whole.insert(MANIFEST_NAME.to_owned(), written_anew(&manifest, |parts| change(&mut parts[1])));
        put(&path, &whole);
        let error = run.resumed().run(&path).unwrap_err().problem;
        assert!(matches!(error, FolderProblem::NotTheSame { file } if file == "part-000001.csv"));
    }
}

#[test]
fn a_mark_that_does_not_fit_is_damage() {
    let run = Run::csv();
    let (_folder, path, whole) = undisturbed(&run);
    let marks = [&b""[..], b"{}\n", &whole[SUCCESS_NAME][..20]].map(|mark| (SUCCESS_NAME, mark.to_vec()));
    let manifest = &whole[MANIFEST_NAME];
    let shorter = manifest[..manifest.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    let torn = [manifest, &b"{\"file\":"[..]].concat();
    let manifests = [manifest[..shorter].to_vec(), torn, manifest[..manifest.len() - 9].to_vec()];
    for (name, bytes) in marks.into_iter().chain(manifests.map(|manifest| (MANIFEST_NAME, manifest))) {
        let mut changed = whole.clone();
        changed.insert(name.to_owned(), bytes);
        put(&path, &changed);
        assert!(run.resumed().refused(&path).starts_with("_SUCCESS does not fit _manifest.jsonl"), "{name}");
        // And the cure.
        fs::remove_file(path.join(SUCCESS_NAME)).unwrap();
        run.resumed().run(&path).unwrap();
        assert_eq!(content(&path), whole);
    }
}

#[test]
fn a_byte_of_the_manifest_that_was_changed_is_damage() {
    let run = Run::csv();
    let (_folder, path, mut whole) = undisturbed(&run);
    let manifest = whole[MANIFEST_NAME].clone();
    for at in (0..manifest.len()).step_by(7) {
        let mut changed = manifest.clone();
        changed[at] ^= 1;
        whole.insert(MANIFEST_NAME.to_owned(), changed);
        put(&path, &whole);
        let line = run.resumed().refused(&path);
        assert!(line.contains("_manifest.jsonl is damaged (line ") || line.contains("_SUCCESS does not fit"), "{line}");
    }
}

#[test]
fn lines_that_do_not_follow_each_other_are_damage() {
    let run = Run::csv();
    let (_folder, path, mut whole) = undisturbed(&run);
    whole.remove(SUCCESS_NAME);
    let manifest = whole[MANIFEST_NAME].clone();
    for order in [&[1][..], &[0, 0], &[0, 2], &[3, 0], &[0, 1, 2, 3, 3]] {
        let pick = |parts: &mut Vec<Part>| *parts = order.iter().map(|&number| parts[number].clone()).collect();
        whole.insert(MANIFEST_NAME.to_owned(), written_anew(&manifest, pick));
        put(&path, &whole);
        let line = run.resumed().refused(&path);
        assert!(line.starts_with("_manifest.jsonl is damaged (line ") && line.contains(": not the part"), "{line}");
    }
}
