//! Images that are not taken say why, each in its own words.

#[path = "support/bad_images.rs"]
mod bad_images;

use std::collections::HashSet;

use bad_images::bad_images;
use boesfs_abi::image::{ImageError, VERSION, decode};

#[test]
fn each_fault_has_its_own_words() {
    let mut said = HashSet::new();
    for bad in bad_images(include_bytes!("images/casbin.bin")) {
        let error = decode(&bad.file).map(|_| ()).expect_err(bad.name).to_string();
        assert!(error.contains(bad.words), "{}: {error}", bad.name);
        assert!(said.insert(error), "{}: the same words as another", bad.name);
    }
}

/// Images of earlier versions are read, or refused as such: never taken for damaged ones.
#[test]
fn an_image_of_each_version_is_kept() {
    for version in 1..=VERSION {
        let path = format!("{}/tests/images/v{version}.bin", env!("CARGO_MANIFEST_DIR"));
        let file = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(file[8..12], version.to_le_bytes(), "{path} is of another version");
        match decode(&file) {
            Ok(_) | Err(ImageError::Version(_) | ImageError::Fingerprint { .. }) => {}
            Err(error) => panic!("{path}: {error}"),
        }
    }
}
