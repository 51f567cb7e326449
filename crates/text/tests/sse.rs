//! Events in any chunks.

#![allow(clippy::unwrap_used, reason = "tests may")]

use text::sse::{Event, Reader};

#[test]
fn a_split_event_has_the_same_data() {
    let stream =
        "\u{feff}id: data: no\r\ndata: ab\r\n: data: no\r\ndata:  c\r\ndata\r\n\r\ndata:d\n\ndata: e";
    for size in 1..=stream.len() {
        let mut reader = Reader::default();
        let mut events = vec![Vec::new()];
        let add = |events: &mut Vec<Vec<u8>>, event: Event| {
            let data = event.data().unwrap_or_default().into_owned();
            events.last_mut().unwrap().extend(data.into_iter().filter(|byte| *byte != b'\n'));
        };
        for chunk in stream.as_bytes().chunks(size) {
            reader.push(chunk);
            while let Some(event) = reader.next() {
                add(&mut events, event);
                events.push(Vec::new());
            }
            reader.split().into_iter().for_each(|part| add(&mut events, part));
            assert!(reader.held() <= "data: ".len(), "in chunks of {size}");
        }
        reader.finish().into_iter().for_each(|event| add(&mut events, event));
        assert_eq!(events, [&b"ab c"[..], b"d", b"e"], "in chunks of {size}");
    }
}
