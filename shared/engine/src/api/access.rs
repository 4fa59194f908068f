//! Who sees the private fields of a flow.

use serde_json::Value;
use tidegate_model::Fields;
use tidegate_policy::{flow::Flow, register::Override};

/// What stands in place of a private value. Not taken as one: whoever was shown it and sends all
/// fields back would overwrite the value with it.
pub const MASK: &str = "(private)";

/// What a caller may see of private fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// That there is a value, and not which.
    Masked,
    /// The values: the scope `fields`.
    Fields,
}

impl Access {
    /// The fields as the caller may see them. What is null holds nothing to hide.
    pub(crate) fn fields(self, flow: &Flow, mut fields: Fields) -> Fields {
        if self == Self::Masked {
            for name in flow.private_fields() {
                if let Some(value) = fields.get_mut(name).filter(|value| !value.is_null()) {
                    *value = Value::from(MASK);
                }
            }
        }
        fields
    }

    /// The same of what a person changed.
    pub(crate) fn edit(self, flow: &Flow, mut edit: Override) -> Override {
        edit.fields = self.fields(flow, edit.fields);
        edit
    }

    /// A row or message that nobody could take apart: any of it may be private.
    pub(crate) fn body(self, flow: &Flow, body: String) -> String {
        if self == Self::Masked && !flow.private_fields().is_empty() {
            MASK.to_owned()
        } else {
            body
        }
    }
}
