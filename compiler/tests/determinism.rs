//! The same bytes from every process: nothing of its addresses, seeds, threads, environment or directory gets into an image.

use std::fs;
use std::process::Command;

const POLICY: &str = "[request_definition]\nr = sub, obj, act, args\n[policy_definition]\np = sub, obj, act, args, eft\n\
    [role_definition]\ng = _, _\n[policy_effect]\ne = some(where (p.eft == allow)) && !some(where (p.eft == deny))\n\
    [matchers]\nm = g(r.sub, p.sub) && pathMatch(r.obj, p.obj) && r.act == p.act && r.args == p.args\n[policy]\n\
    g, /bin/a, team\ng, /bin/b, team\ng, team, all\np, all, \"{/,/**}\", *, *, allow\n\
    p, team, /srv/**/*.key, read, (>9), deny\np, /bin/b, /srv/jail/**, rename, (/srv/free/**), deny\n";

#[test]
fn every_process_writes_the_same_bytes() {
    let mut images = Vec::new();
    for number in 0..10 {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("policy.conf"), POLICY).expect("a policy");
        let status = Command::new(env!("CARGO_BIN_EXE_boesfsc"))
            .current_dir(dir.path())
            .env("TZ", format!("UTC{number}"))
            .args(["build", "--no-cache", "--allow", "all", "policy.conf", "-o", "policy.bin"])
            .args(["-j", &(1 + number % 4).to_string()])
            .output()
            .expect("boesfsc runs");
        assert!(status.status.success(), "{status:?}");
        images.push(fs::read(dir.path().join("policy.bin")).expect("an image"));
    }
    images.dedup();
    assert_eq!(images.len(), 1);
}
