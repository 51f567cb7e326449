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
