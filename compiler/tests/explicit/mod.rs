//! The explicit form, as several tests ask for it.

use boesfs_compiler::migrate::{MigrateError, Migrated, Renaming, migrate};
use boesfs_compiler::model::{Allow, Settings};
use boesfs_compiler::pipeline::Limits;
use boesfs_grammar::Source;

/// Nothing is refused that may be allowed.
pub(crate) fn lenient() -> Settings {
    Settings { allow: Allow::All, ..Settings::default() }
}

/// The explicit form of a policy, and of its model.
pub(crate) fn migrated(sources: &[&str]) -> Result<Migrated, MigrateError> {
    let names = ["policy", "model"];
    let sources = names.iter().zip(sources).map(|(name, text)| Source::new(*name, *text)).collect();
    migrate(sources, &lenient(), &Limits::default(), &Renaming::default())
}

/// The form is final: it has an `eft` column, and a second migration changes nothing.
pub(crate) fn check_final(name: &str, migrated: &Migrated) {
    let text = String::from_utf8(migrated.text.clone()).expect("text");
    let again = self::migrated(&[&text]).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
    assert_eq!(String::from_utf8_lossy(&again.text), text, "{name}");
    let definition = text.lines().find(|line| line.starts_with("p = ")).expect("a definition");
    assert!(definition.ends_with("eft") || definition.contains("eft,"), "{name}: {definition}");
}
