//! Rhai's own methods, as its engine describes them.

use rhai::Engine;

use super::shape::Shape;

/// Methods of Rhai's own types.
pub(super) struct Standard(Vec<Method>);

/// One way to call a method.
pub(super) struct Method {
    pub(super) name: String,
    /// The type of the value that it is called on, as Rhai writes it.
    on: String,
    /// The parameters' names.
    pub(super) params: Vec<String>,
    gives: Shape,
    /// The first sentence of its documentation.
    pub(super) summary: String,
}

impl Standard {
    /// Asks an engine of nothing but the standard.
    pub(super) fn new() -> Self {
        let methods = Engine::new().collect_fn_metadata(
            None,
            |info| {
                let about = &info.metadata;
                let mut params = about.params_info.iter().filter_map(|param| param.split_once(": "));
                let (_, on) = params.next()?;
                let docs = about.comments.first().map_or("", |comment| comment.as_str());
                let usable = about.name.starts_with(|c: char| c.is_ascii_lowercase())
                    && !docs.contains("# Deprecated API")
                    // how the engine calls a getter: not what anybody could type
                    && !about.name.contains('$')
                    && !matches!(about.name.as_str(), "to_debug" | "debug" | "print" | "get_fn_metadata_list");
                usable.then(|| Method {
                    name: about.name.to_string(),
                    on: on.to_owned(),
                    params: params.map(|(name, _)| name.to_owned()).collect(),
                    gives: Shape::of_rust(&about.return_type),
                    summary: sentence(docs),
                })
            },
            true,
        );
        Self(methods)
    }

    /// The methods of a value, each name once.
    pub(super) fn of_shape(&self, shape: &Shape) -> Vec<&Method> {
        let on = shape.standard();
        let mut found: Vec<&Method> =
            self.0.iter().filter(|method| on.contains(&method.on.as_str())).collect();
        found.sort_by(|a, b| (&a.name, a.params.len()).cmp(&(&b.name, b.params.len())));
        found.dedup_by(|a, b| a.name == b.name);
        found
    }

    /// What a method gives.
    pub(super) fn gives(&self, shape: &Shape, name: &str) -> Option<Shape> {
        let on = shape.standard();
        let found = self.0.iter().find(|method| method.name == name && on.contains(&method.on.as_str()))?;
        Some(match (&found.gives, shape) {
            // what is picked from an array is like what was in it
            (Shape::Array(_), Shape::Array(_))
                if matches!(name, "filter" | "extract" | "drain" | "order") =>
            {
                shape.clone()
            }
            (Shape::Unknown, Shape::Array(inner)) if matches!(name, "pop" | "shift" | "find" | "get") => {
                (**inner).clone()
            }
            (gives, _) => gives.clone(),
        })
    }
}

/// The first sentence of a documentation comment.
fn sentence(docs: &str) -> String {
    let lines = docs.lines().map(|line| line.trim_start_matches('/').trim());
    let first: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let text = first.join(" ");
    let end = text.find(". ").map_or(text.len(), |end| end + 1);
    text[..end].to_owned()
}
