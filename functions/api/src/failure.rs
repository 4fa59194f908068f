//! What the engine could not do, as a problem for the caller. The chain is logged here, once, and
//! shown nowhere.

use axum::extract::rejection::PathRejection;
use tidegate_engine::{
    EngineError,
    api::{ForgetError, ReviewError},
    chain,
};
use tidegate_lambda::Problem;

/// A failure of a use case.
pub(crate) fn refused(error: EngineError) -> Problem {
    match error {
        EngineError::UnknownFlow(unknown) => Problem::not_found(unknown.to_string()),
        EngineError::Store(_) | EngineError::Port(_) => {
            tracing::error!(error = %chain(&error), "request not completed");
            Problem::unavailable()
        }
        EngineError::Corrupt(_) => {
            tracing::error!(error = %chain(&error), "an item of the table can not be read");
            Problem::internal()
        }
    }
}

/// A failure of what was asked of a review.
pub(crate) fn review_refused(error: ReviewError) -> Problem {
    match error {
        ReviewError::NotFound => Problem::not_found(error.to_string()),
        ReviewError::Changed | ReviewError::Unsuitable(_) => Problem::conflict(error.to_string()),
        ReviewError::UnknownField(ref field) => {
            let field = format!("fields.{field}");
            Problem::unprocessable(error.to_string()).with_field(field)
        }
        ReviewError::Invalid(fault) => {
            let problem = Problem::unprocessable(format!("it would not be sent: {fault}"));
            match fault.field {
                Some(field) => problem.with_field(format!("fields.{}", field.replace('/', "."))),
                None => problem,
            }
        }
        ReviewError::Unbuildable(why) => {
            Problem::unprocessable(format!("the request can not be built: {why}"))
        }
        ReviewError::Engine(error) => refused(error),
    }
}

/// A failure to forget.
pub(crate) fn forget_refused(error: ForgetError) -> Problem {
    match error {
        ForgetError::NotFound(_) => Problem::not_found(error.to_string()),
        ForgetError::Needed(why) => Problem::conflict(why),
        ForgetError::Engine(error) => refused(error),
    }
}

/// A path that is no text.
pub(crate) fn unreadable_path(_: PathRejection) -> Problem {
    unknown_path()
}

/// A path that nothing answers.
pub(crate) fn unknown_path() -> Problem {
    Problem::not_found("there is no such path")
}
