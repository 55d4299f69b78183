//! `inspect` from outside: what an image costs, and which lines decide at a path.

use std::fs;
use std::path::Path;
use std::process::Command;

use boesfs_abi::memory::BLOB_SLACK;
use serde_json::Value;

const POLICY: &str = "\
[request_definition]
r = sub, obj, act, args
[policy_definition]
p = sub, obj, act, args, eft
[policy_effect]
e = !some(where (p.eft == deny))
[matchers]
m = (r.sub == p.sub || p.sub == \"*\") && pathMatch(r.obj, p.obj) && r.act == p.act && r.args == p.args
[policy]
#@ id=secrets
p, *, /srv/**/.env, @use, *, deny
p, /usr/bin/make, /srv/build/**, write, *, deny
p, *, /srv/build/.env, read, *, deny
";

/// A folder with a policy and its image.
struct Workplace(tempfile::TempDir);

impl Workplace {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().expect("a temporary directory"));
        fs::write(this.path().join("policy.conf"), POLICY).expect("a policy");
        assert_eq!(this.run("build policy.conf -o policy.bin").0, Some(0));
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

    fn out(&self, line: &str) -> String {
        let (status, out, err) = self.run(line);
        assert_eq!(status, Some(0), "{line}: {err}");
        out
    }

    fn json(&self, line: &str) -> Value {
        let value: Value = serde_json::from_str(&self.out(&format!("{line} --format json"))).expect("JSON");
        assert_eq!(value["version"], 1);
        value
    }
}

#[test]
fn the_summary_says_what_the_kernel_will_need() {
    let at = Workplace::new();
    let summary = at.json("inspect policy.bin");
    let blob = &summary["kernel_memory"]["maps"][0];
    assert_eq!(
        (&blob["name"], &blob["element_bytes"]),
        (&"policy".into(), &((64 << 10) + BLOB_SLACK).into())
    );
    let hooks = |of: &str| -> Vec<String> {
        summary[of]
            .as_array()
            .expect("hooks")
            .iter()
            .map(|hook| hook.as_str().expect("a name").to_owned())
            .collect()
    };
    assert!(hooks("lsm_hooks").contains(&"file_permission".to_owned()), "{:?}", hooks("lsm_hooks"));
    assert!(!hooks("lsm_hooks").contains(&"sb_statfs".to_owned()), "nothing denies statfs");
    assert!(hooks("lsm_hooks_always").contains(&"file_open".to_owned()));
    let text = at.out("inspect policy.bin");
    assert!(text.contains("\nkernel      "), "{text}");
    assert_eq!(text, at.out("inspect policy.conf"), "text and image are one");
}

#[test]
fn every_field_of_the_summary_is_documented() {
    let at = Workplace::new();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/inspecting.md");
    let page = fs::read_to_string(page).expect("the page");
    let mut told: Vec<&str> = page
        .lines()
        .skip_while(|line| !line.starts_with("### As JSON"))
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next())
        .flat_map(|fields| fields.split(", "))
        .map(|field| field.trim_matches('`'))
        .collect();
    let summary = at.json("inspect policy.bin");
    let mut said: Vec<&str> = summary.as_object().expect("an object").keys().map(String::as_str).collect();
    told.sort_unstable();
    said.sort_unstable();
    assert_eq!(told, said);
}

#[test]
fn reads_and_writes_need_a_hook_only_where_an_open_does_not_tell() {
    let at = Workplace::new();
    let needed_by = |effect: &str, rules: &str| {
        let model = POLICY.split("[policy]\n").next().expect("a model");
        let model = model.replace("!some(where (p.eft == deny))", effect);
        fs::write(at.path().join("other.conf"), format!("{model}[policy]\n{rules}")).expect("a policy");
        let summary = at.json("inspect other.conf");
        let hooks = summary["lsm_hooks"].as_array().expect("hooks");
        hooks.contains(&"file_permission".into())
    };
    let needed = |rules: &str| needed_by("!some(where (p.eft == deny))", rules);
    let denied = "p, *, /srv/**/.env, read write iterate, *, deny\n";
    assert!(!needed(denied));
    assert!(needed(&format!("{denied}p, *, /srv/log, write, (<10), deny\n")), "a length");
    assert!(
        needed(&format!("{denied}p, /usr/bin/make, /srv/log, write, *, deny\n")),
        "a program that takes over"
    );
    assert!(needed(&format!("{denied}p, /usr/bin/make, /srv/log, open, *, deny\n")), "whose open is denied");
    let allowed = "p, *, /srv/log, read, *, allow\n";
    assert!(!needed_by("some(where (p.eft == allow))", allowed));
    assert!(
        needed_by("some(where (p.eft == allow))", &format!("#@ audit=always\n{allowed}")),
        "what is told of"
    );
    assert!(!needed("p, *, /srv/log, unlink, *, deny\n"), "nothing to deny");
}

#[test]
fn the_worst_path_reads_as_many_nodes_as_it_says() {
    let at = Workplace::new();
    let summary = at.json("inspect policy.bin");
    let worst = &summary["worst_path"];
    let path = worst["path"].as_str().expect("a path");
    let place = at.json(&format!("inspect policy.bin --at {path}"));
    assert_eq!(place["nodes"], worst["nodes"], "{path}");
    assert_eq!(worst["loops"], true, "`**` makes one");
}

#[test]
fn a_place_names_the_lines_that_decide_there() {
    let at = Workplace::new();
    let image = at.json("inspect policy.bin --at /srv/build/.env");
    assert_eq!(image["others"], serde_json::json!([]), "an image knows what decides");
    let text = at.json("inspect policy.conf --at /srv/build/.env");
    assert_eq!(text["subjects"], image["subjects"]);
    assert_eq!(text["others"].as_array().map(Vec::len), Some(2), "lines 12 and 13 come later");
    assert_eq!(text["others"][1]["line"], 13);
    for subjects in image["subjects"].as_array().expect("subjects") {
        let denied: Vec<&Value> = subjects["always"]
            .as_array()
            .expect("operations")
            .iter()
            .filter(|decided| decided["decision"] == "deny")
            .collect();
        assert_eq!(denied.len(), 1);
        assert_eq!((&denied[0]["rule"]["line"], &denied[0]["rule"]["id"]), (&11.into(), &"secrets".into()));
    }
    let human = at.out("inspect policy.bin --at /srv/build/a");
    assert!(
        human.contains("\n/usr/bin/make, cell ") && human.contains("by line 12: p, /usr/bin/make"),
        "{human}"
    );
    let (here, below) =
        human.split_once("\nhere or below can be denied: ").expect("what can be denied below");
    assert!(!here.contains("line 11"), "{human}");
    assert!(below.contains("below by line 11 (secrets)"), "{human}");
}

#[test]
fn a_stripped_image_names_no_line() {
    let at = Workplace::new();
    at.out("build policy.conf -o bare.bin --strip");
    let human = at.out("inspect bare.bin --at /srv/build/.env");
    assert!(human.contains("deny") && !human.contains("line "), "{human}");
    assert!(!at.out("inspect bare.bin --stage image").contains("line "));
}

#[test]
fn a_path_that_is_no_path_is_wrong_usage() {
    let at = Workplace::new();
    for path in ["srv", "/srv/", "/srv//a", "/srv/../a", "/."] {
        let (status, out, err) = at.run(&format!("inspect policy.bin --at {path}"));
        assert_eq!((status, out.as_str()), (Some(2), ""), "{path}");
        assert!(err.contains("--at"), "{err}");
    }
    assert_eq!(at.run("inspect policy.bin --at / --stage image").0, Some(2));
    assert!(at.out("inspect policy.bin --at /").contains("/: node"));
}

#[test]
fn the_listing_names_the_lines_of_rows_and_cells() {
    let at = Workplace::new();
    let sized = POLICY.replace("/srv/build/.env, read, *, deny", "/srv/build/a.log, read, (>9), deny");
    fs::write(at.path().join("sized.conf"), sized).expect("a policy");
    let lists = at.out("inspect sized.conf --stage image");
    assert!(lists.contains(": deny (EACCES), lines 13\n"), "{lists}");
    let listing = at.out("inspect policy.bin --stage image");
    assert!(listing.contains(", lines 11"), "{listing}");
    assert!(listing.contains("by line 11 (secrets): p, *, /srv/**/.env, @use, *, deny"), "{listing}");
}
