//! The corpus itself: it is complete and unambiguous, and its parser says what is wrong.

use std::collections::HashMap;

use reactor_conformance::{After, Case, load, parse_text};

#[test]
fn every_row_has_a_case() {
    let cases = load().expect("the corpus loads");
    let missing: Vec<u8> =
        (1..=64).filter(|row| !cases.iter().any(|case| case.row == Some(*row))).collect();
    assert!(missing.is_empty(), "rows without a case: {missing:?}");
    let beyond: Vec<&Case> =
        cases.iter().filter(|case| case.row.is_some_and(|row| !(1..=64).contains(&row))).collect();
    assert!(beyond.is_empty(), "rows that do not exist: {beyond:?}");
    assert!(cases.iter().any(|case| case.row.is_none()), "the answers below the table have cases");
}

#[test]
fn names_are_unique() {
    let mut seen: HashMap<String, String> = HashMap::new();
    for case in load().expect("the corpus loads") {
        let here = case.source.clone();
        if let Some(there) = seen.insert(case.name.clone(), case.source) {
            panic!("{:?} is both at {there} and at {here}", case.name);
        }
    }
}

#[test]
fn every_case_can_fail() {
    for case in load().expect("the corpus loads") {
        assert!(!case.answers.is_empty(), "{}: {:?} expects nothing", case.source, case.name);
        let (last, others) = case.answers.split_last().expect("not empty");
        for answer in others {
            let goes_on = answer.after == After::Keep;
            assert!(goes_on, "{}: an answer after one that closes", case.source);
        }
        assert!(!last.is_interim(), "{}: ends with an interim answer", case.source);
        assert!(case.waits.len() <= case.answers.len(), "{}: too many waits", case.source);
        for answer in &case.answers {
            let earlier = answer.fields_as.is_none_or(|index| index < case.answers.len());
            assert!(earlier, "{}: fields-as beyond the answers", case.source);
        }
    }
}

#[test]
fn the_format_reads_what_it_says() {
    let text = "# note\n\ncase 33 length\nvary plus   +5\nvary empty\n| POST / HTTP/1.1\\r\\n\n| L: {}\\r\\n\\r\\n\n-> 400,413 either\n";
    let cases = parse_text("x.txt", text).expect("well-formed");
    let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["length plus", "length empty"]);
    assert_eq!(cases[0].bytes, b"POST / HTTP/1.1\r\nL: +5\r\n\r\n");
    assert_eq!(cases[1].bytes, b"POST / HTTP/1.1\r\nL: \r\n\r\n");
    assert_eq!(cases[0].answers[0].statuses, [400, 413]);
    assert_eq!((cases[0].row, cases[0].after()), (Some(33), After::Either));
}

#[test]
fn a_mistake_names_its_line() {
    for (wrong, line) in [
        ("| x\n", 1),
        ("case x y\n", 1),
        ("case 1\n", 1),
        ("case 1 a\n-> 200\n", 1),
        ("case 1 a\n| x\n-> abc\n", 3),
        ("case 1 a\n| x\nsaw GET /\n", 3),
        ("case 1 a\n| x\n-> 200\nbody y\n", 4),
        ("case 1 a\n| x\n-> 200 often\n", 3),
        ("case 1 a\n| {x\n", 2),
        ("case 1 a\nvary b  c\n| x\n", 1),
        ("case 1 a\nvary b c\n| x{}\n", 2),
    ] {
        let error = parse_text("x.txt", wrong).expect_err(wrong).to_string();
        assert!(error.starts_with(&format!("x.txt:{line}: ")), "{wrong:?}: {error}");
    }
}
