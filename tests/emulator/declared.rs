//! What the template says, without a deployment: what neither a linter knows nor the emulator shows.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_policy::keys::OF_CALLS;

use crate::template;

/// These go on by an event that their own rule brings back: a run, a comparison, an audit and a load that did
/// not fit one invocation. AWS says that it follows SQS, SNS and S3; a run of hours must not end when it
/// follows buses too.
const GO_ON_BY_AN_EVENT: [(&str, &str); 4] = [
    ("BatchSync", "RunRequested"),
    ("Reconcile", "ReconcileRequested"),
    ("QualityAudit", "AuditRequested"),
    ("Warehouse", "LoadRequested"),
];

/// The one check of the scanner that may be passed by, for what it costs: functions outside a VPC.
const EXCUSED: &str = "CKV_AWS_117";

/// Exceptions from the scanner, each with its price.
const MOST_EXCEPTIONS: usize = 11;

#[test]
fn exactly_the_functions_that_start_themselves_may_loop() {
    let source = template::source();
    let resources = template::resources(&source);
    let functions = functions(&resources);
    let mut start_themselves: BTreeSet<&str> = functions
        .iter()
        .filter(|(_, text)| !consumed(text).is_disjoint(&sent_to(text)))
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(
        start_themselves,
        BTreeSet::from(["WorkerBatch", "WorkerRealtime"]),
        "a deferral is a delayed copy to the worker's own queue"
    );
    for (function, rule) in GO_ON_BY_AN_EVENT {
        let rule = &resources[rule];
        assert!(
            rule.contains(&format!("Arn: !Ref {function}.Alias")),
            "{rule}"
        );
        assert!(functions[function].contains("Action: events:PutEvents"));
        start_themselves.insert(function);
    }
    let may: BTreeSet<&str> = functions
        .iter()
        .filter(|(_, text)| text.contains("\n      RecursiveLoop: Allow\n"))
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(may, start_themselves);
}

#[test]
fn whatever_starts_a_function_starts_its_alias() {
    let source = template::source();
    let resources = template::resources(&source);
    for function in functions(&resources).keys() {
        let past_it = format!("!GetAtt {function}.Arn");
        assert!(!source.contains(&past_it), "{past_it} passes by the alias");
        for (name, text) in &resources {
            let whole = format!("!Ref {function}");
            let by_name = text.match_indices(&whole).filter(|(at, _)| {
                let after = text[at + whole.len()..].chars().next();
                !after.is_some_and(|next| next == '.' || next.is_alphanumeric())
            });
            // A metric knows functions by name.
            let allowed = usize::from(text.contains("Type: AWS::CloudWatch::Alarm"));
            assert!(
                by_name.count() <= allowed,
                "{name} passes by the alias of {function}"
            );
        }
    }
}

#[test]
fn a_deployment_of_each_function_goes_back_on_its_own_errors() {
    let source = template::source();
    let resources = template::resources(&source);
    for (function, text) in functions(&resources) {
        let alarm = format!("{function}Errors");
        let named = format!("DeploymentPreference: {{ Alarms: [!Ref {alarm}, !Ref Failures] }}");
        assert!(text.contains(&named), "{function} has no {named}");
        // Without it, a version comes of new code alone, and not of new flow files.
        assert!(
            text.contains("AutoPublishAliasAllProperties: true"),
            "{function}"
        );
        let alarm = &resources[alarm.as_str()];
        assert!(alarm.contains("MetricName: Errors\n"), "{alarm}");
        let of_it = format!("Value: !Ref {function} }}");
        assert!(alarm.contains(&of_it), "{alarm}");
    }
}

#[test]
fn each_alarm_tells_somebody_what_to_do() {
    let source = template::source();
    let alarms: Vec<(&str, String)> = template::resources(&source)
        .into_iter()
        .filter(|(_, text)| text.contains("Type: AWS::CloudWatch::Alarm\n"))
        .collect();
    assert!(!alarms.is_empty());
    for (name, text) in alarms {
        assert!(text.contains("AlarmDescription: "), "{name}");
        assert!(text.contains("AlarmActions: [!Ref Alarms]\n"), "{name}");
    }
}

#[test]
fn the_scanner_passes_by_little_and_for_its_price() {
    let source = template::source();
    let exceptions: Vec<&str> = source.lines().filter(|line| line.contains("CKV")).collect();
    assert!(exceptions.len() <= MOST_EXCEPTIONS, "{exceptions:#?}");
    for line in exceptions {
        let one = line.strip_prefix("      checkov: { skip: [{ id: ");
        let (id, comment) = one.and_then(|one| one.split_once(',')).expect(line);
        assert_eq!(id, EXCUSED, "{line}");
        assert!(
            comment.contains('$'),
            "{line} does not say what it would cost"
        );
    }
}

#[test]
fn each_function_acts_by_a_role_of_its_own_and_by_no_ready_made_policy() {
    let source = template::source();
    let resources = template::resources(&source);
    for (function, text) in functions(&resources) {
        let own = format!("Role: !GetAtt {function}Role.Arn");
        assert!(text.contains(&own), "{function} has no {own}");
        // AWS's ready-made policies name every resource of the account.
        let lists = text.split("ManagedPolicyArns: [").skip(1);
        let shared: Vec<&str> = lists.filter_map(|list| list.split(']').next()).collect();
        let ours = [
            "!Ref KeyUse",
            "!Ref SystemSecrets",
            "!Ref SourceSecrets",
            "!Ref WarehouseSecrets",
            "!Ref WebhookSecrets",
        ];
        let is_ours = |one: &str| ours.contains(&one);
        assert_eq!(shared.len(), 1, "{function}");
        assert!(shared[0].split(", ").all(is_ours), "{function}: {shared:?}");
        assert!(!text.contains("Resource: \"*\""), "{function}");
    }
}

#[test]
fn the_function_that_reads_and_those_that_call_nobody_read_no_secret_of_a_system() {
    let source = template::source();
    let resources = template::resources(&source);
    let call_systems = ["BatchSync", "Reconcile", "WorkerBatch", "WorkerRealtime"];
    for (function, text) in functions(&resources) {
        let reads = text.contains("!Ref SystemSecrets");
        assert_eq!(
            reads,
            call_systems.contains(&function),
            "READ-1: {function}"
        );
        assert_eq!(text.contains("!Ref WebhookSecrets"), function == "Webhook");
        assert_eq!(text.contains("!Ref SourceSecrets"), function == "Decide");
        let loads = text.contains("!Ref WarehouseSecrets");
        assert_eq!(loads, function == "Warehouse");
        let own: Vec<&str> = text
            .split("Action: secretsmanager:GetSecretValue\n")
            .skip(1)
            .filter_map(|statement| statement.lines().next())
            .map(str::trim)
            .collect();
        let tokens = ["Resource: [!GetAtt ApiToken.Id, !GetAtt ApiTokenFields.Id]"];
        let expected: &[&str] = match function {
            "Api" => &tokens,
            // Who asks for decisions can do nothing else, and the API gives none.
            "Decide" => &["Resource: [!GetAtt DecideToken.Id]"],
            _ => &[],
        };
        assert_eq!(own, expected, "READ-1: {function}");
    }
}

/// R28: AWS, too, refuses the function that decides every item of a record.
#[test]
fn the_function_that_decides_reaches_no_register() {
    let source = template::source();
    let resources = template::resources(&source);
    let decide = &functions(&resources)["Decide"];
    let begins = OF_CALLS.map(|begin| format!("\"{begin}*\""));
    for (action, begins) in [("BatchGetItem", &begins[..]), ("UpdateItem", &begins[..2])] {
        let only = format!(
            "Action: dynamodb:{action}\n                Resource: !GetAtt Table.Arn\n                Condition: {{ ForAllValues:StringLike: {{ dynamodb:LeadingKeys: [{}] }} }}",
            begins.join(", ")
        );
        assert!(decide.contains(&only), "{only}");
    }
    assert_eq!(decide.matches("dynamodb:").count(), 4, "{decide}");
}

/// Each function with its role.
fn functions<'a>(resources: &BTreeMap<&'a str, String>) -> BTreeMap<&'a str, String> {
    let all = resources.iter();
    let functions = all.filter(|(_, text)| text.contains("Type: AWS::Serverless::Function\n"));
    functions
        .map(|(name, text)| {
            let role = &resources[format!("{name}Role").as_str()];
            (*name, format!("{text}{role}"))
        })
        .collect()
}

/// The queues whose messages start a function.
fn consumed(function: &str) -> BTreeSet<&str> {
    let lines = function.lines();
    let queues = lines.filter_map(|line| line.trim().strip_prefix("Queue: !GetAtt "));
    queues.filter_map(|arn| arn.strip_suffix(".Arn")).collect()
}

/// The queues that a function may send to.
fn sent_to(function: &str) -> BTreeSet<&str> {
    let statements = function.split("- Sid: ");
    statements
        .filter(|statement| statement.contains("sqs:SendMessage"))
        .flat_map(|statement| statement.split("!GetAtt ").skip(1))
        .filter_map(|text| text.split(".Arn").next())
        .collect()
}
