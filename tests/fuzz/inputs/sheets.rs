//! The sheet of a plan.

use tidegate_policy::pattern;

use super::promises::FLOWS;

/// A sheet gives each row a pattern with its reason, or each mistake its line.
pub fn plan_sheet(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let flows: Vec<_> = FLOWS
        .iter()
        .map(|flow| (format!("{}.toml", flow.id()), flow.file().clone()))
        .collect();
    match pattern::plan(Some(("sheet.csv", text)), &flows) {
        Ok(plan) => {
            for row in &plan.rows {
                assert!(!row.reason.is_empty());
                assert!(!row.reason.contains(char::is_control));
            }
            let faults = plan.providers.iter().map(|provider| provider.faults.len());
            assert_eq!(plan.fits(), faults.sum::<usize>() == 0);
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            let lines = text.matches('\n').count() + 1;
            for mistake in mistakes {
                assert!((1..=lines).contains(&mistake.line), "{mistake}");
                assert!(!mistake.message.contains(char::is_control), "{mistake:?}");
            }
        }
    }
}
