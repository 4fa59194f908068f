//! Names that AWS would refuse in the middle of a deployment.

use anyhow::bail;
use tidegate_model::flow::FlowFile;

use super::resources::Resource;

/// Characters of a flow's name: a schedule's and a rule's have 64, of which `tidegate-`, a stage of
/// 20, a hyphen and `-reconcile` take 40.
const LONGEST_FLOW_NAME: usize = 24;

/// Refuses flows whose names give no names for what they need, and resources that stand in the
/// rendered template twice.
pub(super) fn check(
    template: &str,
    flows: &[FlowFile],
    resources: &[&Resource],
) -> anyhow::Result<()> {
    for flow in flows {
        let length = flow.name.as_str().len();
        if length > LONGEST_FLOW_NAME {
            bail!(
                "the flow name {} has {length} characters; AWS has room for {LONGEST_FLOW_NAME}",
                flow.name
            );
        }
    }
    for resource in resources {
        let id = &resource.id;
        // One of ours, or one that was written by hand.
        if template.matches(&format!("\n  {id}:\n")).count() != 1 {
            bail!("{id} stands there twice: rename one of the flows, or of their secrets");
        }
        let names = resource.text.lines().map(str::trim);
        for name in names.filter(|line| line.starts_with("Name: ")) {
            if template.matches(&format!(" {name}\n")).count() != 1 {
                bail!("`{name}` of {id} stands there twice: rename one of the flows");
            }
        }
    }
    Ok(())
}
