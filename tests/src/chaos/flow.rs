//! The flow file of a plan.

use super::plan::{ACCOUNT_WINDOW, Order, Plan, TIMEOUT_S, TargetKind, WINDOW};

/// The flow's name.
pub const FLOW: &str = "things";

/// In one story of so many the flow asks that applied records are told of.
const TOLD_ONE_IN: u64 = 8;

/// How a target of our own making is listed, where everything is compared.
const LIST: &str = r#"
[target.list]
path = "/things"
query = { offset = "{{ page.offset }}", count = "{{ page.size }}" }
rows = "/items"
page_size = 3
pages = { by = "offset" }
key = "row.ref"
id = "/id"
"#;

/// The flow file at a revision.
pub fn flow_file(plan: &Plan, revision: u32) -> String {
    let version = match plan.order {
        Order::Sequence => "{ by = \"sequence\", at = \"row.version\" }",
        Order::Time => "{ by = \"time\", at = \"row.at\" }",
        Order::Read => "{ by = \"read\" }",
    };
    let stamp = if plan.stamped { "row.version" } else { "0" };
    let schedule = if plan.summer_time {
        // Times of day around the change of the clocks, one of which does not exist or comes twice.
        let at: Vec<String> = (1..=6)
            .flat_map(|hour| {
                ["00", "20", "40"].map(|minute| format!("{{ at = \"{hour:02}:{minute}\" }}"))
            })
            .collect();
        format!("windows = [{}]", at.join(", "))
    } else {
        "every_minutes = 20".to_owned()
    };
    let (_, _, source) = plan.limits;
    let per_s = WINDOW.as_secs();
    let deletion = plan.deletion;
    let (lookback_s, retry_s) = (plan.dose.lookback_s, plan.dose.retry_s);
    let (failures, of) = plan.dose.source_breaker;
    let cool_down_s = plan.dose.cool_down_s;
    let head = format!(
        r#"
name = "{FLOW}"
revision = {revision}
critical = ["level"]
real_time_reason = "The simulator wants both tiers."
deletion = "{deletion}"
[source]
type = "rest"
name = "src"
base_url = "http://src"
timeout_s = {TIMEOUT_S}
limit = {{ calls = {source}, per_s = {per_s} }}
breaker = {{ preset = "failures", failures = {failures}, of = {of}, cool_down_s = {cool_down_s} }}
[source.list]
path = "/rows"
rows = "/items"
page_size = 4
pages = {{ by = "keyset", time = "row.at", id = "row.id", more = "/more" }}
[source.list.query]
since = "{{{{ page.after_time or since }}}}"
after = "{{{{ page.after_id }}}}"
[source.one]
path = "/rows/{{{{ key }}}}"
[record]
key = "row.id"
version = {version}
deleted = "row.gone"
[fields]
name = "row.name"
level = "row.level"
note = "row.note"
stamp = "{stamp}"
[schema]
type = "object"
required = ["name", "level"]
[schema.properties]
name = {{ type = "string" }}
level = {{ type = "integer" }}
[schedule]
time_zone = "Europe/Berlin"
{schedule}
lookback_s = {lookback_s}
max_run_minutes = 15
[retry]
after_s = {retry_s:?}
[freshness]
critical_s = 900
other_s = 90000
[webhook]
secrets = ["HOOK_1", "HOOK_2"]
key = "body.id"
row = "body.row"
"#
    );
    let target = match plan.target {
        TargetKind::Qualio => qualio(plan, revision),
        _ => rest(plan, revision),
    };
    let limits = target_limits(plan);
    // Some stories tell of each applied record; whether they do changes no other story.
    let events = if plan.seed.is_multiple_of(TOLD_ONE_IN) {
        "[events]\napplied = true\n"
    } else {
        ""
    };
    format!("{head}{target}{limits}{events}")
}

/// What the target allows.
fn target_limits(plan: &Plan) -> String {
    let (real_time, batch, _) = plan.limits;
    let per_s = WINDOW.as_secs();
    let (failures, of) = plan.dose.breaker;
    let cool_down_s = plan.dose.cool_down_s;
    let (account, account_s) = (plan.account_calls(), ACCOUNT_WINDOW.as_secs());
    let day = plan.quota.map_or_else(String::new, |quota| {
        format!(
            "day = {{ calls = {}, headroom_percent = {}, real_time_percent = {} }}",
            quota.calls, quota.headroom, quota.real_time
        )
    });
    format!(
        r#"
[target.limits]
real_time = {{ calls = {real_time}, per_s = {per_s} }}
batch = {{ calls = {batch}, per_s = {per_s} }}
account = {{ calls = {account}, per_s = {account_s} }}
{day}
[target.breaker]
preset = "failures"
failures = {failures}
of = {of}
cool_down_s = {cool_down_s}
"#
    )
}

/// The same by somebody who gives each tier a call more and forgets that both draw on one account.
pub fn careless_file(plan: &Plan, revision: u32) -> String {
    let account = plan.account_calls();
    let mut careless = plan.clone();
    careless.limits.0 += 1;
    careless.limits.1 += 1;
    let calls = |plan: &Plan| format!("account = {{ calls = {}", plan.account_calls());
    let right = format!("account = {{ calls = {account}");
    flow_file(&careless, revision).replace(&calls(&careless), &right)
}

fn rest(plan: &Plan, revision: u32) -> String {
    let settle_s = plan.settle_s;
    let calls = match plan.target {
        TargetKind::Upsert => "upsert = { method = \"PUT\", path = \"/things/{{ key }}\" }\n\
             delete = { method = \"DELETE\", path = \"/things/{{ key }}\" }\n"
            .to_owned(),
        kind => {
            let create = "create = { method = \"POST\", path = \"/things\", id = \"/id\" }\n\
                          update = { method = \"PUT\", path = \"/things/{{ target_id }}\" }\n\
                          delete = { method = \"DELETE\", path = \"/things/{{ target_id }}\" }\n";
            let more = match kind {
                TargetKind::Search => {
                    "find = { path = \"/things\", query = { name = \"{{ search }}\" }, \
                     by = \"fields.name\", rows = \"/items\", id = \"/id\" }\n"
                }
                TargetKind::Idempotent => "idempotency_header = \"Idempotency-Key\"\n",
                _ => "",
            };
            format!("{create}{more}")
        }
    };
    let list = if plan.comparisons.is_empty() {
        ""
    } else {
        LIST
    };
    format!(
        r#"
[target]
type = "rest"
name = "tgt"
base_url = "http://tgt"
timeout_s = {TIMEOUT_S}
settle_s = {settle_s}
{calls}
[target.body]
ref = "key"
name = "fields.name"
level = "fields.level"
note = "fields.note"
stamp = "fields.stamp"
rev = "{revision}"
{list}"#
    )
}

fn qualio(plan: &Plan, revision: u32) -> String {
    let settle_s = plan.settle_s;
    format!(
        r#"
[target]
type = "qualio"
name = "tgt"
base_url = "http://tgt"
timeout_s = {TIMEOUT_S}
settle_s = {settle_s}
secret = "TARGET_KEY"
[target.body]
name = "fields.name"
intended_use = "fields.note"
[target.body.contact_information]
notes = "fields.level ~ '/' ~ fields.stamp ~ '/{revision}'"
"#
    )
}
