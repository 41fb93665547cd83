//! The cases of the Autobahn test suite (sections 1 to 7, 9 and 10), by their numbers: what its
//! client sends, and what a server must make of it. Each runs with its bytes in one piece, and
//! cut as small as there is time for. All are judged strictly, but those that the suite calls
//! informational.

use super::*;

/// How a conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The peer closes, with this code.
    Closed(Option<u16>),
    /// The server closes, with this code.
    Failed(u16),
}

struct Case {
    name: String,
    /// What arrives, in the pieces in which it must be judged.
    sent: Vec<Vec<u8>>,
    told: Vec<Told>,
    end: End,
    /// The piece at which the server has to fail, where the suite waits after each.
    fails_at: Option<usize>,
}

/// A case that is written down as it goes.
fn case(name: impl Into<String>) -> Case {
    let name = name.into();
    Case { name, sent: Vec::new(), told: Vec::new(), end: End::Closed(None), fails_at: None }
}

impl Case {
    /// Sends a frame with this first byte.
    fn send(mut self, first: u8, payload: impl AsRef<[u8]>) -> Self {
        self.sent.push(masked(first, payload.as_ref()));
        self
    }

    /// Sends a message in frames of `size` bytes.
    fn send_in_frames(mut self, kind: Kind, payload: &[u8], size: usize) -> Self {
        let count = payload.len().div_ceil(size);
        let mut first = if kind == Kind::Text { 0x01 } else { 0x02 };
        for (i, piece) in payload.chunks(size).enumerate() {
            let fin = if i + 1 == count { 0x80 } else { 0 };
            self = self.send(first | fin, piece);
            first = 0x00;
        }
        self
    }

    fn message(mut self, kind: Kind, payload: impl AsRef<[u8]>) -> Self {
        self.told.push(Told::Message(kind, payload.as_ref().to_vec()));
        self
    }

    fn ping(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.told.push(Told::Ping(payload.as_ref().to_vec()));
        self
    }

    fn pong(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.told.push(Told::Pong(payload.as_ref().to_vec()));
        self
    }

    fn fails(mut self, code: u16) -> Self {
        self.end = End::Failed(code);
        self
    }

    /// The client closes after all of this.
    fn closes(mut self) -> Self {
        self.end = End::Closed(Some(1000));
        self.send(0x88, 1000u16.to_be_bytes())
    }

    /// The close frame was sent before.
    fn closed(mut self, code: Option<u16>) -> Self {
        self.end = End::Closed(code);
        self
    }

    fn check(&self) {
        let all = self.sent.concat();
        self.judge(served(self.sent.iter().map(|piece| &piece[..]), Limits::default()));
        self.judge(served([&all[..]], Limits::default()));
        let chops: &[usize] = match all.len() {
            0..5000 => &[1, 2, 3, 7, 97],
            5000..200_000 => &[97, 997],
            _ => &[65_536],
        };
        for chop in chops {
            self.judge(served(all.chunks(*chop), Limits::default()));
        }
        if let Some(fails_at) = self.fails_at {
            let mut receiver = Receiver::new(Role::Server, None, Limits::default());
            for (i, piece) in self.sent.iter().enumerate() {
                receiver.receive(piece);
                let failed = receiver.story.error.is_some();
                assert_eq!(failed, i >= fails_at, "{}, piece {i}", self.name);
            }
        }
    }

    fn judge(&self, story: Story) {
        let Story { mut told, error, .. } = story;
        let end = match (error, told.last()) {
            (Some(error), _) => End::Failed(error.close_code()),
            (None, Some(Told::Close(code, _))) => {
                let code = *code;
                told.pop();
                End::Closed(code)
            }
            (None, _) => panic!("{}: the conversation goes on", self.name),
        };
        assert_eq!(end, self.end, "{}", self.name);
        assert!(told == self.told, "{}: {:.500}", self.name, format!("{told:?}"));
    }
}

fn check(cases: &[Case], count: usize) {
    assert_eq!(cases.len(), count);
    cases.iter().for_each(Case::check);
}

#[test]
fn section_1_messages_of_all_lengths() {
    let mut cases = Vec::new();
    for (part, kind, first, byte) in [(1, Kind::Text, 0x81, b'*'), (2, Kind::Binary, 0x82, 0xfe)] {
        for (i, len) in [0, 125, 126, 127, 128, 65_535, 65_536, 65_536].into_iter().enumerate() {
            let payload = vec![byte; len];
            let case = case(format!("1.{part}.{}", i + 1));
            cases.push(case.send(first, &payload).message(kind, &payload).closes());
        }
    }
    check(&cases, 16);
}

#[test]
fn section_2_pings_and_pongs() {
    let odd = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff";
    let answered = |name, payload: &[u8]| case(name).send(0x89, payload).ping(payload).closes();
    let ten = |name| {
        let mut case = case(name);
        for i in 0..10 {
            let payload = format!("payload-{i}");
            case = case.send(0x89, &payload).ping(&payload);
        }
        case.closes()
    };
    let cases = vec![
        answered("2.1", b""),
        answered("2.2", b"Hello, world!"),
        answered("2.3", odd),
        answered("2.4", &[0xfe; 125]),
        case("2.5").send(0x89, [0xfe; 126]).fails(1002),
        answered("2.6", &[0xfe; 125]),
        case("2.7").send(0x8a, "").pong("").closes(),
        case("2.8").send(0x8a, "unsolicited").pong("unsolicited").closes(),
        case("2.9")
            .send(0x8a, "unsolicited")
            .pong("unsolicited")
            .send(0x89, "ping")
            .ping("ping")
            .closes(),
        ten("2.10"),
        ten("2.11"),
    ];
    check(&cases, 11);
}

#[test]
fn section_3_reserved_bits() {
    let hello = "Hello, world!";
    let after = |name, rsv: u8| {
        case(name)
            .send(0x81, hello)
            .message(Kind::Text, hello)
            .send(0x81 | rsv << 4, hello)
            .send(0x89, "")
            .fails(1002)
    };
    let cases = vec![
        case("3.1").send(0x91, hello).fails(1002),
        after("3.2", 2),
        after("3.3", 3),
        after("3.4", 4),
        case("3.5").send(0x82 | 5 << 4, [0, 0xff, 0xfe]).fails(1002),
        case("3.6").send(0x82 | 6 << 4, hello).fails(1002),
        case("3.7").send(0x88 | 7 << 4, "").fails(1002),
    ];
    check(&cases, 7);
}

#[test]
fn section_4_reserved_opcodes() {
    let hello = "Hello, world!";
    let mut cases = Vec::new();
    for (part, opcodes) in [(1, 3..=7u8), (2, 11..=15u8)] {
        for (i, opcode) in opcodes.enumerate() {
            let mut case = case(format!("4.{part}.{}", i + 1));
            // The first two come alone, the others after a message.
            if i >= 2 {
                case = case.send(0x81, hello).message(Kind::Text, hello);
            }
            let payload = if i % 2 == 0 && i < 4 { "" } else { hello };
            cases.push(case.send(0x80 | opcode, payload).send(0x89, "").fails(1002));
        }
    }
    check(&cases, 10);
}

#[test]
fn section_5_fragments() {
    let two = |name: &str, ping: bool| {
        let mut case = case(name).send(0x01, "fragment1");
        if ping {
            case = case.send(0x89, "ping payload").ping("ping payload");
        }
        case.send(0x80, "fragment2").message(Kind::Text, "fragment1fragment2").closes()
    };
    let lonely = |name: &str, first| {
        case(name).send(first, "non-continuation payload").send(0x81, "Hello, world!").fails(1002)
    };
    let five = |name: &str| {
        case(name)
            .send(0x01, "fragment1")
            .send(0x00, "fragment2")
            .send(0x89, "pongme 1!")
            .ping("pongme 1!")
            .send(0x00, "fragment3")
            .send(0x00, "fragment4")
            .send(0x89, "pongme 2!")
            .ping("pongme 2!")
            .send(0x80, "fragment5")
            .message(Kind::Text, "fragment1fragment2fragment3fragment4fragment5")
            .closes()
    };
    let cases = vec![
        case("5.1").send(0x09, "fragment1").send(0x80, "fragment2").fails(1002),
        case("5.2").send(0x0a, "fragment1").send(0x80, "fragment2").fails(1002),
        two("5.3", false),
        two("5.4", false),
        two("5.5", false),
        two("5.6", true),
        two("5.7", true),
        two("5.8", true),
        lonely("5.9", 0x80),
        lonely("5.10", 0x80),
        lonely("5.11", 0x80),
        lonely("5.12", 0x00),
        lonely("5.13", 0x00),
        lonely("5.14", 0x00),
        case("5.15")
            .send(0x01, "fragment1")
            .send(0x80, "fragment2")
            .message(Kind::Text, "fragment1fragment2")
            .send(0x00, "fragment3")
            .send(0x81, "fragment4")
            .fails(1002),
        case("5.16").send(0x00, "fragment1").send(0x01, "fragment2").fails(1002),
        case("5.17").send(0x80, "fragment1").send(0x01, "fragment2").fails(1002),
        case("5.18").send(0x01, "fragment1").send(0x81, "fragment2").fails(1002),
        five("5.19"),
        five("5.20"),
    ];
    check(&cases, 20);
}

/// Valid text, then what is none, then valid text.
const GREEK: &[u8] = "κ\u{1f79}σμε".as_bytes();
const EDITED: &[u8] = b"edited";

#[test]
fn sections_6_1_to_6_4_text_in_fragments() {
    let hello = "Hello-µ@ßöäüàá-UTF-8!!".as_bytes();
    let surrogate = [GREEK, b"\xed\xa0\x80", EDITED].concat();
    let beyond = [GREEK, b"\xf4\x90\x80\x80", EDITED].concat();
    let fast =
        |name: &str, sent: Vec<Vec<u8>>| Case { sent, fails_at: Some(1), ..case(name) }.fails(1007);
    // Which byte of the text is wrong decides, not where its frame ends.
    let frames = |cuts: [usize; 2]| {
        vec![
            masked(0x01, &beyond[..cuts[0]]),
            masked(0x00, &beyond[cuts[0]..cuts[1]]),
            masked(0x80, &beyond[cuts[1]..]),
        ]
    };
    let chops = |cuts: [usize; 2]| {
        let frame = masked(0x81, &beyond);
        let (a, b) = (6 + cuts[0], 6 + cuts[1]);
        vec![frame[..a].to_vec(), frame[a..b].to_vec(), frame[b..].to_vec()]
    };
    let len = GREEK.len();
    let cases = vec![
        case("6.1.1").send(0x81, "").message(Kind::Text, "").closes(),
        case("6.1.2").send(0x01, "").send(0x00, "").send(0x80, "").message(Kind::Text, "").closes(),
        case("6.1.3")
            .send(0x01, "")
            .send(0x00, "middle")
            .send(0x80, "")
            .message(Kind::Text, "middle")
            .closes(),
        case("6.2.1").send(0x81, hello).message(Kind::Text, hello).closes(),
        case("6.2.2")
            .send(0x01, &hello[..12])
            .send(0x80, &hello[12..])
            .message(Kind::Text, hello)
            .closes(),
        case("6.2.3").send_in_frames(Kind::Text, hello, 1).message(Kind::Text, hello).closes(),
        case("6.2.4").send_in_frames(Kind::Text, GREEK, 1).message(Kind::Text, GREEK).closes(),
        case("6.3.1").send(0x81, &surrogate).fails(1007),
        case("6.3.2").send_in_frames(Kind::Text, &surrogate, 1).fails(1007),
        fast("6.4.1", frames([len, len + 4])),
        fast("6.4.2", frames([len + 1, len + 2])),
        fast("6.4.3", chops([len, len + 4])),
        fast("6.4.4", chops([len + 1, len + 2])),
    ];
    check(&cases, 13);
}

/// The groups of Markus Kuhn's UTF-8 decoder test, as sections 6.5 to 6.23 have them: whether
/// each text of a group is valid, and the texts.
fn utf8_groups() -> Vec<Vec<(bool, Vec<u8>)>> {
    let all = |valid: bool, texts: &[&[u8]]| -> Vec<(bool, Vec<u8>)> {
        texts.iter().map(|text| (valid, text.to_vec())).collect()
    };
    let mixed =
        |valid: &[&[u8]], invalid: &[&[u8]]| [all(true, valid), all(false, invalid)].concat();
    let lonely =
        |from: u8, to: u8| -> Vec<u8> { (from..to).flat_map(|byte| [byte, b' ']).collect() };
    // The first and the last sequence of each length, without their last byte.
    let cut: [&[u8]; 10] = [
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xf8\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80",
        b"\xdf",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfb\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf",
    ];
    let surrogate = |point: u16| -> Vec<u8> {
        let byte = |bits: u16| 0x80 | (bits & 0x3f).to_le_bytes()[0];
        vec![0xed, byte(point >> 6), byte(point)]
    };
    let pair = |high, low| (false, [surrogate(high), surrogate(low)].concat());
    let high = [0xd800, 0xdb7f, 0xdb80, 0xdbff];
    // U+FFFE and U+FFFF, then the last two of every plane.
    let non_characters = ["\u{fffe}", "\u{ffff}"].map(str::to_owned).into_iter().chain(
        (1..=16u32)
            .flat_map(|plane| [0xfffe, 0xffff].map(|low| plane << 16 | low))
            .map(|point| char::from_u32(point).map(String::from).unwrap_or_default()),
    );
    let prefixes = (1..=GREEK.len()).map(|len| {
        let text = &GREEK[..len];
        (std::str::from_utf8(text).is_ok(), text.to_vec())
    });
    let continuations: Vec<u8> = (0x80..0xbf).collect();
    vec![
        all(
            true,
            &[
                b"hello$world",
                "hello\u{a2}world".as_bytes(),
                "hello\u{20ac}world".as_bytes(),
                "hello\u{24b62}world".as_bytes(),
                GREEK,
            ],
        ),
        prefixes.collect(),
        all(true, &[b"\0", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"]),
        all(false, &[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]),
        all(true, &[b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"]),
        all(false, &[b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"]),
        mixed(
            &[b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf"],
            &[b"\xf4\x90\x80\x80"],
        ),
        all(
            false,
            &[
                b"\x80",
                b"\xbf",
                b"\x80\xbf",
                b"\x80\xbf\x80",
                b"\x80\xbf\x80\xbf",
                b"\x80\xbf\x80\xbf\x80",
                b"\x80\xbf\x80\xbf\x80\xbf",
                &continuations,
            ],
        ),
        [(0xc0, 0xdf), (0xe0, 0xef), (0xf0, 0xf7), (0xf8, 0xfb), (0xfc, 0xfd)]
            .map(|(from, to)| (false, lonely(from, to)))
            .to_vec(),
        all(false, &cut),
        all(false, &[&cut.concat()]),
        all(false, &[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
        all(
            false,
            &[
                b"\xc0\xaf",
                b"\xe0\x80\xaf",
                b"\xf0\x80\x80\xaf",
                b"\xf8\x80\x80\x80\xaf",
                b"\xfc\x80\x80\x80\x80\xaf",
            ],
        ),
        all(
            false,
            &[
                b"\xc1\xbf",
                b"\xe0\x9f\xbf",
                b"\xf0\x8f\xbf\xbf",
                b"\xf8\x87\xbf\xbf\xbf",
                b"\xfc\x83\xbf\xbf\xbf\xbf",
            ],
        ),
        all(
            false,
            &[
                b"\xc0\x80",
                b"\xe0\x80\x80",
                b"\xf0\x80\x80\x80",
                b"\xf8\x80\x80\x80\x80",
                b"\xfc\x80\x80\x80\x80\x80",
            ],
        ),
        [0xd800, 0xdb7f, 0xdb80, 0xdbff, 0xdc00, 0xdf80, 0xdfff]
            .map(|point| (false, surrogate(point)))
            .to_vec(),
        high.into_iter().flat_map(|high| [pair(high, 0xdc00), pair(high, 0xdfff)]).collect(),
        non_characters.map(|text| (true, text.into_bytes())).collect(),
        ('\u{fff9}'..='\u{ffff}').map(|c| (true, String::from(c).into_bytes())).collect(),
    ]
}

#[test]
fn sections_6_5_to_6_23_utf8() {
    let mut cases = Vec::new();
    for (group, texts) in utf8_groups().into_iter().enumerate() {
        for (i, (valid, text)) in texts.into_iter().enumerate() {
            let case = case(format!("6.{}.{}", group + 5, i + 1)).send(0x81, &text);
            cases.push(if valid {
                case.message(Kind::Text, &text).closes()
            } else {
                case.fails(1007)
            });
        }
    }
    check(&cases, 132);
}

#[test]
fn section_7_closing() {
    let hello = "Hello World!";
    let normal = 1000u16.to_be_bytes();
    let with = |reason: &[u8]| [&normal[..], reason].concat();
    let close = |name: &str| case(name).send(0x88, normal).closed(Some(1000));
    let big = "BAsd7&jh23".repeat(26_215);
    let mut cases = vec![
        case("7.1.1").send(0x81, hello).message(Kind::Text, hello).closes(),
        close("7.1.2").send(0x88, ""),
        close("7.1.3").send(0x89, ""),
        close("7.1.4").send(0x81, hello),
        case("7.1.5")
            .send(0x01, "fragment1")
            .send(0x88, normal)
            .send(0x80, "fragment2")
            .closed(Some(1000)),
        case("7.1.6")
            .send(0x81, &big)
            .message(Kind::Text, &big)
            .send(0x81, hello)
            .message(Kind::Text, hello)
            .send(0x88, normal)
            .send(0x89, "")
            .closed(Some(1000)),
        case("7.3.1").send(0x88, "").closed(None),
        case("7.3.2").send(0x88, "a").fails(1002),
        close("7.3.3"),
        case("7.3.4").send(0x88, with(hello.as_bytes())).closed(Some(1000)),
        case("7.3.5").send(0x88, with(&[b'*'; 123])).closed(Some(1000)),
        case("7.3.6").send(0x88, with(&[b'*'; 124])).fails(1002),
        case("7.5.1").send(0x88, with(&[GREEK, b"\xed\xa0\x80", EDITED].concat())).fails(1007),
    ];
    let good = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999u16];
    for (i, code) in good.into_iter().enumerate() {
        let case = case(format!("7.7.{}", i + 1));
        cases.push(case.send(0x88, code.to_be_bytes()).closed(Some(code)));
    }
    let bad = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999u16];
    for (i, code) in bad.into_iter().enumerate() {
        cases.push(case(format!("7.9.{}", i + 1)).send(0x88, code.to_be_bytes()).fails(1002));
    }
    // Informational: the RFC leaves these open.
    for (i, code) in [5000, 65_535u16].into_iter().enumerate() {
        cases.push(case(format!("7.13.{}", i + 1)).send(0x88, code.to_be_bytes()).fails(1002));
    }
    check(&cases, 37);
}

#[test]
fn section_9_large_messages_and_many() {
    let mut cases = Vec::new();
    let kinds = [(0, Kind::Text, 0x81, b'*'), (1, Kind::Binary, 0x82, 0xfe)];
    for (part, kind, first, byte) in kinds {
        for (i, kib) in [64, 256, 1024, 4096, 8192, 16_384].into_iter().enumerate() {
            let payload = vec![byte; kib << 10];
            let case = case(format!("9.{}.{}", 1 + part, i + 1));
            cases.push(case.send(first, &payload).message(kind, &payload).closes());
        }
        let payload = vec![byte; 4 << 20];
        for i in 0..9 {
            let size = [64, 256, 1024, 4096, 16_384, 65_536, 1 << 18, 1 << 20, 4 << 20][i];
            let case = case(format!("9.{}.{}", 3 + part, i + 1)).message(kind, &payload);
            cases.push(case.send_in_frames(kind, &payload, size).closes());
        }
        let payload = vec![byte; 1 << 20];
        for i in 0..6 {
            let mut case = case(format!("9.{}.{}", 5 + part, i + 1)).message(kind, &payload);
            let frame = masked(first, &payload);
            case.sent = frame.chunks(64 << i).map(<[u8]>::to_vec).collect();
            cases.push(case.closes());
        }
        for (i, len) in [0, 16, 64, 256, 1024, 4096].into_iter().enumerate() {
            let payload = vec![byte; len];
            let mut case = case(format!("9.{}.{}", 7 + part, i + 1));
            for _ in 0..1000 {
                case = case.send(first, &payload).message(kind, &payload);
            }
            cases.push(case.closes());
        }
    }
    check(&cases, 54);
}

#[test]
fn section_10_a_message_in_many_fragments() {
    let payload = vec![b'*'; 65_536];
    let case = case("10.1.1").send_in_frames(Kind::Text, &payload, 1300);
    check(&[case.message(Kind::Text, &payload).closes()], 1);
}
