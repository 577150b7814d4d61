//! A command whose flags are made when it is asked for, not whenever the program starts.
//!
//! The whole tree is some eighty commands with over a thousand flags: making it took more than half of what a
//! verification took.
use super::cosign;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use std::ops::Deref;

/// One of cosign's commands, parsed; its flags have the environment twins of cosign.
#[derive(Debug)]
pub(crate) struct Deferred<T>(pub(crate) Box<T>);

impl<T> Deref for Deferred<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Args> Args for Deferred<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(|command| cosign::with_environment(T::augment_args(command)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.defer(|command| cosign::with_environment(T::augment_args_for_update(command)))
    }
}

impl<T: FromArgMatches> FromArgMatches for Deferred<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches(matches).map(|parsed| Self(Box::new(parsed)))
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches_mut(matches).map(|parsed| Self(Box::new(parsed)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}
