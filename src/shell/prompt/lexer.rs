//! Cuts a text that is being typed into tokens: for its colours, its indentation and what may come next.
//!
//! Rhai's own lexer stops at the first mistake, and a line is mistaken at nearly every key. This one takes any text,
//! agrees with Rhai's on a right one (a test holds them together), and tells what is open at the end. It runs once a
//! key, so it goes over the text once.

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word,
    /// A number.
    Number,
    /// A piece of a string or a character, with its quotes.
    Text,
    /// A string or a character that its line ends.
    Broken,
    /// A comment.
    Comment,
    /// An opening bracket: `(`, `[`, `{`, `#{` or `${`.
    Open,
    /// A closing bracket.
    Close,
    /// A closing bracket that closes nothing.
    Stray,
    /// A character of an operator, or one that means nothing.
    Mark,
}

/// One token; the bytes from `start` to before `end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// How a string is quoted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Quote {
    /// `"…"`: escapes, one line.
    Double,
    /// `'…'`: one character.
    Single,
    /// `` `…` ``: `${…}`, many lines.
    Backtick,
    /// `#"…"#` with that many hashes: no escapes, many lines.
    Raw(usize),
}

/// A string that the text ends in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unclosed {
    pub(super) quote: Quote,
    /// Where its quote stands.
    pub(super) start: usize,
    /// Where its content begins; behind the last `${…}` of it.
    pub(super) content: usize,
}

/// A text in tokens.
#[derive(Default, Debug)]
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    /// The brackets that belong together, as indices of tokens.
    pub(super) pairs: Vec<(usize, usize)>,
    /// The brackets that are open at the end, outermost first, as indices of tokens.
    pub(super) open: Vec<usize>,
    /// The string that the text ends in.
    pub(super) unclosed: Option<Unclosed>,
    /// Whether the text ends in a comment: one in `/* */`, or a line's.
    pub(super) comment: Option<CommentKind>,
}

/// The comment that a text ends in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CommentKind {
    /// `// …`
    Line,
    /// `/* …`
    Block,
}

impl Lexed {
    /// The token's text.
    pub(super) fn text<'a>(&self, source: &'a str, index: usize) -> &'a str {
        self.tokens.get(index).map_or("", |token| &source[token.start..token.end])
    }
}

/// Cuts a text.
pub(super) fn lex(source: &str) -> Lexed {
    let mut lexer =
        Lexer { source, bytes: source.as_bytes(), at: 0, out: Lexed::default(), texts: Vec::new() };
    lexer.run();
    lexer.out
}

struct Lexer<'a> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
    out: Lexed,
    /// The backtick strings that are interrupted by a `${`: how many brackets are open with it, and where its quote is.
    texts: Vec<(usize, usize)>,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn push(&mut self, kind: Kind, start: usize) {
        self.out.tokens.push(Token { kind, start, end: self.at });
    }

    fn run(&mut self) {
        while self.at < self.bytes.len() {
            let start = self.at;
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r', _) => self.at += 1,
                (b'/', b'/') => self.line_comment(),
                (b'/', b'*') => self.block_comment(),
                (b'"', _) => self.quoted(b'"'),
                (b'\'', _) => self.quoted(b'\''),
                (b'`', _) => {
                    self.at += 1;
                    self.backtick(start, start);
                }
                (b'#', b'"' | b'#') => self.raw(),
                (b'#', b'{') => self.open(2),
                (b'(' | b'[' | b'{', _) => self.open(1),
                (c @ (b')' | b']' | b'}'), _) => self.close(c),
                (b'0'..=b'9', _) => self.number(),
                (c, _) if c.is_ascii_alphabetic() || c == b'_' => self.word(),
                _ => {
                    self.at += self.source[start..].chars().next().map_or(1, char::len_utf8);
                    self.push(Kind::Mark, start);
                }
            }
        }
    }

    fn word(&mut self) {
        let start = self.at;
        while self.peek(0).is_ascii_alphanumeric() || self.peek(0) == b'_' {
            self.at += 1;
        }
        self.push(Kind::Word, start);
    }

    fn number(&mut self) {
        let start = self.at;
        self.at += 1;
        let digits: fn(&u8) -> bool = match (self.bytes[start], self.peek(0)) {
            (b'0', b'x' | b'X') => u8::is_ascii_hexdigit,
            (b'0', b'o' | b'O') => |c| matches!(c, b'0'..=b'7'),
            (b'0', b'b' | b'B') => |c| matches!(c, b'0' | b'1'),
            _ => u8::is_ascii_digit,
        };
        let decimal = digits(&b'9') && !digits(&b'a');
        self.at += usize::from(!decimal);
        let (mut point, mut exponent) = (!decimal, !decimal);
        loop {
            match (self.peek(0), self.peek(1)) {
                (b'_', _) => self.at += 1,
                (c, _) if digits(&c) => self.at += 1,
                // `1.` before anything that cannot be a method or a range
                (b'.', next)
                    if !point
                        && self.at + 1 < self.bytes.len()
                        && !(next.is_ascii_alphabetic() || next == b'_' || next == b'.') =>
                {
                    point = true;
                    self.at += 1;
                }
                (b'e' | b'E', b'0'..=b'9' | b'+' | b'-') if !exponent => {
                    (point, exponent) = (true, true);
                    self.at += 2;
                }
                _ => break,
            }
        }
        self.push(Kind::Number, start);
    }

    fn line_comment(&mut self) {
        let start = self.at;
        let length = self.source[start..].find('\n');
        self.at = length.map_or(self.bytes.len(), |length| start + length);
        self.out.comment = length.is_none().then_some(CommentKind::Line);
        self.push(Kind::Comment, start);
    }

    /// They nest in Rhai.
    fn block_comment(&mut self) {
        let (start, mut depth) = (self.at, 0_usize);
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => (depth, self.at) = (depth + 1, self.at + 2),
                (b'*', b'/') => (depth, self.at) = (depth - 1, self.at + 2),
                _ => self.at += 1,
            }
            if depth == 0 {
                break;
            }
        }
        self.out.comment = (depth > 0).then_some(CommentKind::Block);
        self.push(Kind::Comment, start);
    }

    /// `"…"` or `'…'`: to the same quote, or the end of the line.
    fn quoted(&mut self, quote: u8) {
        let start = self.at;
        self.at += 1;
        if quote == b'\'' && self.peek(0) == b'\'' {
            self.at += 1;
            return self.push(Kind::Broken, start);
        }
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'\\', b'\n') if quote == b'\'' => break,
                // an escaped character, or a line that goes on
                (b'\\', _) => self.at += 1 + self.width(self.at + 1),
                (b'\n', _) => return self.push(Kind::Broken, start),
                // two quotes are one that is meant
                (c, next) if c == quote && next == quote => self.at += 2,
                (c, _) if c == quote => {
                    self.at += 1;
                    return self.push(Kind::Text, start);
                }
                _ => self.at += self.width(self.at),
            }
        }
        self.at = self.at.min(self.bytes.len());
        let quote = if quote == b'"' { Quote::Double } else { Quote::Single };
        self.out.unclosed = Some(Unclosed { quote, start, content: start + 1 });
        self.push(Kind::Text, start);
    }

    /// The bytes of the character at a place; 0 at the end.
    fn width(&self, at: usize) -> usize {
        self.source.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8)
    }

    fn raw(&mut self) {
        let start = self.at;
        let hashes = self.source[start..].bytes().take_while(|c| *c == b'#').count();
        self.at += hashes;
        if self.peek(0) != b'"' {
            // half of the beginning of one, or nothing that Rhai knows
            if self.at < self.bytes.len() {
                self.at = start + 1;
            }
            return self.push(Kind::Mark, start);
        }
        self.at += 1;
        let content = self.at;
        let end = format!("\"{}", "#".repeat(hashes));
        if let Some(length) = self.source[content..].find(&end) {
            self.at = content + length + end.len();
        } else {
            self.at = self.bytes.len();
            self.out.unclosed = Some(Unclosed { quote: Quote::Raw(hashes), start, content });
        }
        self.push(Kind::Text, start);
    }

    /// A piece of a backtick string from `start` on: to its end, or to a `${`.
    fn backtick(&mut self, quote: usize, start: usize) {
        let content = self.at;
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'\\', b'$') if self.peek(2) == b'{' => self.at += 3,
                (b'`', b'`') => self.at += 2,
                (b'`', _) => {
                    self.at += 1;
                    return self.push(Kind::Text, start);
                }
                (b'$', b'{') => {
                    if self.at > start {
                        self.push(Kind::Text, start);
                    }
                    self.texts.push((self.out.open.len(), quote));
                    return self.open(2);
                }
                _ => self.at += 1,
            }
        }
        self.out.unclosed = Some(Unclosed { quote: Quote::Backtick, start: quote, content });
        if self.at > start {
            self.push(Kind::Text, start);
        }
    }

    fn open(&mut self, length: usize) {
        let start = self.at;
        self.at += length;
        self.out.open.push(self.out.tokens.len());
        self.push(Kind::Open, start);
    }

    fn close(&mut self, closer: u8) {
        let start = self.at;
        self.at += 1;
        let opener = match closer {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        // a closer ends what is open inside of its pair, too: half-typed lines forget brackets
        let fits = |index: &usize| {
            let token = self.out.tokens[*index];
            self.bytes[token.end - 1] == opener
        };
        let Some(depth) = self.out.open.iter().rposition(fits) else {
            return self.push(Kind::Stray, start);
        };
        self.out.pairs.push((self.out.open[depth], self.out.tokens.len()));
        self.out.open.truncate(depth);
        self.push(Kind::Close, start);
        let mut text = None;
        while let Some(&(open, quote)) = self.texts.last()
            && open >= depth
        {
            self.texts.pop();
            text = (open == depth).then_some(quote).or(text);
        }
        if let Some(quote) = text {
            self.backtick(quote, self.at);
        }
    }
}
