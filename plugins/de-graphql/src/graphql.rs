//! The parts of a GraphQL document that the plug-in needs: its operation and the definitions of its variables (GraphQL
//! specification, October 2021, sections 2.1 to 2.11). Fields are skipped: the server validates them.

use std::fmt::Display;

/// The operation of a document.
#[derive(Debug, PartialEq, Eq)]
pub struct Operation {
    /// True for a mutation, false for a query.
    pub is_mutation: bool,
    /// Sorted by name.
    pub variables: Vec<Variable>,
}

/// The definition of a variable.
#[derive(Debug, PartialEq, Eq)]
pub struct Variable {
    /// The name, without `$`.
    pub name: String,
    /// The type of the value, or of the items of a list.
    pub scalar: Scalar,
    /// True for a list.
    pub is_list: bool,
    /// True if requests must have a value: the type ends with `!`, and there is no default.
    pub is_required: bool,
}

/// The types that differ in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// `Int`.
    Int,
    /// `Float`.
    Float,
    /// `Boolean`.
    Boolean,
    /// `String`, `ID`, and all other types, because the values of enums and of most scalars are strings.
    Text,
}

/// The largest number of variables.
const MAX_VARIABLES: usize = 100;

/// Parses a document.
///
/// # Errors
///
/// A message with the line and what to write instead.
pub fn parse(document: &str) -> Result<Operation, String> {
    Parser { lexer: Lexer { document, at: 0 }, next: None, used: Vec::new() }.document()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token<'d> {
    /// A punctuator; `.` is `...`.
    Punctuator(u8),
    Name(&'d str),
    /// A number or a string.
    Value,
    End,
}

struct Lexer<'d> {
    document: &'d str,
    at: usize,
}

impl<'d> Lexer<'d> {
    fn rest(&self) -> &'d str {
        self.document.get(self.at..).unwrap_or_default()
    }

    /// Skips the characters that satisfy the condition, and returns them.
    fn take_while(&mut self, accepts: impl Fn(char) -> bool) -> &'d str {
        let rest = self.rest();
        let taken = rest
            .find(|character| !accepts(character))
            .map_or(rest, |end| rest.get(..end).unwrap_or_default());
        self.at += taken.len();
        taken
    }

    fn error(&self, problem: impl Display) -> String {
        let before = self.document.as_bytes().get(..self.at).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        format!("is not valid GraphQL: line {line}: {problem}")
    }

    fn next(&mut self) -> Result<Token<'d>, String> {
        loop {
            self.take_while(|character| matches!(character, ' ' | '\t' | '\n' | '\r' | ',' | '\u{feff}'));
            if !self.rest().starts_with('#') {
                break;
            }
            self.take_while(|character| !matches!(character, '\n' | '\r'));
        }
        let Some(first) = self.rest().chars().next() else { return Ok(Token::End) };
        match first {
            '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '|' | '}' => {
                self.at += 1;
                Ok(Token::Punctuator(first as u8))
            }
            '.' if self.rest().starts_with("...") => {
                self.at += 3;
                Ok(Token::Punctuator(b'.'))
            }
            '_' | 'A'..='Z' | 'a'..='z' => Ok(Token::Name(
                self.take_while(|character| character == '_' || character.is_ascii_alphanumeric()),
            )),
            '-' | '0'..='9' => {
                self.take_while(|character| {
                    matches!(character, '-' | '+' | '.') || character.is_ascii_alphanumeric()
                });
                Ok(Token::Value)
            }
            '"' => self.string(),
            _ => Err(self.error("unexpected character")),
        }
    }

    /// Skips a string or a block string.
    fn string(&mut self) -> Result<Token<'d>, String> {
        let rest = self.rest().as_bytes();
        let is_block = rest.starts_with(b"\"\"\"");
        let mut at = if is_block { 3 } else { 1 };
        loop {
            let ahead = rest.get(at..).unwrap_or_default();
            at += match ahead {
                [] => return Err(self.error("a string without its closing quotes")),
                [b'\\', b'"', b'"', b'"', ..] if is_block => 4,
                [b'"', b'"', b'"', ..] if is_block => {
                    self.at += at + 3;
                    return Ok(Token::Value);
                }
                [b'\n' | b'\r', ..] if !is_block => {
                    return Err(self.error("a string without its closing quote"));
                }
                [b'\\', _, ..] if !is_block => 2,
                [b'"', ..] if !is_block => {
                    self.at += at + 1;
                    return Ok(Token::Value);
                }
                _ => 1,
            };
        }
    }
}

struct Parser<'d> {
    lexer: Lexer<'d>,
    /// A token that was read ahead.
    next: Option<Token<'d>>,
    /// The variables that fields and directives use.
    used: Vec<&'d str>,
}

impl<'d> Parser<'d> {
    fn token(&mut self) -> Result<Token<'d>, String> {
        match self.next.take() {
            Some(token) => Ok(token),
            None => self.lexer.next(),
        }
    }

    /// Skips a punctuator, and returns true if it is the next token.
    fn skip(&mut self, punctuator: u8) -> Result<bool, String> {
        let token = self.token()?;
        if token == Token::Punctuator(punctuator) {
            return Ok(true);
        }
        self.next = Some(token);
        Ok(false)
    }

    fn expect(&mut self, punctuator: u8) -> Result<(), String> {
        match self.skip(punctuator)? {
            true => Ok(()),
            false => Err(self.lexer.error(format_args!("expected `{}`", char::from(punctuator)))),
        }
    }

    fn name(&mut self) -> Result<&'d str, String> {
        match self.token()? {
            Token::Name(name) => Ok(name),
            _ => Err(self.lexer.error("expected a name")),
        }
    }

    fn document(mut self) -> Result<Operation, String> {
        let mut operations = Vec::new();
        loop {
            match self.token()? {
                Token::End => break,
                Token::Punctuator(b'{') => {
                    self.group(b'}')?;
                    operations.push(Operation { is_mutation: false, variables: Vec::new() });
                }
                Token::Name(kind @ ("query" | "mutation")) => {
                    operations.push(self.operation(kind == "mutation")?);
                }
                Token::Name("subscription") => {
                    return Err(
                        "is a subscription, whose results are a stream: write a query or a mutation".into()
                    );
                }
                Token::Name("fragment") => self.rest_of_definition()?,
                _ => return Err(self.lexer.error("expected `query`, `mutation` or `fragment`")),
            }
        }
        let mut operations = operations.into_iter();
        match (operations.next(), operations.next()) {
            (Some(operation), None) => self.check_used(operation),
            (None, _) => {
                Err("has no operation: write for example `query ($id: ID!) { item(id: $id) { name } }`"
                    .into())
            }
            (Some(_), Some(_)) => {
                Err("has more than one operation: write one, and use `_rules_` for others".into())
            }
        }
    }

    fn check_used(&self, operation: Operation) -> Result<Operation, String> {
        let is_defined = |name: &str| operation.variables.iter().any(|variable| variable.name == name);
        match self.used.iter().find(|name| !is_defined(name)) {
            Some(name) => Err(format!(
                "uses `${name}` without a definition: write for example `query (${name}: String!) {{ … }}`"
            )),
            None => Ok(operation),
        }
    }

    fn operation(&mut self, is_mutation: bool) -> Result<Operation, String> {
        match self.token()? {
            Token::Name(_) => {}
            token => self.next = Some(token),
        }
        let mut variables = Vec::new();
        if self.skip(b'(')? {
            while !self.skip(b')')? {
                let variable = self.variable()?;
                if variables.iter().any(|other: &Variable| other.name == variable.name) {
                    return Err(format!(
                        "defines `${}` more than once: remove one definition",
                        variable.name
                    ));
                }
                if variables.len() == MAX_VARIABLES {
                    return Err(format!("has more than {MAX_VARIABLES} variables: use fewer"));
                }
                variables.push(variable);
            }
        }
        self.rest_of_definition()?;
        variables.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Operation { is_mutation, variables })
    }

    /// Skips names, directives and the fields.
    fn rest_of_definition(&mut self) -> Result<(), String> {
        loop {
            match self.token()? {
                Token::Punctuator(b'{') => return self.group(b'}'),
                Token::Punctuator(b'(') => self.group(b')')?,
                Token::Punctuator(b'@') | Token::Name(_) => {}
                _ => return Err(self.lexer.error("expected `{`")),
            }
        }
    }

    /// Skips what follows an opening bracket up to the closing one.
    fn group(&mut self, closing: u8) -> Result<(), String> {
        let mut open = vec![closing];
        while let Some(closing) = open.last() {
            match self.token()? {
                Token::Punctuator(b'{') => open.push(b'}'),
                Token::Punctuator(b'(') => open.push(b')'),
                Token::Punctuator(b'[') => open.push(b']'),
                Token::Punctuator(found @ (b'}' | b')' | b']')) => {
                    if found != *closing {
                        let (found, closing) = (char::from(found), char::from(*closing));
                        return Err(self.lexer.error(format_args!("`{found}` instead of `{closing}`")));
                    }
                    open.pop();
                }
                Token::Punctuator(b'$') => {
                    let name = self.name()?;
                    self.used.push(name);
                }
                Token::End => {
                    let closing = char::from(*closing);
                    return Err(self.lexer.error(format_args!("`{closing}` is missing at the end")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn variable(&mut self) -> Result<Variable, String> {
        self.expect(b'$')?;
        let name = self.name()?;
        self.expect(b':')?;
        let is_list = self.skip(b'[')?;
        if is_list && self.skip(b'[')? {
            return Err(format!(
                "defines `${name}` as a list of lists, which query parameters cannot express"
            ));
        }
        let scalar = match self.name()? {
            "Int" => Scalar::Int,
            "Float" => Scalar::Float,
            "Boolean" => Scalar::Boolean,
            _ => Scalar::Text,
        };
        let mut is_required = self.skip(b'!')?;
        if is_list {
            self.expect(b']')?;
            is_required = self.skip(b'!')?;
        }
        if self.skip(b'=')? {
            is_required = false;
            match self.token()? {
                Token::Punctuator(b'[') => self.group(b']')?,
                Token::Punctuator(b'{') => self.group(b'}')?,
                Token::Name(_) | Token::Value => {}
                _ => return Err(self.lexer.error(format_args!("expected the default of `${name}`"))),
            }
        }
        while self.skip(b'@')? {
            self.name()?;
            if self.skip(b'(')? {
                self.group(b')')?;
            }
        }
        Ok(Variable { name: name.to_owned(), scalar, is_list, is_required })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, scalar: Scalar, is_list: bool, is_required: bool) -> Variable {
        Variable { name: name.into(), scalar, is_list, is_required }
    }

    #[test]
    fn variables_have_their_types() {
        let document = "\u{feff}# query ($x: Int) {\nquery Name(\n$owner:String! $id: ID, $n: Int! = -1 @a(b: \"}\") @c,,
            $f: Float, $b: Boolean!, $tags: [String!]!, $ns: [Int] = [1, 2]";
        let document = document.to_owned()
            + ", $o: Order = { by: NAME, of: [\"\\\"\", \"\"\"a\\\"\"\"b\"\"\"] }) \
            @cached(ttl: 1) { a(owner: $owner, s: \"} $x\") { ...F @include(if: $b) b(n: [$n, 1.5e-3]) } } \
            fragment F on T @d(e: $f) { c }";
        let operation = parse(&document).unwrap();
        assert!(!operation.is_mutation);
        assert_eq!(
            operation.variables,
            [
                variable("b", Scalar::Boolean, false, true),
                variable("f", Scalar::Float, false, false),
                variable("id", Scalar::Text, false, false),
                variable("n", Scalar::Int, false, false),
                variable("ns", Scalar::Int, true, false),
                variable("o", Scalar::Text, false, false),
                variable("owner", Scalar::Text, false, true),
                variable("tags", Scalar::Text, true, true),
            ]
        );
        assert!(parse("mutation { a }").unwrap().is_mutation);
        assert!(parse("mutation M($a: Int) { a(b: $a) }").unwrap().is_mutation);
        assert_eq!(parse("{ a }"), Ok(Operation { is_mutation: false, variables: vec![] }));
        // Nesting is not recursion.
        let deep = "{a".repeat(20_000) + &"}".repeat(20_000);
        assert!(parse(&deep).is_ok());
    }

    #[test]
    fn errors_name_the_line_and_the_remedy() {
        for (document, message) in [
            ("", "has no operation"),
            ("fragment F on T { a }", "has no operation"),
            ("{ a } query B { b }", "has more than one operation"),
            ("subscription { a }", "is a subscription"),
            ("type Query { a: Int }", "line 1: expected `query`, `mutation` or `fragment`"),
            ("query {\n a(\n}", "line 3: `}` instead of `)`"),
            ("query {\n a", "line 2: `}` is missing at the end"),
            ("query", "line 1: expected `{`"),
            ("query ($a) { b }", "line 1: expected `:`"),
            ("query (a: Int) { b }", "line 1: expected `$`"),
            ("query ($a: Int", "line 1: expected `$`"),
            ("query ($a: [Int) { b }", "line 1: expected `]`"),
            ("query ($a: [[Int]]) { b }", "defines `$a` as a list of lists"),
            ("query ($a: Int = ) { b }", "expected the default of `$a`"),
            ("query ($a: Int, $a: Int) { b }", "defines `$a` more than once"),
            ("query ($a: Int) { b(c: $d) }", "uses `$d` without a definition"),
            ("{ a(b: \"c\n\") }", "line 1: a string without its closing quote"),
            ("{ a(b: \"\"\"c\n) }", "line 1: a string without its closing quotes"),
            ("{ a(b: \"\\", "line 1: a string without its closing quotes"),
            ("{ ä }", "line 1: unexpected character"),
            ("{ a .. b }", "line 1: unexpected character"),
            ("{ a(b: $) }", "line 1: expected a name"),
        ] {
            let error = parse(document).unwrap_err();
            assert!(error.contains(message), "{document}: {error}");
        }
        let many: String = (0..=MAX_VARIABLES).map(|number| format!("$v{number}: Int ")).collect();
        assert!(parse(&format!("query ({many}) {{ a }}")).unwrap_err().contains("more than 100 variables"));
    }
}
