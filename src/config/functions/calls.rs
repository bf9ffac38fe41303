//! Finds calls of functions in the source of a condition, as CEL has its tokens: outside of texts and comments, and
//! not behind a dot, where they would be methods.

/// A call in a source.
pub(super) struct Call<'s> {
    /// What is called.
    pub(super) name: &'static str,
    /// Where it begins, in bytes.
    pub(super) at: usize,
    /// Where it ends; where it is no right one, the end of its name.
    pub(super) end: usize,
    /// With what it is called; none where that is no list of literals.
    pub(super) arguments: Option<Vec<Argument<'s>>>,
}

/// What a function is called with.
pub(super) enum Argument<'s> {
    /// A literal.
    Literal(Literal<'s>),
    /// A mapping of names to literals.
    Map(Vec<(&'s str, Literal<'s>)>),
}

/// A text, a number or a truth value.
#[derive(Clone, Copy)]
pub(super) enum Literal<'s> {
    /// What stands between the quotes.
    Text(&'s str),
    /// Anything else, as it is written.
    Other(&'s str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    /// What means nothing: blanks and comments.
    Nothing,
    Text,
    Word,
    Mark,
}

/// All calls of the functions of these names, in their order.
pub(super) fn find<'s>(source: &'s str, names: &[&'static str]) -> Vec<Call<'s>> {
    let mut calls: Vec<Call<'s>> = Vec::new();
    let mut scanner = Scanner { rest: source };
    let mut before = "";
    while let Some((token, text)) = scanner.next() {
        let name = names.iter().copied().find(|name| token == Token::Word && text == *name && before != ".");
        let end = |scanner: &Scanner<'_>| source.len() - scanner.rest.len();
        if let Some(name) = name.filter(|_| scanner.clone().take("(").is_some()) {
            let at = end(&scanner) - text.len();
            let mut inside = scanner.clone();
            let arguments = inside.arguments();
            if arguments.is_some() {
                scanner = inside;
            }
            calls.push(Call { name, at, end: end(&scanner), arguments });
        }
        if token != Token::Nothing {
            before = text;
        }
    }
    calls
}

impl<'s> Argument<'s> {
    /// The text, where it is one.
    pub(super) fn text(&self) -> Option<Literal<'s>> {
        match self {
            Argument::Literal(literal @ Literal::Text(_)) => Some(*literal),
            _ => None,
        }
    }
}

impl<'s> Literal<'s> {
    /// What it says.
    pub(super) fn plain(self) -> &'s str {
        match self {
            Literal::Text(text) | Literal::Other(text) => text,
        }
    }

    /// As CEL has it.
    pub(super) fn shown(self) -> String {
        match self {
            Literal::Text(text) if text.contains('\'') => format!("\"{text}\""),
            Literal::Text(text) => format!("'{text}'"),
            Literal::Other(written) => written.to_owned(),
        }
    }
}

#[derive(Clone)]
struct Scanner<'s> {
    rest: &'s str,
}

impl<'s> Scanner<'s> {
    fn next(&mut self) -> Option<(Token, &'s str)> {
        let first = self.rest.chars().next()?;
        let blank = self.rest.len() - self.rest.trim_start().len();
        let word = self.rest.find(|next| !is_of_word(next)).unwrap_or(self.rest.len());
        let (token, length) = if blank > 0 {
            (Token::Nothing, blank)
        } else if self.rest.starts_with("//") {
            (Token::Nothing, self.rest.find('\n').unwrap_or(self.rest.len()))
        } else if let Some(length) = text_length(self.rest) {
            (Token::Text, length)
        } else if word > 0 {
            (Token::Word, word)
        } else {
            (Token::Mark, first.len_utf8())
        };
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some((token, text))
    }

    fn arguments(&mut self) -> Option<Vec<Argument<'s>>> {
        self.take("(")?;
        let mut all = vec![self.argument()?];
        while self.take(",").is_some() {
            all.push(self.argument()?);
        }
        self.take(")")?;
        Some(all)
    }

    fn argument(&mut self) -> Option<Argument<'s>> {
        if self.take("{").is_none() {
            return self.literal().map(Argument::Literal);
        }
        let mut pairs = vec![self.pair()?];
        while self.take(",").is_some() {
            pairs.push(self.pair()?);
        }
        self.take("}")?;
        Some(Argument::Map(pairs))
    }

    fn pair(&mut self) -> Option<(&'s str, Literal<'s>)> {
        let name = self.literal()?.plain();
        self.take(":")?;
        let is_name =
            name.starts_with(|first: char| first.is_ascii_lowercase()) && name.chars().all(is_of_word);
        self.literal().filter(|_| is_name).map(|literal| (name, literal))
    }

    fn literal(&mut self) -> Option<Literal<'s>> {
        self.rest = self.rest.trim_start();
        let begin = self.rest;
        match self.next()? {
            (Token::Text, text) => plain_text(text).map(Literal::Text),
            (_, "-") | (Token::Word, _) => {
                let number = begin.find(|next| !is_of_word(next) && !matches!(next, '.' | '-'));
                let (literal, rest) = begin.split_at_checked(number.unwrap_or(begin.len()))?;
                self.rest = rest;
                Some(Literal::Other(literal))
            }
            _ => None,
        }
    }

    fn take(&mut self, mark: &str) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(mark)?;
        Some(())
    }
}

/// What stands between the quotes of a text that means what it says: none that is raw, has escapes or three quotes.
fn plain_text(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|first| matches!(first, '\'' | '"'))?;
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.is_empty() && !inner.contains(['\\', quote])).then_some(inner)
}

/// The length of the text that a source begins with, its quotes included; what does not end goes on to the end.
fn text_length(source: &str) -> Option<usize> {
    let body = source.strip_prefix(['r', 'R']).filter(|body| body.starts_with(['\'', '"']));
    let (is_raw, body) = (body.is_some(), body.unwrap_or(source));
    let quote = body.chars().next().filter(|first| matches!(first, '\'' | '"'))?;
    let three = quote.to_string().repeat(3);
    let marks = if body.starts_with(&three) { 3 } else { 1 };
    let prefix = source.len() - body.len() + marks;
    let inside = source.get(prefix..)?;
    let mut is_escaped = false;
    for (at, next) in inside.char_indices() {
        let closes = if marks == 3 {
            inside.get(at..).is_some_and(|rest| rest.starts_with(&three))
        } else {
            next == quote
        };
        if closes && !is_escaped {
            return Some(prefix + at + marks);
        }
        is_escaped = next == '\\' && !is_escaped && !is_raw;
    }
    Some(source.len())
}

fn is_of_word(next: char) -> bool {
    next.is_ascii_alphanumeric() || next == '_'
}
