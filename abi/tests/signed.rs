//! Signed images: what is vouched for, and that nothing else is.

use boesfs_abi::image::{ImageError, KeyError, PublicKey, Release, SecretKey, decode, sign, strip};

const IMAGE: &[u8] = include_bytes!("images/boesfs.bin");

fn key() -> SecretKey {
    SecretKey::generate().expect("a key")
}

fn release(revision: u64) -> Release {
    Release::new("web", revision).expect("a release")
}

#[test]
fn a_signature_says_who_and_as_what() {
    let key = key();
    let file = sign(IMAGE, &key, &release(u64::MAX)).expect("a signed image");
    let image = decode(&file).expect("an image");
    let signed = image.signed().expect("a signature");
    assert_eq!(signed.key, key.public());
    assert_eq!((signed.release.name(), signed.release.revision()), ("web", u64::MAX));
    let plain = decode(IMAGE).expect("an image");
    assert!(plain.signed().is_none());
    assert_eq!(image.id_hex(), plain.id_hex(), "what is decided is the same");
    assert_eq!(image.blob(), plain.blob());
}

#[test]
fn signing_is_deterministic_and_replaces() {
    let (one, other) = (key(), key());
    let first = sign(IMAGE, &one, &release(1)).expect("a signed image");
    assert_eq!(sign(IMAGE, &one, &release(1)).as_ref(), Ok(&first));
    let second = sign(&first, &other, &release(2)).expect("a signed image");
    assert_eq!(sign(IMAGE, &other, &release(2)).as_ref(), Ok(&second), "nothing of the first is left");
    assert_eq!(strip(&first), strip(IMAGE), "without its notes an image is not the one that was signed");
}

/// Each flip of one bit in `file` is refused.
fn no_bit_may_flip(file: &[u8]) {
    for at in 0..file.len() * 8 {
        let mut bytes = file.to_vec();
        bytes[at / 8] ^= 1 << (at % 8);
        assert!(decode(&bytes).is_err(), "bit {} of byte {} may be anything", at % 8, at / 8);
    }
}

/// Of images of every shape, with and without what is there for people; a signature takes long, so one is signed.
#[test]
fn every_bit_counts() {
    no_bit_may_flip(&sign(IMAGE, &key(), &release(7)).expect("a signed image"));
    for whole in [
        IMAGE,
        include_bytes!("images/casbin.bin").as_slice(),
        include_bytes!("images/tuples.bin").as_slice(),
        include_bytes!("images/patterns.bin").as_slice(),
        include_bytes!("images/roles.bin").as_slice(),
    ] {
        no_bit_may_flip(whole);
        no_bit_may_flip(&strip(whole).expect("an image"));
    }
}

#[test]
fn a_signature_is_good_for_one_image_and_release() {
    let key = key();
    let casbin = include_bytes!("images/casbin.bin");
    let (one, other) = (sign(IMAGE, &key, &release(1)), sign(casbin, &key, &release(1)));
    let (mut one, other) = (one.expect("a signed image"), other.expect("a signed image"));
    let newer = sign(IMAGE, &key, &release(2)).expect("a signed image");
    let at = one.len() - 64;
    for foreign in [&other, &newer] {
        one[at..].copy_from_slice(&foreign[foreign.len() - 64..]);
        assert_eq!(decode(&one).map(|_| ()), Err(ImageError::Signature));
    }
}

#[test]
fn names_of_releases_can_be_shown() {
    for name in ["", "a\nb", "\u{7f}", &"x".repeat(256)] {
        assert_eq!(Release::new(name, 1), None, "{name:?}");
    }
    assert!(Release::new("x".repeat(255), 0).is_some());
}

#[test]
fn keys_are_files_of_the_usual_form() {
    let key = key();
    let (secret, public) = (key.to_pem(), key.public().to_pem());
    assert!(
        secret.starts_with("-----BEGIN PRIVATE KEY-----\n")
            && public.starts_with("-----BEGIN PUBLIC KEY-----\n")
    );
    assert_eq!(PublicKey::from_pem(&public), Ok(key.public()));
    assert_eq!(SecretKey::from_pem(&secret).map(|key| key.public()).as_ref(), Ok(&key.public()));
    assert_eq!(
        PublicKey::from_pem(&secret),
        Err(KeyError::Form("public")),
        "a secret key is not taken for a public one"
    );
    assert!(SecretKey::from_pem(&public).is_err());
    assert!(!format!("{key:?}").contains(&secret[30..60]));
}
