use std::{fs, path::Path};

use super::*;

const TEMPLATE: &str = include_str!("../../../template.yaml");
const SUPPLIERS: &str = include_str!("../../../flows/suppliers.toml");
const CONTACTS: &str = include_str!("../../../flows/examples/contacts.toml");

/// What makes records of a flow go on to a warehouse.
const WAREHOUSE: &str = r#"
[warehouse]
name = "snowflake"
place = "s3://staged/loads/"
base_url = "https://myorg-tide.snowflakecomputing.com"
account = "myorg-tide"
user = "TIDEGATE_LOADER"
key = "SNOWFLAKE_KEY"
role = "TIDEGATE_LOAD"
warehouse = "TIDEGATE_WH"
database = "TIDEGATE"
schema = "MARKET"
"#;

fn flow(text: &str) -> FlowFile {
    toml::from_str(text).unwrap()
}

fn loaded_contacts() -> FlowFile {
    flow(&format!("{CONTACTS}{WAREHOUSE}"))
}

/// A flow of the same systems as the one that ships, so that it needs no more secrets.
fn named(name: &str) -> FlowFile {
    let line = format!("name = \"{name}\"");
    flow(&SUPPLIERS.replacen("name = \"suppliers\"", &line, 1))
}

/// The lines of `after` that `before` has not, and the other way round.
fn changed<'a>(before: &'a str, after: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let without = |some: &'a str, others: &str| -> Vec<&'a str> {
        let others: Vec<&str> = others.lines().collect();
        some.lines().filter(|line| !others.contains(line)).collect()
    };
    (without(before, after), without(after, before))
}

/// Each line that has another in its place, where none is new or gone.
fn replaced<'a>(before: &'a str, after: &'a str) -> Vec<(&'a str, &'a str)> {
    assert_eq!(before.lines().count(), after.lines().count());
    let lines = before.lines().zip(after.lines());
    lines.filter(|(before, after)| before != after).collect()
}

/// The template without the graphs of its dashboard, each a line.
fn without_widgets(template: &str) -> String {
    let lines = template
        .lines()
        .filter(|line| !line.trim_start().starts_with("{\"height\":"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_template_says_what_the_shipped_flows_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../flows");
    let files = flows::read(Some(&folder)).unwrap();
    let flows: Vec<FlowFile> = flows::parse(&files)
        .unwrap()
        .into_iter()
        .map(|(_, flow)| flow)
        .collect();
    let rendered = render(TEMPLATE, &flows).unwrap();
    assert_eq!(
        rendered.stale,
        Vec::<String>::new(),
        "run `tidegate render`"
    );
    assert_eq!(rendered.text, TEMPLATE);
}

#[test]
fn a_change_of_windows_shows_in_the_schedule_and_the_graph_of_runs_of_its_flow_and_nowhere_else() {
    let earlier = SUPPLIERS.replacen("at = \"10:00\"", "at = \"09:00\"", 1);
    let other = named("end-of-day");
    let before = render(TEMPLATE, &[flow(SUPPLIERS), other.clone()]).unwrap();
    let rendered = render(&before.text, &[flow(&earlier), other.clone()]).unwrap();
    assert_eq!(
        rendered.stale,
        [
            "SuppliersWindows is stale in schedules",
            "Dashboard is stale in dashboard"
        ]
    );
    let replaced = replaced(&before.text, &rendered.text);
    let [(schedule, new_schedule), (graph, new_graph)] = replaced.as_slice() else {
        panic!("{replaced:?}");
    };
    assert!(schedule.ends_with("ScheduleExpression: cron(0 2,10,14,18 * * ? *)"));
    assert!(new_schedule.ends_with("ScheduleExpression: cron(0 2,9,14,18 * * ? *)"));
    let whose = format!("Name: !Sub tidegate-${{Stage}}-suppliers\n{new_schedule}\n");
    assert!(rendered.text.contains(&whose), "{whose}");
    assert!(graph.contains("\"title\":\"suppliers: time and trend of runs\""));
    assert_eq!(graph.replace("10:00", "09:00"), *new_graph);

    let once_more = render(&rendered.text, &[flow(&earlier), other.clone()]).unwrap();
    assert_eq!(once_more.stale, Vec::<String>::new());
    let back = render(&rendered.text, &[flow(SUPPLIERS), other]).unwrap();
    assert_eq!(back.text, before.text);
}

#[test]
fn a_window_at_another_minute_is_a_schedule_of_its_own_and_goes_with_it() {
    let later = SUPPLIERS.replacen("at = \"10:00\"", "at = \"10:30\"", 1);
    let rendered = render(TEMPLATE, &[flow(&later)]).unwrap();
    assert_eq!(
        rendered.stale,
        [
            "SuppliersWindows is stale in schedules",
            "SuppliersWindows2 is missing in schedules",
            "Dashboard is stale in dashboard"
        ]
    );
    assert!(
        rendered
            .text
            .contains("Name: !Sub tidegate-${Stage}-suppliers-2\n")
    );
    let back = render(&rendered.text, &[flow(SUPPLIERS)]).unwrap();
    assert_eq!(
        back.stale[1],
        "SuppliersWindows2 belongs to no flow in schedules"
    );
    assert_eq!(back.text, TEMPLATE);
}

#[test]
fn another_flow_adds_its_schedules_and_changes_none() {
    let rendered = render(TEMPLATE, &[flow(SUPPLIERS), named("end-of-day")]).unwrap();
    let (before, after) = (without_widgets(TEMPLATE), without_widgets(&rendered.text));
    let (gone, _) = changed(&before, &after);
    assert_eq!(gone, Vec::<&str>::new());
    let is_alarm = |stale: &&String| stale.ends_with(" in alarms");
    let (alarms, others): (Vec<&String>, Vec<&String>) = rendered.stale.iter().partition(is_alarm);
    assert_eq!(
        others,
        [
            "EndOfDayWindows is missing in schedules",
            "EndOfDayReconcile is missing in schedules",
            "Dashboard is stale in dashboard"
        ]
    );
    // Its systems are those of the other, and have their alarms.
    let of_it = |stale: &&String| stale.starts_with("EndOfDay");
    assert_eq!(alarms.len(), 9);
    assert!(alarms.iter().all(of_it), "{alarms:?}");
    let input = r#"Input: '{"flow":"end-of-day","window":"<aws.scheduler.scheduled-time>"}'"#;
    assert_eq!(rendered.text.matches(input).count(), 2);
}

#[test]
fn goals_and_systems_of_a_flow_are_its_alarms() {
    let alarms = alarms::alarms(&[flow(CONTACTS)]);
    let ids: Vec<&str> = alarms.iter().map(|alarm| alarm.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "ContactsFreshnessCritical",
            "ContactsFreshnessOther",
            "ContactsRunMissed",
            "ContactsBlocked",
            "ContactsReviewsGrowing",
            "ContactsDeadLetters",
            "ContactsMessagesGoRound",
            "ContactsComparisonMissed",
            "ContactsWebhooksSilent",
            "NewsletterRealTimeSuccessLow",
            "NewsletterBatchSuccessLow",
            "CrmBatchSuccessLow",
            "NewsletterBreakerOpen",
            "CrmBreakerOpen",
        ]
    );
    let mut pulled = flow(CONTACTS);
    pulled.webhook = None;
    assert_eq!(alarms::alarms(&[pulled]).len(), alarms.len() - 1);
    let goal = flow(CONTACTS).freshness.other_s;
    assert!(alarms[1].text.contains(&format!("Threshold: {goal}\n")));
}

#[test]
fn loads_that_stop_and_a_warehouse_that_differs_are_alarms_of_a_flow_that_has_one() {
    let kept = alarms::alarms(&[flow(CONTACTS)]);
    let kept: Vec<String> = kept.into_iter().map(|one| one.id).collect();
    let mut added = alarms::alarms(&[loaded_contacts()]);
    added.retain(|alarm| !kept.contains(&alarm.id));
    let ids: Vec<&str> = added.iter().map(|alarm| alarm.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "ContactsLoadsLate",
            "ContactsWarehouseDiffers",
            "ContactsWarehouseNotCompared"
        ]
    );
    for (alarm, metric, threshold) in [
        (&added[0], "LoadLag", "3600"),
        (&added[1], "LoadFindings", "0"),
        (&added[2], "LoadComparisonAge", "129600"),
    ] {
        for line in [
            format!("MetricName: {metric}\n"),
            format!("Threshold: {threshold}\n"),
            "ComparisonOperator: GreaterThanThreshold\n".to_owned(),
        ] {
            assert!(
                alarm.text.contains(&line),
                "{line} is not in {}",
                alarm.text
            );
        }
    }
}

#[test]
fn the_dashboard_shows_every_metric_of_the_table() {
    let decides = format!(
        "{SUPPLIERS}\n[decide]\npath = \"/credit/{{{{ key }}}}\"\nyes = \"answer.yes == true\"\nlimit = {{ calls = 5, per_s = 60 }}\n"
    );
    let dashboard = dashboard::dashboard(&[flow(&decides), loaded_contacts()]);
    for metric in tidegate_model::metric::METRICS {
        let named = format!("\"tidegate-${{Stage}}\",\"{}\"", metric.name);
        assert!(dashboard[0].text.contains(&named), "{metric}");
    }
}

#[test]
fn a_trigger_is_a_rule_with_leave_to_start_a_batch() {
    let contacts = CONTACTS.replacen(
        "detail = { \"/region\" = [\"us\"] }",
        "bus = \"default\"\ndetail = { \"/region\" = [\"O'ahu\"] }",
        1,
    );
    let rules = resources::rules(&[flow(&contacts)]);
    let [rule, permission] = rules.as_slice() else {
        panic!("{rules:?}");
    };
    assert_eq!(
        rule.text,
        r#"  ContactsEvent1:
    Type: AWS::Events::Rule
    Properties:
      Name: !Sub tidegate-${Stage}-contacts-event-1
      Description: An event that starts a batch of contacts.
      EventBusName: 'default'
      State: !If [StartsByItself, ENABLED, DISABLED]
      EventPattern: {"detail":{"region":["O'ahu"]},"detail-type":["end of day"],"source":["crm"]}
      Targets:
        - Id: batch-sync
          Arn: !Ref BatchSync.Alias
          DeadLetterConfig: { Arn: !GetAtt Undelivered.Arn }
          InputTransformer:
            InputPathsMap: {"id":"$.id","time":"$.time"}
            InputTemplate: '{"flow":"contacts","trigger":{"id":"<id>","time":"<time>"}}'
"#
    );
    assert_eq!(permission.id, "ContactsEvent1Permission");
    assert!(
        permission
            .text
            .contains("SourceArn: !GetAtt ContactsEvent1.Arn\n")
    );
}

#[test]
fn each_secret_is_made_and_read_by_those_who_need_it_alone() {
    let made = secrets::secrets(&[flow(SUPPLIERS), flow(CONTACTS)]).unwrap();
    let ids: Vec<&str> = made.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "CrmApiKey",
            "CrmWebhook",
            "ErpToken",
            "NewsletterToken",
            "QualioApiKey",
            "SuppliersWebhook1",
            "SuppliersWebhook2",
            "SystemSecrets",
            "SourceSecrets",
            "WarehouseSecrets",
            "WebhookSecrets",
        ]
    );
    let text = |id: &str| &made.iter().find(|one| one.id == id).unwrap().text;
    assert!(text("ErpToken").contains("Name: !Sub tidegate/${Stage}/ERP_TOKEN\n"));
    let read = "Resource: [!GetAtt CrmApiKey.Id, !GetAtt ErpToken.Id, !GetAtt NewsletterToken.Id, \
                !GetAtt QualioApiKey.Id]\n";
    assert!(
        text("SystemSecrets").contains(read),
        "{}",
        text("SystemSecrets")
    );
    let read = "Resource: [!GetAtt CrmApiKey.Id, !GetAtt ErpToken.Id]\n";
    assert!(
        text("SourceSecrets").contains(read),
        "{}",
        text("SourceSecrets")
    );
    let read = "Resource: [!GetAtt CrmWebhook.Id, !GetAtt SuppliersWebhook1.Id, \
                !GetAtt SuppliersWebhook2.Id]\n";
    assert!(
        text("WebhookSecrets").contains(read),
        "{}",
        text("WebhookSecrets")
    );
    // The key of a warehouse is for who loads, and for nobody else.
    let made = secrets::secrets(&[loaded_contacts()]).unwrap();
    let read = |id: &str| {
        let policy = made.iter().find(|one| one.id == id).unwrap();
        let (_, resource) = policy.text.split_once("Resource: ").unwrap();
        resource.trim_end().to_owned()
    };
    assert_eq!(read("WarehouseSecrets"), "[!GetAtt SnowflakeKey.Id]");
    let systems = "[!GetAtt CrmApiKey.Id, !GetAtt NewsletterToken.Id]";
    assert_eq!(read("SystemSecrets"), systems);
    // A flow without webhooks: the policy is there, since a role takes it, and allows nothing.
    let mut without = flow(CONTACTS);
    without.webhook = None;
    let without = secrets::secrets(&[without]).unwrap();
    let policy = without.last().unwrap();
    assert!(
        policy.text.contains("secret:tidegate/${Stage}/none\"\n"),
        "{}",
        policy.text
    );
}

#[test]
fn a_setting_that_a_stage_does_not_give_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.yaml");
    fs::write(&template, TEMPLATE).unwrap();
    fs::write(folder.path().join("suppliers.toml"), SUPPLIERS).unwrap();
    fs::create_dir(folder.path().join("stages")).unwrap();
    fs::write(
        folder.path().join("stages/staging.toml"),
        "ERP_URL = \"https://erp\"\n",
    )
    .unwrap();
    let outcome = run(&RenderArgs {
        check: false,
        flows: Some(folder.path().to_owned()),
        template: Some(template.clone()),
    });
    assert_eq!(outcome.unwrap(), Outcome::Found);
    assert_eq!(fs::read_to_string(&template).unwrap(), TEMPLATE);
}

#[test]
fn names_that_aws_would_refuse_are_refused() {
    let told = |flows: &[FlowFile]| render(TEMPLATE, flows).unwrap_err().to_string();
    let long = told(&[named("suppliers-of-all-companies")]);
    assert!(
        long.contains("26 characters; AWS has room for 24"),
        "{long}"
    );
    // Each takes what the other's schedules or the stack's own are called.
    let twice = told(&[named("ab"), named("ab-reconcile")]);
    assert!(twice.contains("rename one of the flows"), "{twice}");
    let own = told(&[named("tick")]);
    assert!(own.contains("`Name: !Sub tidegate-${Stage}-tick`"), "{own}");
    let same = told(&[named("a-b"), named("a--b")]);
    assert!(same.contains("ABWindows stands there twice"), "{same}");
}

#[test]
fn a_template_without_its_regions_is_refused() {
    let begin = "  # tidegate render: begin rules\n";
    let told = |template: &str| {
        render(template, &[flow(SUPPLIERS)])
            .unwrap_err()
            .to_string()
    };
    let without = told(&TEMPLATE.replacen(begin, "", 1));
    assert_eq!(without, "it has no line `# tidegate render: begin rules`");
    let twice = told(&TEMPLATE.replacen(begin, &begin.repeat(2), 1));
    assert!(twice.contains("more than once"), "{twice}");
}

#[test]
fn a_check_writes_nothing_and_a_rendering_what_is_stale() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.yaml");
    let flows = folder.path().join("suppliers.toml");
    fs::write(&template, TEMPLATE).unwrap();
    fs::write(
        &flows,
        SUPPLIERS.replacen("at = \"10:00\"", "at = \"09:00\"", 1),
    )
    .unwrap();
    let rendered = |check| {
        let (flows, template) = (Some(flows.clone()), Some(template.clone()));
        run(&RenderArgs {
            check,
            flows,
            template,
        })
        .unwrap()
    };
    assert_eq!(rendered(true), Outcome::Found);
    assert_eq!(fs::read_to_string(&template).unwrap(), TEMPLATE);
    assert_eq!(rendered(false), Outcome::Fine);
    assert_ne!(fs::read_to_string(&template).unwrap(), TEMPLATE);
    assert_eq!(rendered(true), Outcome::Fine);
}
