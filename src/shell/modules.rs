//! `import`: modules are files beside the text that imports them; their texts are kept for errors inside them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rhai::{Engine, EvalAltResult, Module, ModuleResolver, Position, Scope, Shared};

use super::handles::Handles;
use super::render::Text;
use super::state::Shell;

type Failure = Box<EvalAltResult>;

/// The texts of all modules that were imported, by their files' names; a cheap handle.
pub(super) type Texts = Rc<RefCell<HashMap<String, Text>>>;

/// Finds modules in files.
pub(super) struct Modules {
    shell: Shell,
    /// Where the imports of the main text are looked for.
    dir: PathBuf,
    texts: Texts,
    handles: Handles,
    known: RefCell<HashMap<PathBuf, Shared<Module>>>,
    /// Those that are being loaded, one imported by the other.
    open: RefCell<Vec<PathBuf>>,
}

impl Modules {
    pub(super) fn new(shell: &Shell, dir: &Path, texts: Texts, handles: Handles) -> Self {
        Self {
            shell: shell.clone(),
            dir: dir.to_owned(),
            texts,
            handles,
            known: RefCell::default(),
            open: RefCell::default(),
        }
    }

    fn load(&self, engine: &Engine, file: &Path, path: &str, pos: Position) -> Result<Module, Failure> {
        let name = file.display().to_string();
        let allowed = self.shell.workspace().to_read(file);
        let allowed = allowed.map_err(|error| super::errors::from_workspace(&error, pos))?;
        let source = super::run::text_of(allowed.path()).map_err(|error| match error.kind() {
            std::io::ErrorKind::Interrupted => super::errors::interrupted(pos),
            std::io::ErrorKind::NotFound => {
                Box::new(EvalAltResult::ErrorModuleNotFound(path.to_owned(), pos))
            }
            _ => {
                let why = super::run::io_words(&error);
                super::errors::usage(format!("cannot read the module `{path}`: {why}"), None, pos)
            }
        })?;
        let source = super::run::without_mark(source);
        let text = Text { name: name.as_str().into(), source: source.into() };
        self.texts.borrow_mut().insert(name.clone(), text.clone());
        let inside = |error| Box::new(EvalAltResult::ErrorInModule(name.clone(), error, pos));
        let mut ast = engine.compile(&*text.source).map_err(|error| inside(error.into()))?;
        self.handles.learn(&ast);
        ast.set_source(name.as_str());
        Module::eval_ast_as_new(Scope::new(), &ast, engine).map_err(inside)
    }
}

impl ModuleResolver for Modules {
    fn resolve(
        &self,
        engine: &Engine,
        source: Option<&str>,
        path: &str,
        pos: Position,
    ) -> Result<Shared<Module>, Failure> {
        let beside = source.and_then(|source| Path::new(source).parent()).unwrap_or(&self.dir);
        let with_end = if Path::new(path).extension().is_some_and(|end| end == "rhai") {
            path.to_owned()
        } else {
            format!("{path}.rhai")
        };
        let file = beside.join(with_end);
        if let Some(module) = self.known.borrow().get(&file) {
            return Ok(module.clone());
        }
        if self.open.borrow().contains(&file) {
            let message = format!("the module `{path}` imports itself");
            return Err(super::errors::usage(message, None, pos));
        }
        self.open.borrow_mut().push(file.clone());
        let module = self.load(engine, &file, path, pos);
        self.open.borrow_mut().pop();
        let module: Shared<Module> = module?.into();
        self.known.borrow_mut().insert(file, module.clone());
        Ok(module)
    }
}
