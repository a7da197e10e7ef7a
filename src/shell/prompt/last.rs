//! `_`, the value of the line before. Rhai keeps the word for the case of a `switch` that takes the rest; everywhere
//! else it is read as the name of a variable here.

use std::cell::RefCell;

use rhai::{Dynamic, Engine, Position, Scope, Token};

/// The variable's name.
const NAME: &str = "_";

/// Lets `_` be a variable in all that this engine parses from now on.
pub(super) fn allow(engine: &mut Engine) {
    let state = RefCell::new(State::default());
    #[expect(deprecated, reason = "it is not: Rhai marks so what may change, and its version is pinned")]
    engine.on_parse_token(move |token, position, _| state.borrow_mut().read(token, position));
}

/// Keeps a line's value, if it has one.
pub(super) fn keep(scope: &mut Scope<'_>, value: &Dynamic) {
    if !value.is_unit() {
        scope.set_or_push(NAME, value.clone());
    }
}

/// Where in a text the parser is.
#[derive(Default)]
struct State {
    /// The brackets that are open; `true` for those around the cases of a `switch`.
    open: Vec<bool>,
    /// How many brackets were open where a `switch` began whose cases are still to come.
    switch: Option<usize>,
    /// Whether a case may begin at the next token.
    case: bool,
    last: Option<(usize, usize)>,
}

impl State {
    fn read(&mut self, token: Token, position: Position) -> Token {
        let at = (position.line().unwrap_or(0), position.position().unwrap_or(0));
        if self.last.is_some_and(|last| at <= last) {
            // another text
            *self = Self::default();
        }
        self.last = Some(at);
        let case = std::mem::take(&mut self.case);
        match &token {
            Token::Underscore if !case => return Token::Identifier(Box::new(NAME.into())),
            Token::Switch => self.switch = Some(self.open.len()),
            Token::LeftBrace => {
                let cases = self.switch == Some(self.open.len());
                if cases {
                    self.switch = None;
                }
                self.open.push(cases);
                self.case = cases;
            }
            Token::LeftParen | Token::LeftBracket | Token::MapStart | Token::QuestionBracket => {
                self.open.push(false);
            }
            Token::RightParen | Token::RightBracket => drop(self.open.pop()),
            Token::RightBrace => {
                self.open.pop();
                self.case = self.open.last() == Some(&true);
            }
            Token::Comma => self.case = self.open.last() == Some(&true),
            _ => {}
        }
        token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_is_a_variable_and_a_switch_keeps_its_rest() {
        let mut engine = Engine::new();
        allow(&mut engine);
        let mut scope = Scope::new();
        keep(&mut scope, &20_i64.into());
        keep(&mut scope, &Dynamic::UNIT);
        for (text, value) in [
            ("_ + 1", 21_i64),
            ("_", 20),
            ("[_, 1][0] + #{ a: _ }.a", 40),
            ("switch _ { 20 => 1, _ => 2 }", 1),
            ("switch 3 { 20 => 1, _ => _ }", 20),
            ("switch [1, 2][0] { 1 => { _ } _ => 2 }", 20),
            ("switch (if _ > 1 { 5 } else { 6 }) { 5 => switch 1 { _ => 7 }, _ => 2 }", 7),
            ("`${_}`.len()", 2),
            ("let x_ = 1; x_ + _", 21),
            ("let f = |_| 1; _", 20),
            ("fn g(_) { 3 } g(_)", 3),
        ] {
            let before = scope.len();
            let ast =
                engine.compile_with_scope(&scope, text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(engine.eval_ast_with_scope::<i64>(&mut scope, &ast).unwrap(), value, "{text}");
            scope.rewind(before);
        }
    }
}
