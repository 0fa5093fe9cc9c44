//! YAML 1.2 as a tree with lines, aliases resolved. Bounded: aliases of aliases cannot grow without end.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

/// Deepest nesting.
const DEPTH: usize = 32;
/// Most values, those behind aliases counted wherever they stand.
const VALUES: usize = 1_000_000;

/// Why a text is no YAML that is read here.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum YamlError {
    /// Not YAML.
    #[error("line {line} is no YAML: {reason}")]
    Syntax {
        /// Which, from 1.
        line: usize,
        /// What the parser expected.
        reason: String,
    },
    /// Nested too deeply.
    #[error("line {line} is nested more than {DEPTH} levels deep")]
    Deep {
        /// Which, from 1.
        line: usize,
    },
    /// Too many values.
    #[error("line {line}: more than {VALUES} values, those behind aliases counted each time")]
    Many {
        /// Which, from 1.
        line: usize,
    },
    /// A key that is there already.
    #[error("line {line}: the key `{key}` stands twice")]
    Twice {
        /// Which, from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// A key that is no text.
    #[error("line {line}: a key is a list or a mapping: expected a text")]
    Key {
        /// Which, from 1.
        line: usize,
    },
    /// A merge key.
    #[error("line {line}: merge keys (`<<`) are not read here: write the keys out")]
    Merge {
        /// Which, from 1.
        line: usize,
    },
    /// An alias to nothing that is complete.
    #[error("line {line}: an alias to what holds it")]
    Circle {
        /// Which, from 1.
        line: usize,
    },
    /// More than one document.
    #[error("line {line} begins a second document: expected one")]
    Second {
        /// Which, from 1.
        line: usize,
    },
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Line, from 1; of an alias, that of its anchor.
    pub(super) line: usize,
    pub(super) value: Value,
    // How many values it is, and how many levels, itself counted.
    size: usize,
    depth: usize,
}

/// What stands there. Numbers and booleans are text: who asks for one reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    fn new(line: usize, value: Value) -> Self {
        let (mut size, mut depth) = (1, 0);
        let mut hold = |node: &Self| {
            size += node.size;
            depth = depth.max(node.depth);
        };
        match &value {
            Value::Null | Value::Text(_) => {}
            Value::List(all) => all.iter().for_each(hold),
            Value::Map(pairs) => pairs.iter().for_each(|(_, node)| hold(node)),
        }
        Self {
            line,
            value,
            size,
            depth: depth + 1,
        }
    }

    /// Nothing at all, where something is missing.
    pub(super) fn nothing(line: usize) -> Self {
        Self::new(line, Value::Null)
    }

    /// Every scalar of it, lists in lists as one; none for nothing at all. A mapping counts as one, which nobody
    /// takes for a scalar.
    pub(super) fn scalars(&self) -> Vec<&Self> {
        match &self.value {
            Value::Null => Vec::new(),
            Value::List(all) => all.iter().flat_map(Self::scalars).collect(),
            Value::Text(_) | Value::Map(_) => vec![self],
        }
    }
}

impl fmt::Display for Node {
    /// On one line, as YAML's flow style.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Null => f.write_str("nothing"),
            Value::Text(text) => f.write_str(text),
            Value::List(all) => {
                f.write_str("[")?;
                for (at, node) in all.iter().enumerate() {
                    write!(f, "{}{node}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Value::Map(pairs) => {
                f.write_str("{")?;
                for (at, (key, node)) in pairs.iter().enumerate() {
                    write!(f, "{}{key}: {node}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}

/// The one document of a text; nothing at all for an empty one.
pub(super) fn parse(text: &str) -> Result<Node, YamlError> {
    let mut tree = Tree::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| syntax(&error))?;
        tree.take(event, span.start.line())?;
    }
    Ok(tree.root.unwrap_or_else(|| Node::nothing(1)))
}

fn syntax(error: &ScanError) -> YamlError {
    YamlError::Syntax {
        line: error.marker().line(),
        reason: error.info().to_owned(),
    }
}

/// What is built while events come.
#[derive(Default)]
struct Tree {
    root: Option<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    values: usize,
}

/// A list or a mapping whose end has not come.
struct Open {
    line: usize,
    anchor: usize,
    of: Of,
}

enum Of {
    List(Vec<Node>),
    Map {
        pairs: Vec<(String, Node)>,
        known: HashSet<String>,
        // A key that waits for its value.
        key: Option<String>,
    },
}

impl Tree {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), YamlError> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => Err(YamlError::Second { line }),
            Event::Scalar(text, style, anchor, _) => {
                let value = match (text.as_ref(), style) {
                    ("" | "~" | "null" | "Null" | "NULL", ScalarStyle::Plain) => Value::Null,
                    (text, _) => Value::Text(text.to_owned()),
                };
                count(&mut self.values, 1, line)?;
                self.close(Node::new(line, value), anchor, line)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(YamlError::Circle { line });
                };
                // Before it is copied.
                count(&mut self.values, node.size, line)?;
                if self.open.len() + node.depth > DEPTH {
                    return Err(YamlError::Deep { line });
                }
                let node = node.clone();
                self.close(node, 0, line)
            }
            Event::SequenceStart(anchor, _) => self.enter(line, anchor, Of::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                let of = Of::Map {
                    pairs: Vec::new(),
                    known: HashSet::new(),
                    key: None,
                };
                self.enter(line, anchor, of)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { line, anchor, of }) = self.open.pop() else {
                    return Ok(());
                };
                let value = match of {
                    Of::List(all) => Value::List(all),
                    Of::Map { pairs, .. } => Value::Map(pairs),
                };
                self.close(Node::new(line, value), anchor, line)
            }
            _ => Ok(()),
        }
    }

    fn enter(&mut self, line: usize, anchor: usize, of: Of) -> Result<(), YamlError> {
        if self.open.len() == DEPTH {
            return Err(YamlError::Deep { line });
        }
        self.open.push(Open { line, anchor, of });
        count(&mut self.values, 1, line)
    }

    /// Puts a complete value where it belongs.
    fn close(&mut self, node: Node, anchor: usize, line: usize) -> Result<(), YamlError> {
        if anchor > 0 {
            count(&mut self.values, node.size, line)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.of) {
            None => self.root = Some(node),
            Some(Of::List(all)) => all.push(node),
            Some(Of::Map { pairs, known, key }) => match key.take() {
                Some(key) => pairs.push((key, node)),
                None => *key = Some(new_key(node.value, known, line)?),
            },
        }
        Ok(())
    }
}

fn count(values: &mut usize, more: usize, line: usize) -> Result<(), YamlError> {
    *values += more;
    match *values > VALUES {
        true => Err(YamlError::Many { line }),
        false => Ok(()),
    }
}

fn new_key(value: Value, known: &mut HashSet<String>, line: usize) -> Result<String, YamlError> {
    let key = match value {
        Value::Text(key) => key,
        Value::Null => String::new(),
        Value::List(_) | Value::Map(_) => return Err(YamlError::Key { line }),
    };
    if key == "<<" {
        return Err(YamlError::Merge { line });
    }
    match known.insert(key.clone()) {
        true => Ok(key),
        false => Err(YamlError::Twice { line, key }),
    }
}
