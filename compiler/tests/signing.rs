//! `keygen`, `sign`, `verify` and `build --sign` from outside.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const POLICY: &str = "\
[request_definition]
r = sub, obj, act
[policy_definition]
p = obj, act
[policy_effect]
e = !some(where (p.eft == deny))
[matchers]
m = pathMatch(r.obj, p.obj) && r.act == p.act
[policy]
p, /srv/keys/**, @use
";

/// A folder with a policy, its image and two pairs of keys, `one.key` and `other.key`.
struct Workplace(tempfile::TempDir);

impl Workplace {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().expect("a temporary directory"));
        fs::write(
            this.path().join("policy.conf"),
            POLICY.replace("p = obj, act\n", "p = obj, act, eft\n").replace("@use", "@use, deny"),
        )
        .expect("a policy");
        this.fine("build policy.conf -o policy.bin");
        this.fine("keygen -o one.key");
        this.fine("keygen -o other.key");
        this
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Status, standard output and standard error of `boesfsc` with the words of `line`.
    fn run(&self, line: &str) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_boesfsc"));
        let output = command.args(line.split(' ')).current_dir(self.path()).output().expect("boesfsc runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn fine(&self, line: &str) -> String {
        let (status, out, err) = self.run(line);
        assert_eq!((status, err.as_str()), (Some(0), ""), "{line}");
        out
    }

    /// That `line` ends with `status` and says `words`, in one line.
    fn fails(&self, line: &str, status: i32, words: &str) {
        let (found, _, err) = self.run(line);
        assert_eq!(found, Some(status), "{line}: {err}");
        assert!(err.contains(words) && err.starts_with("error: "), "{line}: {err}");
    }
}

#[test]
fn the_secret_key_is_for_its_owner_and_never_overwritten() {
    let place = Workplace::new();
    let mode =
        |name: &str| fs::metadata(place.path().join(name)).expect("a key").permissions().mode() & 0o777;
    assert_eq!(mode("one.key"), 0o600);
    assert_eq!(mode("one.key.pub") & 0o022, 0);
    let before = fs::read(place.path().join("one.key")).expect("a key");
    place.fails("keygen -o one.key", 3, "is there already");
    assert_eq!(fs::read(place.path().join("one.key")).expect("a key"), before);
    fs::remove_file(place.path().join("one.key")).expect("a key");
    place.fails("keygen -o one.key", 3, "one.key.pub");
    assert!(!place.path().join("one.key").exists());
}

#[test]
fn what_is_signed_verifies() {
    let place = Workplace::new();
    let out = place.fine("sign --key one.key --release web --revision 7 policy.bin -o signed.bin");
    assert!(out.contains("`web` revision 7"), "{out}");
    place.fine("verify --key other.key.pub --key one.key.pub --release web --revision 7 signed.bin");
    let verified = place.fine("verify --format json --key one.key.pub signed.bin");
    let verified: Value = serde_json::from_str(&verified).expect("JSON");
    assert_eq!((&verified["ok"], &verified["signed"]["revision"]), (&true.into(), &7.into()));
    place.fine("build policy.conf -o built.bin --sign one.key --release web --revision 7");
    let read = |name: &str| fs::read(place.path().join(name)).expect("an image");
    assert_eq!(read("built.bin"), read("signed.bin"), "built signed, or signed later");
    assert!(place.fine("inspect signed.bin").contains("revision 7"));
    let asked = "eval signed.bin --sub /bin/sh --obj /srv/keys/a --act read";
    assert!(place.run(asked).1.contains("deny"), "a signed image answers");
}

#[test]
fn each_lack_of_trust_has_its_message() {
    let place = Workplace::new();
    place.fails("verify --key one.key.pub policy.bin", 1, "is not signed");
    place.fine("sign --key one.key --release web --revision 7 policy.bin -o signed.bin");
    place.fails("verify --key other.key.pub signed.bin", 1, "signed by another key");
    place.fails("verify --key one.key.pub --release mail signed.bin", 1, "signed as `web`");
    place.fails("verify --key one.key.pub --revision 8 signed.bin", 1, "revision 7");
    let mut bytes = fs::read(place.path().join("signed.bin")).expect("an image");
    *bytes.last_mut().expect("a byte") ^= 1;
    fs::write(place.path().join("forged.bin"), &bytes).expect("an image");
    place.fails("verify --key one.key.pub forged.bin", 1, "damaged or forged");
    place.fails("inspect forged.bin", 3, "damaged or forged");
}

#[test]
fn bad_keys_and_images_are_told_apart() {
    let place = Workplace::new();
    place.fails("verify --key missing policy.bin", 3, "cannot be read");
    place.fails("verify --key policy.conf policy.bin", 3, "not an ed25519 public key");
    place.fails("verify --key one.key policy.bin", 3, "not an ed25519 public key");
    place.fails("verify --key policy.bin policy.bin", 3, "not a PEM file");
    place.fails("verify --key /dev/zero policy.bin", 3, "longer than");
    place.fails("verify --key one.key.pub /dev/zero", 3, "longer than");
    place.fails("sign --key /dev/zero --release a --revision 1 policy.bin", 3, "longer than");
    place.fails("verify --key . policy.bin", 3, "cannot be read");
    place.fails(
        "sign --key one.key.pub --release a --revision 1 policy.bin",
        3,
        "not an ed25519 private key",
    );
    place.fails("sign --key one.key --release a --revision 1 policy.conf", 3, "not a policy image");
    place.fails("sign --key one.key --revision 1 policy.bin", 2, "--release NAME");
    place.fails("build policy.conf -o x.bin --release a", 2, "go with `--sign`");
    place.fails("build policy.conf -o x.bin --sign missing --release a --revision 1", 3, "cannot be read");
    assert!(!place.path().join("x.bin").exists());
    let before = fs::read(place.path().join("policy.bin")).expect("an image");
    place.fails(
        "sign --key one.key --release a --revision 1 policy.bin -o nowhere/x",
        3,
        "cannot be written",
    );
    assert_eq!(fs::read(place.path().join("policy.bin")).expect("an image"), before);
}

#[test]
fn a_secret_key_that_others_can_read_is_told() {
    let place = Workplace::new();
    let key = place.path().join("one.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).expect("a mode");
    let (status, _, err) =
        place.run("sign --key one.key --release web --revision 7 policy.bin -o signed.bin");
    assert_eq!(status, Some(0));
    assert_eq!(err, "warning: secret key `one.key` is open to others: its mode is 0640\n");
}

#[test]
fn what_is_read_is_not_written_over() {
    let place = Workplace::new();
    let read = |name: &str| fs::read(place.path().join(name)).expect("a file");
    let (model, rules) = POLICY.split_once("[policy]\n").expect("a policy section");
    fs::write(place.path().join("m.txt"), model).expect("a model");
    fs::write(place.path().join("p.txt"), rules).expect("rules");
    fs::hard_link(place.path().join("one.key"), place.path().join("hard.key")).expect("a link");
    std::os::unix::fs::symlink("one.key", place.path().join("soft.key")).expect("a link");
    let files = ["policy.conf", "m.txt", "p.txt", "one.key"];
    let before = files.map(read);
    for line in [
        "build policy.conf -o policy.conf",
        "build policy.conf -o ./policy.conf",
        "build --model m.txt p.txt -o m.txt",
        "build --model m.txt p.txt -o p.txt",
        "build policy.conf -o one.key --sign one.key --release a --revision 1",
        "build policy.conf -o one.key --sign hard.key --release a --revision 1",
        "build policy.conf -o one.key --sign soft.key --release a --revision 1",
        "sign --key one.key --release a --revision 1 policy.bin -o one.key",
        "sign --key soft.key --release a --revision 1 policy.bin -o one.key",
        "sign --key soft.key --release a --revision 1 policy.bin -o soft.key",
        "sign --key one.key --release a --revision 1 one.key",
    ] {
        place.fails(line, 2, "would replace the input");
    }
    assert_eq!(files.map(read), before);
    place.fine("sign --key one.key --release a --revision 1 policy.bin -o policy.bin");
}

/// `openssl genpkey -algorithm ed25519` writes this form, and `openssl pkey` reads no other. The key is RFC 8410's.
#[test]
fn a_secret_key_has_the_form_that_other_tools_read() {
    let place = Workplace::new();
    let text = fs::read_to_string(place.path().join("one.key")).expect("a key");
    let line = text.lines().nth(1).expect("a line of Base64");
    assert!(
        line.starts_with("MC4CAQAwBQYDK2VwBCIEI") && text.lines().count() == 3,
        "version 1, a seed alone"
    );
    let known = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
    let pem = |line: &str| format!("-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----\n");
    fs::write(place.path().join("known.key"), pem(known)).expect("a key");
    fs::set_permissions(place.path().join("known.key"), fs::Permissions::from_mode(0o600)).expect("a mode");
    // The same with its public key beside it, as it was written once.
    let both = "MFECAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhCgSEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    let (first, second) = both.split_at(64);
    fs::write(place.path().join("both.key"), pem(&format!("{first}\n{second}"))).expect("a key");
    fs::set_permissions(place.path().join("both.key"), fs::Permissions::from_mode(0o600)).expect("a mode");
    let signed =
        |key: &str| place.fine(&format!("sign --key {key} --release a --revision 1 policy.bin -o {key}.bin"));
    let public = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
    assert!(signed("known.key").contains(public) && signed("both.key").contains(public));
}

/// What stands where an image is to go is replaced only if it is a file, and no link is followed to one that is not meant.
#[test]
fn nothing_but_a_file_is_replaced() {
    let place = Workplace::new();
    std::os::unix::fs::symlink("/dev/null", place.path().join("null")).expect("a link");
    place.fine("sign --key one.key --release web --revision 7 policy.bin -o null");
    place.fine("build policy.conf -o null");
    assert!(fs::symlink_metadata(place.path().join("null")).expect("a link").is_symlink(), "replaced");
    std::os::unix::fs::symlink("policy.conf", place.path().join("link")).expect("a link");
    let before = fs::read(place.path().join("policy.conf")).expect("a policy");
    place.fine("build policy.conf -o link");
    assert_eq!(
        fs::read(place.path().join("policy.conf")).expect("a policy"),
        before,
        "the link was followed"
    );
    // Whoever could not read the old image cannot read the new one.
    fs::set_permissions(place.path().join("policy.bin"), fs::Permissions::from_mode(0o600)).expect("a mode");
    place.fine("build policy.conf -o policy.bin --strip");
    let mode = fs::metadata(place.path().join("policy.bin")).expect("an image").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::os::unix::fs::symlink("nowhere", place.path().join("new.key.pub")).expect("a link");
    place.fails("keygen -o new.key", 3, "is there already");
    assert!(!place.path().join("new.key").exists() && !place.path().join("nowhere").exists());
}
