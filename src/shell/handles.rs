//! Lets a call chain begin with a variable that a closure in it captures: `m.find("*").map(|p| m.stat(p))`.
//!
//! Rhai locks a captured variable for the whole of a chain that begins with it, so that the closure cannot use it.
//! Layers and mounts are handles, and a copy of a handle is as good: where such a variable is captured and never
//! assigned to, its readers get a copy and nothing is locked.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use rhai::{AST, ASTNode, Engine, Expr, ImmutableString, Stmt};

use crate::workspace::{Image, Layer, Mount};

/// The names that count, by what the parsed texts do with them.
#[derive(Clone, Default)]
pub(super) struct Handles(Rc<RefCell<Names>>);

#[derive(Default)]
struct Names {
    captured: HashSet<ImmutableString>,
    assigned: HashSet<ImmutableString>,
}

impl Handles {
    /// Makes an engine hand out copies.
    pub(super) fn install(&self, engine: &mut Engine) {
        let names = self.clone();
        #[expect(deprecated, reason = "it is not: Rhai marks so what may change, and its version is pinned")]
        engine.on_var(move |name, _, context| {
            if !names.counts(name) {
                return Ok(None);
            }
            let value = context.scope().get(name).filter(|value| value.is_shared());
            Ok(value
                .filter(|value| value.is::<Layer>() || value.is::<Mount>() || value.is::<Image>())
                .map(rhai::Dynamic::flatten_clone))
        });
    }

    /// Learns the names of a text that is to run.
    pub(super) fn learn(&self, ast: &AST) {
        let mut names = self.0.borrow_mut();
        ast.walk(&mut |path: &[ASTNode<'_>]| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::Share(shared))) => {
                    names.captured.extend(shared.iter().map(|(ident, _)| ident.name.clone()));
                }
                Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => {
                    if let Expr::Variable(variable, ..) = &assignment.1.lhs {
                        names.assigned.insert(variable.1.clone());
                    }
                }
                _ => {}
            }
            true
        });
    }

    fn counts(&self, name: &str) -> bool {
        let names = self.0.borrow();
        names.captured.contains(name) && !names.assigned.contains(name)
    }
}
