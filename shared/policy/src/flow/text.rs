//! A flow file as it was read, and the connectors that it may name.

use std::{collections::BTreeMap, sync::Arc};

/// The files of the connectors by the connectors' names: the name of each file and its text.
///
/// A connector is what is known of one system, so that a flow need not say it: how it is called, how
/// its pages go on, what its errors mean. Its file has parts of a flow file, `[source]` with
/// `[record]` and `[webhook]`, or `[target]`, which fill in what a flow that names it leaves out.
pub type Connectors = BTreeMap<String, (String, String)>;

/// A flow file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowText {
    /// The file's name, as mistakes tell it.
    pub name: String,
    /// What it says.
    pub text: String,
    /// The connectors that it may name.
    pub connectors: Arc<Connectors>,
}

impl FlowText {
    /// A file that may name no connector.
    pub fn alone(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
            connectors: Arc::default(),
        }
    }
}
