//! What goes wrong in each theme, in a dose so strong that a few hundred port calls show what it does.

mod messages;
mod processes;
mod systems;

use super::{dose::Dose, theme::Theme};

impl Theme {
    /// What it does. A day has a plan of its own.
    pub fn dose(self) -> Dose {
        match self {
            Self::Day => messages::day(),
            Self::Late => systems::late(),
            Self::Rename => systems::rename(),
            Self::Breaker => systems::breaker(),
            Self::Source => systems::source(),
            Self::Pages => systems::pages(),
            Self::Locked => systems::locked(),
            Self::Worn => messages::worn(),
            Self::Compared => processes::compared(),
            Self::Throttle => systems::throttle(),
            Self::Zombie => processes::zombie(),
            Self::Overdue => processes::overdue(),
            Self::Backlog => processes::backlog(),
            Self::Away => systems::away(),
            Self::Spent => systems::spent(),
            Self::Probe => systems::probe(),
            Self::Returned => processes::returned(),
            Self::Lost => processes::lost(),
            Self::Crash => processes::crash(),
            Self::Queue => messages::queue(),
            Self::Lease => processes::lease(),
            Self::Overtaken => processes::overtaken(),
            Self::Deploy => messages::deploy(),
            Self::Stranded => messages::stranded(),
            Self::Hooks => messages::hooks(),
            Self::Gone => systems::gone(),
            Self::Stopped => messages::stopped(),
            Self::Quota => systems::quota(),
            Self::Reviewed => messages::reviewed(),
            Self::Vanished => systems::vanished(),
            Self::Restored => systems::restored(),
            Self::Again => systems::again(),
        }
    }
}
