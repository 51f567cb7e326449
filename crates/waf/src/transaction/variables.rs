//! The variables of a transaction: filled from the request and its response, and selected by targets.

use seclang::{Collection, Processor, Selector, Target};
use text::{percent, query};

use super::{Item, Request, Transaction};
use crate::body;
use crate::values::ValueId;

/// Collections without names, of which there is one value.
pub(super) fn is_single(collection: Collection) -> bool {
    !matches!(
        collection,
        Collection::Args
            | Collection::ArgsNames
            | Collection::ArgsGet
            | Collection::ArgsGetNames
            | Collection::ArgsPost
            | Collection::ArgsPostNames
            | Collection::Files
            | Collection::FilesNames
            | Collection::FilesSizes
            | Collection::MatchedVars
            | Collection::MatchedVarsNames
            | Collection::MultipartFilename
            | Collection::MultipartName
            | Collection::MultipartPartHeaders
            | Collection::RequestCookies
            | Collection::RequestCookiesNames
            | Collection::RequestHeaders
            | Collection::RequestHeadersNames
            | Collection::ResponseHeaders
            | Collection::ResponseHeadersNames
            | Collection::Tx
            | Collection::Xml
    )
}

impl Transaction {
    /// Sets a variable that has one value.
    pub(super) fn set(&mut self, collection: Collection, value: &[u8]) {
        let id = self.values.add(value);
        self.changed.insert(collection as u8);
        if let Some(slot) = self.collections.get_mut(collection as usize) {
            slot.clear();
            slot.push((id, id));
        }
    }

    /// Adds a named value.
    fn push(&mut self, collection: Collection, name: &[u8], value: &[u8]) {
        let pair = (self.values.add(name), self.values.add(value));
        self.push_pair(collection, pair);
    }

    /// Adds a named value to a collection, and its name to the collection of names.
    fn push_named(&mut self, [values, names]: [Collection; 2], name: &[u8], value: &[u8]) {
        let (name, value) = (self.values.add(name), self.values.add(value));
        self.push_pair(values, (name, value));
        self.push_pair(names, (name, name));
    }

    fn push_pair(&mut self, collection: Collection, pair: (ValueId, ValueId)) {
        self.changed.insert(collection as u8);
        if let Some(slot) = self.collections.get_mut(collection as usize) {
            if slot.capacity() == 0 {
                slot.reserve(16);
            }
            slot.push(pair);
        }
    }

    pub(super) fn pairs(&self, collection: Collection) -> &[(ValueId, ValueId)] {
        self.collections.get(collection as usize).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the first value of a collection.
    fn single(&self, collection: Collection) -> Vec<u8> {
        self.pairs(collection).first().map(|(_, value)| self.values.get(*value).to_vec()).unwrap_or_default()
    }

    pub(super) fn read_request(&mut self, request: &Request<'_>) {
        // It exists without a parser, too, so that rules can compare it.
        self.set(Collection::RequestBodyProcessor, b"");
        let line = [request.method, request.uri, request.protocol].join(&b' ');
        self.set(Collection::RequestLine, &line);
        self.set(Collection::RequestMethod, request.method);
        self.set(Collection::RequestProtocol, request.protocol);
        self.set(Collection::RequestUriRaw, request.uri);
        self.set(Collection::UniqueId, request.id);
        if let Some(client) = request.client {
            self.set(Collection::RemoteAddr, client.to_string().as_bytes());
        }
        let uri = without_authority(request.uri);
        let without_fragment = uri.split(|byte| *byte == b'#').next().unwrap_or_default();
        self.set(Collection::RequestUri, uri);
        let (path, query) = match without_fragment.iter().position(|byte| *byte == b'?') {
            Some(at) => {
                let (path, query) = without_fragment.split_at(at);
                (path, query.get(1..).unwrap_or_default())
            }
            None => (without_fragment, &b""[..]),
        };
        // Decoded after the query is split off: an encoded `?` belongs to the path.
        let path = percent::decode(path);
        self.set(Collection::RequestFilename, &path);
        let basename = path.rsplit(|byte| matches!(byte, b'/' | b'\\')).next().unwrap_or_default();
        self.set(Collection::RequestBasename, basename);
        self.set(Collection::QueryString, query);
        self.set(Collection::RequestBodyError, b"0");
        self.push_pairs(Collection::ArgsGet, query);
        for (name, value) in request.headers {
            self.push_named([Collection::RequestHeaders, Collection::RequestHeadersNames], name, value);
            if name.eq_ignore_ascii_case(b"cookie") {
                for (name, value) in body::cookies(value) {
                    let cookies = [Collection::RequestCookies, Collection::RequestCookiesNames];
                    self.push_named(cookies, &name, &value);
                }
            }
            if name.eq_ignore_ascii_case(b"content-type")
                && self.processor.is_none()
                && let Some(processor) = processor(value)
            {
                self.set_processor(processor);
            }
            if name.eq_ignore_ascii_case(b"host") {
                self.set(Collection::ServerName, host(value));
            }
        }
        self.set(Collection::MultipartStrictError, b"0");
        self.set(Collection::MultipartUnmatchedBoundary, b"0");
        self.set(Collection::UrlencodedError, b"0");
        self.set(Collection::InboundDataError, b"0");
        self.set_sizes();
    }

    pub(super) fn set_processor(&mut self, processor: Processor) {
        self.processor = Some(processor);
        self.set(Collection::RequestBodyProcessor, processor.name().as_bytes());
    }

    /// Adds the arguments of a query or form.
    fn push_pairs(&mut self, collection: Collection, text: &[u8]) {
        for (name, value) in query::pairs(text) {
            if !self.push_argument(collection, &percent::decode_form(name), &percent::decode_form(value)) {
                break;
            }
        }
    }

    /// Returns how many more arguments are read.
    fn arguments_left(&self) -> usize {
        let limit = usize::try_from(self.waf.program.settings.arguments_limit).unwrap_or(usize::MAX);
        limit.saturating_sub(self.pairs(Collection::Args).len())
    }

    /// Adds an argument. Beyond the limit, it sets the error of the body, also for those of the query, and returns false.
    fn push_argument(&mut self, collection: Collection, name: &[u8], value: &[u8]) -> bool {
        if self.arguments_left() == 0 {
            self.set_body_error(body::TOO_MANY);
            return false;
        }
        let names = match collection {
            Collection::ArgsGet => Collection::ArgsGetNames,
            _ => Collection::ArgsPostNames,
        };
        let (name, value) = (self.values.add(name), self.values.add(value));
        for all in [collection, Collection::Args] {
            self.push_pair(all, (name, value));
        }
        for all in [names, Collection::ArgsNames] {
            self.push_pair(all, (name, name));
        }
        true
    }

    fn set_body_error(&mut self, error: &str) {
        self.set(Collection::RequestBodyError, b"1");
        self.set(Collection::RequestBodyErrorMessage, error.as_bytes());
    }

    fn set_sizes(&mut self) {
        let size: usize = self
            .pairs(Collection::Args)
            .iter()
            .map(|(name, value)| self.values.get(*name).len() + self.values.get(*value).len())
            .sum();
        self.set(Collection::ArgsCombinedSize, size.to_string().as_bytes());
    }

    pub(super) fn read_body(&mut self, body: &[u8]) {
        self.set(Collection::RequestBodyLength, body.len().to_string().as_bytes());
        if body.is_empty() {
            return;
        }
        let mut files = 0;
        let mut error = None;
        match self.processor {
            Some(Processor::Urlencoded) => {
                self.set(Collection::RequestBody, body);
                self.push_pairs(Collection::ArgsPost, body);
            }
            Some(Processor::Json) => {
                let (values, json_error) = match body::flatten(body, self.arguments_left()) {
                    Ok(values) => (values, None),
                    Err((values, error)) => (values, Some(error)),
                };
                for (name, value) in values {
                    self.push_argument(Collection::ArgsPost, &name, &value);
                }
                error = json_error;
            }
            Some(Processor::Xml) => {
                let xml = body::parse_xml(body);
                self.push(Collection::Xml, b"/*", &xml.text);
                for attribute in &xml.attributes {
                    self.push(Collection::Xml, b"//@*", attribute);
                }
                error = xml.error;
            }
            Some(Processor::Multipart) => {
                let content_type = self.header(b"content-type");
                let form = body::parse_multipart(&content_type, body);
                files = self.read_multipart(&form);
                error = form.error;
            }
            None => {}
        }
        if self.force_request_body && self.processor.is_none() {
            self.set(Collection::RequestBody, body);
        }
        if let Some(error) = error {
            self.set_body_error(error);
        }
        self.set(Collection::FilesCombinedSize, files.to_string().as_bytes());
        self.set_sizes();
    }

    fn read_multipart(&mut self, form: &body::Multipart) -> usize {
        let mut files = 0;
        for part in &form.parts {
            for header in &part.headers {
                self.push(Collection::MultipartPartHeaders, &part.name, header);
            }
            match &part.file {
                Some(file) => {
                    files += part.content.len();
                    let size = part.content.len().to_string();
                    self.push(Collection::Files, &part.name, file);
                    self.push(Collection::FilesNames, &part.name, &part.name);
                    self.push(Collection::FilesSizes, &part.name, size.as_bytes());
                    self.push(Collection::MultipartFilename, &part.name, file);
                }
                None => {
                    self.push_argument(Collection::ArgsPost, &part.name, &part.content);
                }
            }
            self.push(Collection::MultipartName, &part.name, &part.name);
        }
        if form.strict_error {
            self.set(Collection::MultipartStrictError, b"1");
        }
        if form.unmatched_boundary {
            self.set(Collection::MultipartUnmatchedBoundary, b"1");
        }
        files
    }

    fn header(&self, name: &[u8]) -> Vec<u8> {
        let headers = self.pairs(Collection::RequestHeaders).iter();
        let mut found = headers.filter(|(key, _)| self.values.get(*key).eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| self.values.get(*value).to_vec()).unwrap_or_default()
    }

    pub(super) fn read_response(&mut self, status: u16, protocol: &[u8], headers: &[(&[u8], &[u8])]) {
        self.set(Collection::ResponseStatus, status.to_string().as_bytes());
        self.set(Collection::ResponseProtocol, protocol);
        for (name, value) in headers {
            self.push_named([Collection::ResponseHeaders, Collection::ResponseHeadersNames], name, value);
            if name.eq_ignore_ascii_case(b"content-type") {
                self.set(Collection::ResponseContentType, value);
            }
        }
    }

    /// Adds the values that a target selects.
    pub(super) fn collect(&mut self, target: &Target<'_>, items: &mut Vec<Item>) {
        let collection = target.collection;
        let mut push = |key, value| items.push(Item { collection, key, value, count: false });
        match collection {
            Collection::Tx => match &target.selector {
                Selector::Name(name) => {
                    let key = self.values.find(name.to_ascii_lowercase().as_bytes());
                    if let Some((key, value)) = key.and_then(|key| Some((key, self.tx_named(key)?))) {
                        push(Some(key), value);
                    }
                }
                selector => {
                    let regex = match selector {
                        Selector::Regex(pattern) => Some(self.waf.selector(pattern)),
                        _ => None,
                    };
                    let all: Vec<u16>;
                    let slots = match &regex {
                        Some(regex) => regex.slots(),
                        None => {
                            all = (0u16..).take(self.tx.len()).collect();
                            &all
                        }
                    };
                    for slot in slots {
                        if let Some(value) = self.tx.get(usize::from(*slot)).copied().flatten() {
                            push(self.waf.plan.name(*slot), value);
                        }
                    }
                    for (name, value) in &self.more_tx {
                        if regex.as_ref().is_none_or(|regex| regex.is_match(self.values.get(*name))) {
                            push(Some(*name), *value);
                        }
                    }
                }
            },
            Collection::MatchedVar => {
                if let Some((_, value)) = &self.matched {
                    push(None, *value);
                }
            }
            Collection::MatchedVarName => {
                if let Some((item, _)) = self.matched {
                    let name = self.name_of(&item);
                    push(None, self.values.add(name.as_bytes()));
                }
            }
            Collection::MatchedVars => {
                for (item, value) in &self.matched_all {
                    let name = self.name_of(item);
                    push(Some(self.values.add(name.as_bytes())), *value);
                }
            }
            Collection::MatchedVarsNames => {
                for (item, _) in &self.matched_all {
                    let name = self.name_of(item);
                    let name = self.values.add(name.as_bytes());
                    push(Some(name), name);
                }
            }
            Collection::StatusLine => {
                let line =
                    [self.single(Collection::ResponseProtocol), self.single(Collection::ResponseStatus)]
                        .join(&b' ');
                push(None, self.values.add(&line));
            }
            collection if is_single(collection) => {
                if let Some((_, value)) = self.pairs(collection).first() {
                    push(None, *value);
                }
            }
            collection => {
                for (key, value) in self.pairs(collection) {
                    if self.selects(&target.selector, Some(*key)) {
                        push(Some(*key), *value);
                    }
                }
            }
        }
    }
}

/// Returns the path and the query of a target that may have a scheme and an authority.
fn without_authority(uri: &[u8]) -> &[u8] {
    let Some(at) = uri.windows(3).position(|window| window == b"://") else { return uri };
    let scheme = uri.get(..at).unwrap_or_default();
    if uri.first() == Some(&b'/') || !scheme.iter().all(u8::is_ascii_alphanumeric) {
        return uri;
    }
    let rest = uri.get(at + 3..).unwrap_or_default();
    let path = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).and_then(|path| rest.get(path..));
    path.unwrap_or_default()
}

/// Returns the parser for a content type.
fn processor(content_type: &[u8]) -> Option<Processor> {
    let media = content_type.split(|byte| matches!(byte, b';' | b',' | b' ')).next().unwrap_or_default();
    let media = media.trim_ascii().to_ascii_lowercase();
    let is = |name: &[u8]| media.as_slice() == name;
    if is(b"application/x-www-form-urlencoded") {
        Some(Processor::Urlencoded)
    } else if media.starts_with(b"multipart/form-data") {
        Some(Processor::Multipart)
    } else if is(b"application/json") || media.ends_with(b"+json") {
        Some(Processor::Json)
    } else if is(b"application/xml") || is(b"text/xml") || media.ends_with(b"+xml") {
        Some(Processor::Xml)
    } else {
        None
    }
}

/// Returns a host without its port.
fn host(value: &[u8]) -> &[u8] {
    let end = match value.first() {
        Some(b'[') => value.iter().position(|byte| *byte == b']').map(|end| end + 1),
        _ => value.iter().position(|byte| *byte == b':'),
    };
    end.and_then(|end| value.get(..end)).unwrap_or(value)
}
