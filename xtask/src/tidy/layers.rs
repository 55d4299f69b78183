//! Which crate may know which: one direction, from text to kernel, and no way back.

use super::Finding;
use crate::workspace::{Package, Workspace};

/// Each crate and the project's crates it may depend on. What is missing in a line must stay so.
const LAYERS: [(&str, &[&str]); 7] = [
    ("boesfs-grammar", &[]),
    ("boesfs-abi", &[]),
    ("boesfs-compiler", &["boesfs-abi", "boesfs-grammar"]),
    ("boesfs-ebpf", &["boesfs-abi"]),
    // The privileged process never parses policy text.
    ("boesfs-runtime", &["boesfs-abi", "boesfs-ebpf"]),
    (
        "boesfs-testbench",
        &["boesfs-abi", "boesfs-compiler", "boesfs-ebpf", "boesfs-grammar", "boesfs-runtime"],
    ),
    // The tasks build the others and must work when they do not build.
    ("xtask", &["boesfs-abi"]),
];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    workspace
        .packages
        .iter()
        .flat_map(|package| {
            complaints(package).into_iter().map(|message| Finding {
                path: workspace.relative(&package.manifest_path).into(),
                line: 0,
                message,
            })
        })
        .collect()
}

fn complaints(package: &Package) -> Vec<String> {
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == package.name) else {
        return vec![format!("crate `{}` has no place in the layering of xtask's tidy", package.name)];
    };
    package
        .dependencies
        .iter()
        .filter(|dependency| LAYERS.iter().any(|(name, _)| *name == dependency.name))
        .filter(|dependency| !allowed.contains(&dependency.name.as_str()))
        .map(|dependency| format!("`{}` must not depend on `{}`", package.name, dependency.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        Package {
            name: name.into(),
            manifest_path: "Cargo.toml".into(),
            dependencies: dependencies
                .iter()
                .map(|name| Dependency { name: (*name).into(), kind: None })
                .collect(),
            targets: Vec::new(),
        }
    }

    #[test]
    fn the_way_back_is_closed() {
        assert!(
            complaints(&package("boesfs-compiler", &["boesfs-grammar", "boesfs-abi", "clap"])).is_empty()
        );
        assert_eq!(complaints(&package("boesfs-runtime", &["boesfs-compiler", "boesfs-grammar"])).len(), 2);
        assert_eq!(complaints(&package("boesfs-grammar", &["boesfs-abi"])).len(), 1);
        assert_eq!(complaints(&package("boesfs-extra", &[])).len(), 1);
    }
}
