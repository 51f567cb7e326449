//! Paths of texts in the APIs of models: OpenAI's Chat and Responses APIs, and Anthropic's Messages API. Names are
//! case-insensitive, as in servers written in Go.

use super::Api::{Chat, Messages, Responses};
use super::texts::PathKind::{
    self, ContentIndex, Deltas, Ends, Finish, Inside, Number, Once, Part, PartType, Stream, Text, Whole,
};

/// The kind of a text in a choice or message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Content,
    ReasoningContent,
    Reasoning,
    Details,
    Summaries,
    /// Arguments of a tool, which are JSON.
    Arguments,
    /// Arguments of the older function calls.
    Function,
    Thinking,
}

impl Field {
    /// Returns true if the text is JSON.
    pub(super) fn is_json(self) -> bool {
        matches!(self, Self::Arguments | Self::Function)
    }
}

/// Lists with separate indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum List {
    /// Parts by their position.
    Parts,
    Tools,
    Choices,
    Top,
}

/// The types of parts that are not texts.
pub(super) const OTHER_PARTS: &[&str] = &[
    "image_url",
    "image",
    "input_image",
    "input_audio",
    "audio",
    "audio_url",
    "video",
    "video_url",
    "file",
    "input_file",
    "base64",
    "url",
];

use Field::{Arguments, Content, Details, Function, Reasoning, ReasoningContent, Summaries, Thinking};

pub(super) const REQUEST: &[(&str, PathKind)] = &[
    ("$.messages[*].content", Text(Content, Chat)),
    ("$.messages[*].content[*].text", Part(Chat)),
    ("$.messages[*].content[*].type", PartType),
    ("$.messages[*].reasoning_content", Text(ReasoningContent, Chat)),
    ("$.messages[*].reasoning", Text(Reasoning, Chat)),
    ("$.messages[*].reasoning_details[*]['text','summary']", Text(Details, Chat)),
    ("$.messages[*].tool_calls[*].function.arguments", Text(Arguments, Chat)),
    ("$.messages[*].function_call.arguments", Text(Function, Chat)),
    ("$.messages[*].content[*].thinking", Text(Thinking, Messages)),
    ("$.messages[*].content[*].input..*", Inside(Messages)),
    ("$.messages[*].content[*].content", Text(Content, Messages)),
    ("$.messages[*].content[*].content[*].text", Part(Messages)),
    ("$.messages[*].content[*].content[*].type", PartType),
    ("$.messages[*].content[*].source.data", Part(Messages)),
    ("$.messages[*].content[*].source.type", PartType),
    ("$.system", Text(Content, Messages)),
    ("$.system[*].text", Part(Messages)),
    ("$.system[*].type", PartType),
    ("$['input','instructions']", Text(Content, Responses)),
    ("$.input[*]['content','output']", Text(Content, Responses)),
    ("$.input[*].content[*].text", Part(Responses)),
    ("$.input[*].content[*].type", PartType),
    ("$.input[*].output[*].text", Part(Responses)),
    ("$.input[*].output[*].type", PartType),
    ("$.input[*].summary[*].text", Text(Summaries, Responses)),
    ("$.input[*]['arguments','input']", Text(Arguments, Responses)),
    ("$.prompt.variables..*", Inside(Responses)),
    ("$.stream", Stream),
];

pub(super) const RESPONSE: &[(&str, PathKind)] = &[
    ("$.choices[*].message.content", Text(Content, Chat)),
    ("$.choices[*].message.content[*].text", Part(Chat)),
    ("$.choices[*].message.content[*].type", PartType),
    ("$.choices[*].message.reasoning_content", Text(ReasoningContent, Chat)),
    ("$.choices[*].message.reasoning", Text(Reasoning, Chat)),
    ("$.choices[*].message.reasoning_details[*]['text','summary']", Text(Details, Chat)),
    ("$.choices[*].message.tool_calls[*].function.arguments", Text(Arguments, Chat)),
    ("$.choices[*].message.function_call.arguments", Text(Function, Chat)),
    ("$.content[*].text", Part(Messages)),
    ("$.content[*].type", PartType),
    ("$.content[*].thinking", Text(Thinking, Messages)),
    ("$.content[*].input..*", Inside(Messages)),
    ("$.output[*].content[*].text", Part(Responses)),
    ("$.output[*].content[*].type", PartType),
    ("$.output[*].summary[*].text", Text(Summaries, Responses)),
    ("$.output[*]['arguments','input']", Text(Arguments, Responses)),
];

pub(super) const EVENT: &[(&str, PathKind)] = &[
    ("$.choices[*].delta.content", Text(Content, Chat)),
    ("$.choices[*].delta.content[*].text", Part(Chat)),
    ("$.choices[*].delta.content[*].type", PartType),
    ("$.choices[*].delta.reasoning_content", Text(ReasoningContent, Chat)),
    ("$.choices[*].delta.reasoning", Text(Reasoning, Chat)),
    ("$.choices[*].delta.reasoning_details[*].text", Text(Details, Chat)),
    ("$.choices[*].delta.reasoning_details[*].summary", Text(Summaries, Chat)),
    ("$.choices[*].delta.tool_calls[*].function.arguments", Text(Arguments, Chat)),
    ("$.choices[*].delta.tool_calls[*].index", Number(List::Tools)),
    ("$.choices[*].delta.function_call.arguments", Text(Function, Chat)),
    ("$.choices[*].message['content','reasoning_content','reasoning']", Whole(Content, Chat)),
    ("$.delta.text", Text(Content, Messages)),
    ("$.delta.thinking", Text(Thinking, Messages)),
    ("$.delta.partial_json", Text(Arguments, Messages)),
    ("$.content_block['text','thinking']", Whole(Content, Messages)),
    ("$.content_block.input..*", Inside(Messages)),
    ("$.message.content[*]['text','thinking']", Whole(Content, Messages)),
    ("$.delta", Deltas),
    ("$['text','input','code']", Whole(Content, Responses)),
    ("$.arguments", Whole(Arguments, Responses)),
    ("$.part.text", Whole(Content, Responses)),
    ("$.item['content','summary'][*].text", Whole(Content, Responses)),
    ("$.item['arguments','input']", Whole(Arguments, Responses)),
    ("$.response.output[*]['content','summary'][*].text", Whole(Content, Responses)),
    ("$.response.output[*]['arguments','input']", Whole(Arguments, Responses)),
    ("$['index','output_index']", Number(List::Top)),
    ("$['content_index','summary_index']", ContentIndex),
    ("$.type", Ends),
];

/// Context of texts of an event, including those selected by the configuration.
pub(super) const AROUND: &[(&str, PathKind)] = &[
    ("$.choices[*]", PathKind::Choice),
    ("$.choices[*].index", Number(List::Choices)),
    ("$.choices[*].finish_reason", Finish),
    ("$.choices[*].delta.tool_calls", Once),
    ("$.choices[*].delta.tool_calls[*].id", Once),
    ("$.choices[*].delta.tool_calls[*].function.name", Once),
    ("$.choices[*].delta.function_call", Once),
    ("$.choices[*].delta.function_call.name", Once),
    ("$.choices[*].delta.refusal", Once),
    ("$.choices[*].delta.reasoning_content", Once),
    ("$.choices[*].delta.reasoning", Once),
    ("$.usage", Once),
];
