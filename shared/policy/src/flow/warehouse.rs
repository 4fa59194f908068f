//! The warehouse of a flow, with its settings in place.

use tidegate_model::flow::WarehouseSpec;

use super::address::warehouse_url;
use crate::expr::{Context, Encoding, Template};

pub(super) fn compile(spec: &WarehouseSpec, base: &Context) -> Result<WarehouseSpec, String> {
    let plain = |text: &str| -> Result<String, String> {
        let template = Template::compile(text, Encoding::Plain);
        let rendered = template.and_then(|template| template.render(base));
        rendered.map_err(|error| error.to_string())
    };
    Ok(WarehouseSpec {
        place: plain(&spec.place)?,
        base_url: warehouse_url(&spec.base_url, base)?,
        account: plain(&spec.account)?,
        user: plain(&spec.user)?,
        role: plain(&spec.role)?,
        warehouse: plain(&spec.warehouse)?,
        database: plain(&spec.database)?,
        schema: plain(&spec.schema)?,
        ..spec.clone()
    })
}
