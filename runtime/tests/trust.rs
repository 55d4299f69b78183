//! Ledgers and keys that are none, and launchers that share a ledger.

use std::fs;
use std::path::Path;

use boesfs_abi::image::{Release, SecretKey, Signed};
use boesfs_runtime::trust::{TrustError, check_revision, keys, record_revision};

fn signed(key: &SecretKey, revision: u64) -> Signed {
    Signed { release: Release::new("web", revision).expect("a release"), key: key.public() }
}

#[test]
fn what_is_no_ledger_refuses_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = SecretKey::generate().expect("a key");
    let at = |name: &str| dir.path().join(name);
    let elsewhere = at("elsewhere");
    fs::write(&elsewhere, "not the launcher's to overwrite").expect("a file");
    for name in ["link", "a.new", "b.lock"] {
        std::os::unix::fs::symlink(&elsewhere, at(name)).expect("a link");
    }
    fs::create_dir(at("folder")).expect("a directory");
    nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    for name in ["link", "a", "b", "folder", "fifo", "missing/ledger"] {
        let recorded = record_revision(&at(name), &signed(&key, 1), "a");
        assert!(matches!(recorded, Err(TrustError::Ledger { .. })), "{name}: {recorded:?}");
    }
    let endless = record_revision(Path::new("/dev/zero"), &signed(&key, 1), "a");
    assert!(matches!(endless, Err(TrustError::Ledger { .. })), "{endless:?}");
    let kept = fs::read_to_string(&elsewhere).expect("a file");
    assert_eq!(kept, "not the launcher's to overwrite");
}

#[test]
fn launchers_share_a_ledger() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ledger");
    let key = SecretKey::generate().expect("a key");
    std::thread::scope(|scope| {
        for first in 0..4 {
            let (path, key) = (&path, &key);
            scope.spawn(move || {
                for revision in (first..40).step_by(4) {
                    // An older one than another thread has written down is refused, and nothing else is.
                    match record_revision(path, &signed(key, revision), &revision.to_string()) {
                        Ok(()) | Err(TrustError::RolledBack { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    check_revision(&path, &signed(&key, 39), "39").expect("the newest");
    let older = check_revision(&path, &signed(&key, 38), "38");
    assert!(matches!(older, Err(TrustError::RolledBack { newest: 39, .. })), "{older:?}");
}

#[test]
fn what_is_no_key_is_no_key() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = SecretKey::generate().expect("a key");
    let (pem, secret) = (key.public().to_pem(), key.to_pem());
    let long = pem.clone() + &" ".repeat(1 << 17);
    let texts: [&[u8]; 6] = [
        b"",
        &pem.as_bytes()[..pem.len() - 30],
        long.as_bytes(),
        b"\xff\xfe",
        secret.as_bytes(),
        b"ssh-ed25519 AAAA",
    ];
    for text in texts {
        let path = dir.path().join("key");
        fs::write(&path, text).expect("a file");
        let read = keys(&[path]);
        assert!(read.is_err(), "{read:?}");
    }
    for path in ["/dev/zero", "/", "/nowhere"] {
        assert!(matches!(keys(&[path.into()]), Err(TrustError::Unreadable { .. })), "{path}");
    }
}
