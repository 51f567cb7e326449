//! Streams in every way of cutting them.

use super::*;

/// The events of a stream that comes in these pieces.
fn events(pieces: &[&[u8]]) -> Vec<Event> {
    let mut reader = Reader::default();
    let mut events = Vec::new();
    for piece in pieces {
        reader.push(piece);
        events.extend(std::iter::from_fn(|| reader.next()));
    }
    events.extend(reader.finish());
    assert_eq!(reader.held(), 0);
    events
}

fn data(events: &[Event]) -> Vec<Option<String>> {
    let text = |data: Cow<'_, [u8]>| String::from_utf8(data.into_owned()).unwrap();
    events.iter().map(|event| event.data().map(text)).collect()
}

const STREAM: &str = "\u{feff}data: one\r\n\r\n: comment\n\ndata:two\rdata: lines\r\revent: x\ndata\nid: 7\r\ndata:  three\n\n\n\
                      data: \u{feff}four\r\n\r\ndatabase: no\n\ndata: [DONE]\n\ndata: cut off";

fn expected() -> Vec<Option<String>> {
    let some = |text: &str| Some(text.to_owned());
    vec![
        some("one"),
        None,
        some("two\nlines"),
        some("\n three"),
        None,
        some("\u{feff}four"),
        None,
        some("[DONE]"),
        some("cut off"),
    ]
}

#[test]
fn a_stream_has_the_same_events_in_whatever_pieces_it_comes() {
    let stream = STREAM.as_bytes();
    let check = |pieces: &[&[u8]]| {
        let events = events(pieces);
        assert_eq!(data(&events), expected(), "{pieces:?}");
        assert_eq!(events.iter().flat_map(|event| event.raw()).copied().collect::<Vec<_>>(), stream);
    };
    check(&[stream]);
    check(&stream.chunks(1).collect::<Vec<_>>());
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            check(&[&stream[..first], &stream[first..second], &stream[second..]]);
        }
    }
}

#[test]
fn an_event_goes_on_as_soon_as_its_empty_line_is_there() {
    for end in ["\n\n", "\r\r", "\r\n\r", "\n\r"] {
        let mut reader = Reader::default();
        reader.push(format!("data: x{end}").as_bytes());
        assert_eq!(reader.next().unwrap().data().unwrap().as_ref(), b"x", "{end:?}");
    }
}

#[test]
fn other_data_leave_the_other_lines_alone() {
    for (event, data, expected) in [
        ("data: a\n\n", "b", "data: b\n\n"),
        ("data:a\r\n\r\n", "b", "data:b\r\n\r\n"),
        ("data:a\n\n", " b", "data:  b\n\n"),
        ("id: 1\r: c\rdata: a\rdata: b\revent: e\r\r", "x", "id: 1\r: c\rdata: x\revent: e\r\r"),
        ("data\n\n", "x", "data:x\n\n"),
        ("id: 1\n\n", "x", "id: 1\ndata: x\n\n"),
        ("data: a\n\n", "x\ny\r\nz\r", "data: x\ndata: y\ndata: z\ndata: \n\n"),
        ("data: a", "x\ny", "data: x\ndata: y"),
    ] {
        let [of_event] = events(&[event.as_bytes()]).try_into().unwrap();
        let changed = String::from_utf8(of_event.with_data(data.as_bytes())).unwrap();
        assert_eq!(changed, expected, "{event:?} with {data:?}");
    }
    let [_, of_event] = events(&[b"data: a\r\r", b"\ndata: b\n\n"]).try_into().unwrap();
    assert_eq!(of_event.with_data(b"c"), b"\ndata: c\n\n");
    assert_eq!(event(b"x"), b"data: x\n\n");
}

#[test]
fn many_events_in_one_piece_cost_no_more_than_one_by_one() {
    let stream = b"\n".repeat(100_000);
    assert_eq!(events(&[&stream]).len(), 100_000);
}

#[test]
fn an_event_has_the_kind_that_its_last_field_names() {
    for (stream, name) in [
        ("event: a\ndata: x\n\n", Some("a")),
        ("event:a\r\nevent: b c\r\n\r\n", Some("b c")),
        ("data: event: a\n\n", None),
    ] {
        let [event] = events(&[stream.as_bytes()]).try_into().unwrap();
        assert_eq!(event.name(), name.map(str::as_bytes), "{stream:?}");
    }
    assert_eq!(named_event(Some(b"a"), b"x"), b"event: a\ndata: x\n\n");
}

/// The form of an event, whose text is the value of `content`.
fn form(event: &str, varying: &[&str]) -> Option<Similar> {
    let event = events(&[event.as_bytes()]).remove(0);
    let data = event.data().unwrap();
    let data = str::from_utf8(&data).unwrap();
    let start = data.find("\"content\":").unwrap() + "\"content\":".len();
    let text = data[start..].find(|byte| byte != ' ').unwrap() + start;
    let end = text + 1 + data[text + 1..].find('"').unwrap() + 1;
    Similar::new(&event, &(text..end), varying)
}

#[test]
fn an_event_of_the_same_form_is_recognised() {
    let before = "event: x\ndata: {\"seq\":9,\"delta\":{\"content\": \"";
    let after = "\"},\"pad\" : \"k\",\"n\":1}\r\nid: 1\r\n\r\n";
    let form = form(&format!("{before}word{after}"), &["pad", "seq"]).unwrap();
    for (stream, text, rest) in [
        (format!("{before}word{after}"), Some("word"), ""),
        (format!("{before}{after}data: 1"), Some(""), "data: 1"),
        (format!("{before}a longer \u{4e2d} text{after}\n"), Some("a longer \u{4e2d} text"), "\n"),
        (format!("{before}a{after}").replace(":9", ":1234567").replace("\"k\"", "\"\""), Some("a"), ""),
        (format!("{before}a\\n{after}"), None, ""),
        (format!("{before}a\u{1}{after}"), None, ""),
        (format!("{before}a{after}").replace(":9", ":09"), None, ""),
        (format!("{before}a{after}").replace(":9", ":-9"), None, ""),
        (format!("{before}a{after}").replace(":9", ":\"9\""), None, ""),
        (format!("{before}a{after}").replace(":1}", ":2}"), None, ""),
        (format!("{before}a{after}").replace("id: 1", "id: 2"), None, ""),
        (format!("{before}a{after}").replace("\"k\"", "\"\\n\""), None, ""),
        (format!("{before}a{after}").trim_end_matches('\n').to_owned(), None, ""),
        (String::new(), None, ""),
    ] {
        let found = form.split(stream.as_bytes());
        assert_eq!(found.as_ref().map(|(event, _)| event.text), text, "{stream}");
        let Some((event, left)) = found else { continue };
        assert_eq!(left, rest.as_bytes());
        let whole = events(&[event.raw]).remove(0);
        assert_eq!(whole.data().as_deref(), Some(event.data));
        let mut out = Vec::new();
        event.write_with("\"other\"", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            str::from_utf8(event.raw).unwrap().replacen(&format!("\"{}\"", event.text), "\"other\"", 1)
        );
    }
    assert!(form.split(&[before.as_bytes(), b"\xff", after.as_bytes()].concat()).is_none());
}

#[test]
fn some_events_have_no_form() {
    for event in [
        "data: {\"content\":\"a\\nb\"}\n\n",
        "data: {\"content\":\"a\",\ndata: \"b\":1}\n\n",
        "data: {\"content\":\"a\"}\r\r",
        "\u{feff}data: {\"content\":\"a\"}\n\n",
        "data: {\"content\":\"a\"}",
    ] {
        assert!(form(event, &[]).is_none(), "{event}");
    }
    // In a string and in the name of an event, nothing varies.
    let strange = "event: {\"seq\":1}\ndata: {\"a\":\"{\\\"seq\\\":1\",\"content\":\"a\"}\n\n";
    let found = form(strange, &["seq"]).unwrap();
    assert!(found.split(strange.as_bytes()).is_some());
    assert!(found.split(strange.replacen(":1", ":2", 1).as_bytes()).is_none());
    assert!(found.split(strange.replace("\\\":1", "\\\":2").as_bytes()).is_none());
}

#[test]
fn the_same_events_are_read_with_and_without_a_form() {
    let event = |text: &str| format!("data: {{\"content\":\"{text}\"}}\r\n\r\n");
    let form = form(&event("x"), &[]).unwrap();
    let mut stream = STREAM.trim_end_matches("data: cut off").to_owned();
    for text in ["a", "", "b\\n", "c"] {
        stream += &event(text);
        stream += ": wait\n\n";
    }
    // The LF after a CR belongs to the event before.
    stream += &format!("data: x\r\r\n{}data: cut off", event("d"));
    let expected = data(&events(&[stream.as_bytes()]));
    for size in 1..=stream.len() {
        let mut reader = Reader::default();
        let (mut raw, mut found, mut similar) = (Vec::new(), Vec::new(), 0);
        for mut chunk in stream.as_bytes().chunks(size) {
            while let Some(piece) = reader.read(&mut chunk, Some(&form)) {
                match piece {
                    Piece::Event(event) => {
                        raw.extend_from_slice(event.raw());
                        found.extend(data(&[event]));
                    }
                    Piece::Similar(event) => {
                        raw.extend_from_slice(event.raw);
                        found.push(Some(String::from_utf8(event.data.to_vec()).unwrap()));
                        similar += 1;
                    }
                }
            }
        }
        let last = reader.finish().unwrap();
        raw.extend_from_slice(last.raw());
        found.extend(data(&[last]));
        assert_eq!(found, expected, "in chunks of {size}");
        assert_eq!(raw, stream.as_bytes(), "in chunks of {size}");
        assert!(similar == 3 || size < stream.len(), "{similar}");
    }
}
