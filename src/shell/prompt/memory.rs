//! What stays from line to line: variables, functions, imports, constants, and the texts that functions stand in.
//!
//! Rhai forgets functions, imports and constants at the end of an evaluation: here each evaluation begins with those
//! of the earlier ones. All stays small however many lines come: what can no longer be reached goes.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use rhai::{
    AST, ASTNode, Array, Caches, Dynamic, Engine, EvalAltResult, Expr, FnPtr, ImmutableString, Map, Module,
    ParseError, Scope, ScriptFuncDef, Shared,
};

use super::last;
use crate::shell::engine::Ours;
use crate::shell::places::Places;
use crate::shell::render::Text;

/// How many variables, functions or texts may pile up before those that nothing can reach are looked for.
const SPARE: usize = 256;

/// The state.
#[derive(Default)]
pub(super) struct Memory {
    scope: Scope<'static>,
    /// All functions, those of closures included.
    functions: Shared<Module>,
    imports: Vec<(ImmutableString, Shared<Module>)>,
    /// What functions see as `global::NAME`.
    constants: Rc<RefCell<BTreeMap<ImmutableString, Dynamic>>>,
    places: Places,
    /// How many variables, functions and texts there were after the last clean-up.
    kept: (usize, usize, usize),
}

impl Memory {
    /// Parses a text that is to run here.
    pub(super) fn compile(&mut self, ours: &Ours, text: &Text) -> Result<AST, ParseError> {
        // constants of earlier lines are no part of it: they would be put into functions, as in no script
        let nothing = Scope::new();
        let ast = ours.compile(&nothing, &text.source)?;
        if ast.shared_lib().is_empty() && !Places::is_long(&text.source) {
            return Ok(ast);
        }
        let Some(before) = self.places.add(text) else { return Ok(ast) };
        ours.compile(&nothing, &format!("{}{}", "\n".repeat(before), text.source))
    }

    /// Runs what was parsed. What it did before an error stays.
    pub(super) fn run(&mut self, engine: &Engine, ast: &AST) -> Result<Dynamic, Box<EvalAltResult>> {
        for (.., function) in ast.shared_lib().iter_script_fn_info() {
            Shared::make_mut(&mut self.functions).set_script_fn(function.clone());
        }
        let mut global = engine.new_global_runtime_state();
        global.lib.push(self.functions.clone());
        global.constants = Some(self.constants.clone());
        for (name, module) in &self.imports {
            global.push_import(name.clone(), module.clone());
        }
        let before = self.scope.len();
        #[expect(
            deprecated,
            reason = "nothing else runs on a state that stays, and Rhai's version is pinned"
        )]
        let result =
            engine.eval_statements_raw(&mut global, &mut Caches::new(), &mut self.scope, ast.statements());
        let mut seen = HashSet::new();
        self.imports = global
            .iter_imports_raw()
            .filter(|(name, _)| seen.insert((*name).clone()))
            .map(|(name, module)| (name.clone(), module.clone()))
            .collect();
        self.imports.reverse();
        self.learn_constants(before);
        drop(global);
        self.clean();
        result
    }

    /// All variables that can be seen, and whether each is a constant.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, bool)> {
        let mut seen = HashSet::new();
        self.scope
            .iter_raw()
            .filter(move |(name, ..)| seen.insert(*name))
            .map(|(name, is_constant, _)| (name, is_constant))
    }

    /// The texts that functions stand in.
    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// The variables.
    pub(super) fn scope(&self) -> &Scope<'static> {
        &self.scope
    }

    /// The functions, those of closures included.
    pub(super) fn functions(&self) -> &Module {
        &self.functions
    }

    /// Keeps the value of a line for the next ones.
    pub(super) fn keep_value(&mut self, value: &Dynamic) {
        last::keep(&mut self.scope, value);
    }

    /// How many variables, functions and texts there are.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        (self.scope.len(), self.functions.count().1, self.places.len())
    }

    /// Rhai itself remembers constants for functions only where there are functions already.
    fn learn_constants(&mut self, before: usize) {
        let new = self.scope.len().saturating_sub(before);
        // from the last to the first: of one name, the last counts
        let mut constants = self.constants.borrow_mut();
        let mut seen = HashSet::new();
        for (name, is_constant, value) in self.scope.iter_raw().take(new) {
            if is_constant && seen.insert(name) {
                constants.insert(name.into(), value.clone());
            }
        }
    }

    /// Drops what nothing can reach, whenever enough has piled up.
    fn clean(&mut self) {
        let (variables, functions, texts) = self.kept;
        if self.scope.len() > 2 * variables + SPARE {
            self.scope = self.scope.clone_visible();
            self.kept.0 = self.scope.len();
        }
        let count = self.functions.count().1;
        if count > 2 * functions + SPARE || self.places.len() > 2 * texts + SPARE {
            self.drop_closures();
            let functions = self.functions.iter_script_fn_info();
            self.places.keep(functions.map(|(.., function)| function.body.start_position()));
            self.kept.1 = self.functions.count().1;
            self.kept.2 = self.places.len();
        }
    }

    /// Drops the functions of closures that no variable and no function holds.
    fn drop_closures(&mut self) {
        let mut found = Found::default();
        for (_, _, value) in self.scope.iter_raw() {
            found.value(value);
        }
        for value in self.constants.borrow().values() {
            found.value(value);
        }
        let all = self.functions.iter_script_fn_info().map(|(.., function)| function);
        let (closures, named): (Vec<_>, Vec<_>) = all.partition(|function| is_closure(&function.name));
        let mut kept = Module::new();
        let (mut reached, mut waiting) = (named, closures);
        loop {
            // a closure may hold closures
            found.functions(&reached);
            for function in reached {
                kept.set_script_fn(function.clone());
            }
            (reached, waiting) = waiting.into_iter().partition(|closure| found.names.contains(&closure.name));
            if reached.is_empty() {
                break;
            }
        }
        self.functions = kept.into();
    }
}

fn is_closure(name: &str) -> bool {
    name.starts_with("anon$")
}

/// The closures that something holds.
#[derive(Default)]
struct Found {
    names: HashSet<ImmutableString>,
    /// Where what was looked through lies: values may hold each other in a circle.
    seen: HashSet<usize>,
}

impl Found {
    /// Looks through functions for closures that stand in them.
    fn functions(&mut self, functions: &[&Shared<ScriptFuncDef>]) {
        let mut module = Module::new();
        for function in functions {
            module.set_script_fn((*function).clone());
        }
        AST::new([], module).walk(&mut |path: &[ASTNode<'_>]| {
            if let Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) = path.last() {
                self.value(value);
            }
            true
        });
    }

    /// Looks through a value.
    fn value(&mut self, value: &Dynamic) {
        if let Some(pointer) = value.read_lock::<FnPtr>() {
            self.names.insert(pointer.fn_name().into());
            if self.is_new(&*pointer) {
                pointer.iter_curry().for_each(|curried| self.value(curried));
            }
        } else if let Some(array) = value.read_lock::<Array>() {
            if self.is_new(&*array) {
                array.iter().for_each(|value| self.value(value));
            }
        } else if let Some(map) = value.read_lock::<Map>()
            && self.is_new(&*map)
        {
            map.values().for_each(|value| self.value(value));
        }
    }

    fn is_new<T>(&mut self, value: &T) -> bool {
        self.seen.insert(std::ptr::from_ref(value).addr())
    }
}
