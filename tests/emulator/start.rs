//! How the functions start: what `cargo bench -p tidegate-bare` measures, as far as it is no figure.

use crate::{
    binaries::{FUNCTIONS, built, package_of},
    first_poll::first_poll,
};

#[test]
fn no_function_asks_anybody_before_it_asks_for_its_first_invocation() {
    let folder = built();
    for function in FUNCTIONS {
        let poll = first_poll(&folder.join(package_of(function)));
        assert_eq!(poll.connections, 0, "{function}");
    }
}
