//! Where the APIs of models have their texts: OpenAI's chat and responses, and Anthropic's messages. Names count in any
//! case, because servers written in Go read them so.

use crate::places::What::{
    self, ContentIndex, Deltas, Ends, Finish, Inside, Number, Once, Part, PartType, Stream, Text, Whole,
};

/// Whose shape a text has, and so the answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Api {
    /// OpenAI's chat.
    #[default]
    Chat,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Messages,
}

/// Which text of a choice or a message, where it has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Content,
    ReasoningContent,
    Reasoning,
    Details,
    Summaries,
    /// The arguments of a function or tool, which are JSON.
    Arguments,
    /// The same, as the API had them before there were tools.
    Function,
    Thinking,
}

impl Field {
    /// Whether it is JSON in a text.
    pub fn is_json(self) -> bool {
        matches!(self, Self::Arguments | Self::Function)
    }
}

/// What is numbered: the numbers of one list tell nothing about another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    /// Parts by where they begin, with what their types say.
    Parts,
    Tools,
    Choices,
    Top,
}

/// The types of parts that are no texts, whatever they have beside it.
pub const NO_TEXT: &[&str] = &[
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

use Api::{Chat, Messages, Responses};
use Field::{Arguments, Content, Details, Function, Reasoning, ReasoningContent, Summaries, Thinking};

pub const REQUEST: &[(&str, What)] = &[
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

pub const RESPONSE: &[(&str, What)] = &[
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

pub const EVENT: &[(&str, What)] = &[
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

/// What is around the texts of an event, those too that the configuration names.
pub const AROUND: &[(&str, What)] = &[
    ("$.choices[*]", What::Choice),
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
