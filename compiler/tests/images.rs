//! The images that crates below the compiler test with: each is what its policy compiles to.
//!
//! `UPDATE_GOLDEN=1` writes them.

use std::fs;
use std::path::Path;

use boesfs_compiler::Policy;

#[test]
fn images_are_what_their_policies_compile_to() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let own = ["boesfs", "casbin"].map(|name| (name, root.join("abi/tests/images")));
    let examples = ["tuples", "patterns", "roles"].map(|name| (name, root.join("policies/examples")));
    for (name, folder) in own.into_iter().chain(examples) {
        let text = fs::read(folder.join(name).with_extension("conf")).expect("a policy");
        let policy =
            Policy::options().allow("all").parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let image = policy.compile().unwrap_or_else(|error| panic!("{name}: {error}"));
        let path = root.join("abi/tests/images").join(name).with_extension("bin");
        if std::env::var("UPDATE_GOLDEN").is_ok_and(|value| value == "1") {
            fs::write(&path, image.as_bytes()).expect("the image can be written");
        }
        let have = fs::read(&path).expect("an image; `UPDATE_GOLDEN=1` writes it");
        assert_eq!(have, image.as_bytes(), "{name} is stale; `UPDATE_GOLDEN=1` writes it");
    }
}
