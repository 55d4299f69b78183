//! One case for each sentence of the effective decision.

use boesfs_abi::op::Op;
use boesfs_abi::request::{Kind, Request};

use super::{Effective, effective};
use crate::model::{Allow, Settings, resolve};

const BLACKLIST: &str = "!some(where (p.eft == deny))";
const CASBIN: &str = "[request_definition]\nr = sub, obj, act, args\n[policy_definition]\np = obj, act, args, eft\n\
                      [matchers]\nm = pathMatch(r.obj, p.obj) && r.act == p.act && r.args == p.args\n";
const BOESFS: &str = "[request_definition]\nr = obj, act\n[policy_definition]\np = obj, act\n\
                      [matchers]\nm = r.obj == p.obj && r.act == p.act\n";

fn judged(model: &str, rules: &str, dir: &str, request: &Request) -> Effective {
    let text = format!("{model}[policy_effect]\ne = {BLACKLIST}\n[policy]\n{rules}");
    let settings = Settings { allow: Allow::All, ..Settings::default() };
    let parsed =
        boesfs_grammar::parse(vec![boesfs_grammar::Source::new("policy", text.as_bytes())], &settings.limits);
    let (model, diagnostics) = resolve(&parsed.tree, &settings);
    let model = model.unwrap_or_else(|| panic!("{text}: {:?} {diagnostics:?}", parsed.errors));
    effective(&model, dir.as_bytes(), request)
}

fn request(obj: &str, op: Op, args: &[&str]) -> Request {
    Request::new(b"/bin/sh", obj.as_bytes(), op).unwrap().with_text_args(args).unwrap()
}

fn of_kind(kind: Kind, mut request: Request) -> Request {
    request.kind = Some(kind);
    request
}

/// What stops the call, as `op path errno`; nothing, if it may go on.
fn stopped(rules: &str, request: &Request) -> String {
    told(&judged(CASBIN, rules, "/", request))
}

fn told(effective: &Effective) -> String {
    match &effective.stopped_by {
        None => String::new(),
        Some((op, path)) => format!("{op} {} {}", String::from_utf8_lossy(path), effective.errno),
    }
}

#[test]
fn what_is_hidden_is_not_there() {
    let rules = "p, /a, lookup, (*), deny\n";
    assert_eq!(stopped(rules, &request("/a/b", Op::Getattr, &[])), "lookup /a 2");
    assert_eq!(stopped(rules, &request("/b", Op::Getattr, &[])), "");
    let below = |dir| told(&judged(CASBIN, rules, dir, &request("/a/b", Op::Getattr, &[])));
    assert_eq!(below("/a"), "", "the protected directory itself is not looked up");
    let outside = judged(CASBIN, rules, "/srv", &request("/a/b", Op::Getattr, &[]));
    assert!(outside.outside && outside.stopped_by.is_none());
}

#[test]
fn a_descriptor_needs_an_open() {
    let read = request("/a", Op::Read, &["1", "0"]);
    assert_eq!(stopped("p, /a, open, (*), deny\n", &read), "open /a 13");
    assert_eq!(stopped("p, /a, open, (1), deny\n", &read), "", "another open gives it");
}

#[test]
fn an_open_is_judged_as_what_it_is_for() {
    let rules = "p, /a, write, (*,*), deny\np, /d, iterate, (*), deny\np, /r, read, (5,*), deny\n";
    assert_eq!(stopped(rules, &request("/a", Op::Open, &["0"])), "");
    assert_eq!(stopped(rules, &request("/a", Op::Open, &["2"])), "write /a 13");
    assert_eq!(stopped(rules, &request("/a", Op::Open, &["0o1000"])), "write /a 13");
    assert_eq!(stopped(rules, &request("/a", Op::Open, &["0o10000002"])), "", "a path is no more than that");
    assert_eq!(stopped(rules, &request("/a", Op::Open, &[])), "", "without flags it is an open alone");
    assert_eq!(stopped(rules, &of_kind(Kind::Dir, request("/d", Op::Open, &["0"]))), "iterate /d 13");
    assert_eq!(stopped(rules, &of_kind(Kind::File, request("/d", Op::Open, &["0"]))), "");
    assert_eq!(stopped(rules, &request("/r", Op::Open, &["0"])), "", "some reads are allowed");
    let rules = "p, /a, create, (*), deny\n";
    assert_eq!(stopped(rules, &request("/a", Op::Open, &["0o101"])), "create /a 13");
    assert_eq!(stopped(rules, &of_kind(Kind::File, request("/a", Op::Open, &["0o101"]))), "");
}

#[test]
fn a_mapping_is_judged_as_what_it_is_for() {
    let rules = "p, /a, write, (*,*), deny\np, /x, exec, (*), deny\n";
    assert_eq!(stopped(rules, &request("/a", Op::Mmap, &["0", "1", "3", "2"])), "", "private");
    assert_eq!(stopped(rules, &request("/a", Op::Mmap, &["0", "1", "3", "1"])), "write /a 13", "shared");
    assert_eq!(stopped(rules, &request("/x", Op::Mmap, &["0", "1", "4", "2"])), "exec /x 13");
}

#[test]
fn the_new_name_is_made() {
    let rules = "p, /a, create, (*), deny\np, /a, mkdir, (*), deny\np, /h, lookup, (*), deny\n";
    let moved = |kind, to| of_kind(kind, request("/b", Op::Rename, &[to]));
    assert_eq!(stopped(rules, &moved(Kind::File, "/a")), "create /a 13");
    assert_eq!(stopped(rules, &moved(Kind::Dir, "/a")), "mkdir /a 13");
    assert_eq!(stopped(rules, &moved(Kind::Symlink, "/a")), "");
    assert_eq!(stopped(rules, &moved(Kind::File, "/h/x")), "lookup /h 2");
    assert_eq!(stopped(rules, &of_kind(Kind::Symlink, request("/b", Op::Link, &["/a"]))), "create /a 13");
    let crossing = judged(CASBIN, "", "/srv", &request("/srv/a", Op::Rename, &["/b"]));
    assert_eq!(told(&crossing), "rename /srv/a 18");
}

#[test]
fn a_move_gives_nothing() {
    let rules = "p, /a/secret, read, (*,*), deny\np, /d/**, write, (*,*), deny\np, /t, write, (5,*), deny\n";
    let moved = |kind, from, to| of_kind(kind, request(from, Op::Rename, &[to]));
    assert_eq!(stopped(rules, &moved(Kind::File, "/a/secret", "/b")), "rename /a/secret 18");
    assert_eq!(stopped(rules, &moved(Kind::File, "/b", "/a/secret")), "");
    assert_eq!(stopped(rules, &moved(Kind::Dir, "/a", "/b")), "rename /a 18", "below it");
    assert_eq!(stopped(rules, &moved(Kind::Dir, "/b", "/d/x")), "rename /b 18", "prepared");
    assert_eq!(stopped(rules, &moved(Kind::Dir, "/b", "/c")), "");
    assert_eq!(stopped(rules, &moved(Kind::File, "/t", "/u")), "rename /t 18", "some writes");
    assert_eq!(stopped(rules, &request("/a/secret", Op::Link, &["/b"])), "link /a/secret 18");
    let judging = format!("[options]\nmoves = judged\n{CASBIN}");
    assert_eq!(told(&judged(&judging, rules, "/", &moved(Kind::File, "/a/secret", "/b"))), "");
}

#[test]
fn a_link_is_read_twice_in_boesfs_shape() {
    let rules = "p, /srv/secret, symlink, file, deny\n";
    let told = |obj, target| told(&judged(BOESFS, rules, "/", &request(obj, Op::Symlink, &[target])));
    assert_eq!(told("/srv/secret", "x"), "symlink /srv/secret 13");
    assert_eq!(told("/srv/l", "secret"), "symlink /srv/secret 13");
    assert_eq!(told("/tmp/l", "../srv/./secret"), "symlink /srv/secret 13");
    assert_eq!(told("/tmp/l", "secret"), "");
}
