//! Conversations between a client and an upstream while neither has ended.

use engine::exchange::TalkStep;
use serde::Deserialize;
use serde::de::{self, Deserializer};

use crate::ByteString;

/// Reads `[{ send: a, receive: b }, { receive: c }, end]`.
pub(super) fn steps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TalkStep>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a step of talk: { send: …, receive: … }, one of the two, or `end`")]
    enum Written {
        Word(String),
        Step(Both),
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Both {
        send: Option<ByteString>,
        receive: Option<ByteString>,
    }

    let mut steps = Vec::new();
    for written in Vec::<Written>::deserialize(deserializer)? {
        if steps.last() == Some(&TalkStep::End) {
            return Err(de::Error::custom(
                "talk: after `end` the client only waits: remove the steps behind it",
            ));
        }
        match written {
            Written::Word(word) if word == "end" => steps.push(TalkStep::End),
            Written::Word(word) => {
                return Err(de::Error::custom(format!(
                    "talk: `{word}`: write `end`, or {{ send: …, receive: … }}"
                )));
            }
            Written::Step(Both { send: None, receive: None }) => {
                return Err(de::Error::custom("talk: an empty step: write `send`, `receive` or both"));
            }
            Written::Step(Both { send, receive }) => {
                steps.extend(send.map(TalkStep::Send));
                steps.extend(receive.map(TalkStep::Receive));
            }
        }
    }
    Ok(steps)
}
