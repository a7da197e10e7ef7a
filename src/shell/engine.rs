//! The Rhai engine, fed from the table of commands.

use std::any::TypeId;
use std::path::Path;

use rhai::{
    AST, Dynamic, Engine, EvalAltResult, FuncArgs as _, NativeCallContext, OptimizationLevel, ParseError,
    Scope,
};

use super::command::{Call, Command, Effect, Form, Property, Receiver, Run};
use super::handles::Handles;
use super::modules::{Modules, Texts};
use super::state::Shell;
use super::{commands, errors, limits, values};
use crate::sys::signals;
use crate::sys::step::step;
use crate::workspace::Moment;

/// Nested function calls; each takes a few hundred bytes of stack in Rhai, kilobytes of it in a debug build.
pub(super) const CALL_DEPTH: usize = 64;
/// Nested expressions in a script and in a function.
const EXPRESSION_DEPTH: (usize, usize) = (128, 64);
/// The most layers in separate arguments; more go into an array.
const MOST_ARGUMENTS: usize = 15;

/// An engine with what it knows of the texts that it runs.
pub(super) struct Ours {
    pub(super) engine: Engine,
    handles: Handles,
    /// The texts of imported modules.
    pub(super) texts: Texts,
}

impl Ours {
    /// Parses a text that is to run here.
    pub(super) fn compile(&self, scope: &Scope<'_>, source: &str) -> Result<AST, ParseError> {
        let ast = self.engine.compile_with_scope(scope, source)?;
        self.handles.learn(&ast);
        Ok(ast)
    }
}

/// Builds the engine; `dir` is where `import` finds modules.
pub(super) fn build(shell: &Shell, dir: &Path) -> Ours {
    let (handles, texts) = (Handles::default(), Texts::default());
    let mut engine = with_commands(shell);
    handles.install(&mut engine);
    engine.set_module_resolver(Modules::new(shell, dir, texts.clone(), handles.clone()));
    Ours { engine, handles, texts }
}

fn with_commands(shell: &Shell) -> Engine {
    let mut engine = Engine::new();
    engine.set_max_call_levels(CALL_DEPTH);
    engine.set_max_expr_depths(EXPRESSION_DEPTH.0, EXPRESSION_DEPTH.1);
    engine.set_optimization_level(OptimizationLevel::Simple);
    let output = shell.clone();
    engine.on_progress(move |_| {
        if signals::interrupted() || output.is_output_lost() {
            return Some(errors::interrupt_token());
        }
        output.budget().overrun()
    });
    let debug = shell.clone();
    engine.on_debug(move |text, source, position| {
        let place = source.map_or_else(String::new, |source| format!("{source}:"));
        debug.tell(&format!("{place}{position:?}: {text}"));
    });
    let asked = shell.clone();
    limits::register(&mut engine, move |bytes, position| asked.budget().check(bytes, position));
    values::register(&mut engine, shell);
    commands::register_special(&mut engine, shell);
    for command in commands::all() {
        register(&mut engine, shell, command);
    }
    for property in commands::properties() {
        register_property(&mut engine, shell, property);
    }
    engine
}

fn register(engine: &mut Engine, shell: &Shell, command: &'static Command) {
    let Some(run) = command.run else { return };
    for form in command.forms {
        let most = if form.many { MOST_ARGUMENTS.max(form.params.len()) } else { form.params.len() };
        // with options behind the stack one argument more
        let most = if form.many { most + 1 } else { most };
        for count in form.params.len()..=most {
            register_form(engine, shell, (command, run), form, count);
        }
    }
}

fn register_form(
    engine: &mut Engine,
    shell: &Shell,
    (command, run): (&'static Command, Run),
    form: &Form,
    count: usize,
) {
    let mut types: Vec<TypeId> = form.on.type_id().into_iter().collect();
    types.extend(std::iter::repeat_n(TypeId::of::<Dynamic>(), count));
    let shell = shell.clone();
    let has_receiver = form.on != Receiver::None;
    let name = command.name;
    // a draft is no mount
    let on_mounts = matches!(form.on, Receiver::None | Receiver::Mount);
    let changes = on_mounts && command.effect == Effect::Changes;
    engine.register_raw_fn(name, types, move |context, args| {
        let outcome = call(&shell, &context, name, run, has_receiver, args);
        if changes {
            shell.settle(Moment::Call);
        }
        outcome
    });
}

fn register_property(engine: &mut Engine, shell: &Shell, property: &'static Property) {
    let Some(receiver) = property.on.type_id() else { return };
    let shell = shell.clone();
    engine.register_raw_fn(format!("get${}", property.name), [receiver], move |context, args| {
        call(&shell, &context, property.name, property.get, true, args)
    });
}

fn call(
    shell: &Shell,
    context: &NativeCallContext<'_>,
    name: &'static str,
    run: Run,
    has_receiver: bool,
    args: &mut [&mut Dynamic],
) -> Result<Dynamic, Box<EvalAltResult>> {
    let mut values = args.iter().map(|arg| arg.flatten_clone());
    let receiver = if has_receiver { values.next() } else { None };
    let call = Call { name, shell, context, receiver, args: values.collect() };
    let step = step(name, || call.on());
    let outcome = run(&call).map_err(|raise| raise.into_rhai(context.call_position()));
    step.ended(&outcome, |error| errors::in_words(error));
    shell.tell_notes();
    outcome
}

/// Whether two values are equal, by the script's own `==`.
pub(super) fn equal(
    context: &NativeCallContext<'_>,
    a: &Dynamic,
    b: &Dynamic,
) -> Result<bool, Box<EvalAltResult>> {
    let mut values = rhai::StaticVec::new_const();
    (a.clone(), b.clone()).parse(&mut values);
    let mut refs: Vec<&mut Dynamic> = values.iter_mut().collect();
    Ok(context.call_native_fn_raw("==", false, &mut refs)?.as_bool().unwrap_or(false))
}
