//! Bodies that begin with the text of a policy or of a suite, or with the bytes of an image.

use boesfs_abi::decide::Fields;
use boesfs_abi::image::{Debug, Defaults, Parts, ValidImage, decode, encode};
use boesfs_abi::op::{Access, OPS};
use boesfs_abi::request::Request;
use boesfs_abi::verdict::Verdict;
use boesfs_compiler::ask::{EngineKind, Panel};
use boesfs_compiler::diagnostic::{Diagnostic, human};
use boesfs_compiler::model::{Allow, Model, Settings};
use boesfs_compiler::pipeline::{self, Limits, Outcome, Stage};
use boesfs_compiler::reference::Reference;
use boesfs_compiler::suite::{self, Suite};
use boesfs_compiler::{automaton, explain, rules};
use boesfs_grammar::Source;

use crate::near::requests_near;

/// One request of so many is explained too.
const EXPLAINED: usize = 40;

/// The byte that parts a policy from its model; no source may hold it.
pub(crate) const PART: u8 = 0;

/// Policy text gets an image or an error, and everything that is said points into the text.
pub fn parse(data: &[u8]) {
    let _ = outcome(data, Stage::Model);
}

/// What becomes of `data`: one source, or policy and model with a zero byte between them. Limits are far below the
/// defaults, so that an input that reaches one is not a slow one.
pub(crate) fn outcome(data: &[u8], until: Stage) -> Outcome {
    outcome_within(data, until, TEXT)
}

/// How much text a target takes.
pub(crate) const TEXT: boesfs_grammar::Limits =
    boesfs_grammar::Limits { bytes: 1 << 16, rules: 200, nesting: 32, line: 1 << 12, definitions: 200 };

/// The same of another size of text.
pub(crate) fn outcome_within(data: &[u8], until: Stage, text: boesfs_grammar::Limits) -> Outcome {
    let limits = Limits {
        rules: rules::Limits {
            rule_terms: 256,
            terms: 4096,
            subjects: 4096,
            wildcards: 5_000,
            braces: rules::BraceLimits::default(),
        },
        automaton: automaton::Limits {
            states: 20_000,
            transitions: 200_000,
            pattern_states: 5_000,
            set_items: 1_000_000,
            cells: 200_000,
            boxes: 256,
            ..automaton::Limits::default()
        },
    };
    let settings = Settings { allow: Allow::All, limits: text, ..Settings::default() };
    let parts = data.splitn(2, |byte| *byte == PART);
    let sources: Vec<Source> = parts.map(|part| Source::new("input", part)).collect();
    let outcome = pipeline::run(sources, &settings, &limits, until);
    points_into(&outcome.diagnostics, &outcome.tree.sources);
    assert!(outcome.model.is_some() || !outcome.is_sound(), "neither a model nor an error");
    outcome
}

/// Whatever is said says something, at places that exist.
pub(crate) fn points_into(diagnostics: &[Diagnostic], sources: &[Source]) {
    for diagnostic in diagnostics {
        assert!(!diagnostic.message.is_empty(), "{diagnostic:?} says nothing");
        for label in &diagnostic.labels {
            let source = sources.get(usize::from(label.span.file));
            let length = source.map_or(0, |source| source.bytes.len());
            assert!(
                label.span.start <= label.span.end && label.span.end as usize <= length,
                "{diagnostic:?} points outside its source"
            );
        }
    }
    let _ = human::render(diagnostics, sources, 3, human::Colour::Always);
}

/// A suite of tests is refused at places that exist, or it is run: failures can be shown, and a request that is proposed
/// for a rule is decided by it. A zero byte parts the suite from its policy; without one it is run on a small policy.
pub fn suite(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == PART);
    let source = Source::new("input.test.ron", parts.next().unwrap_or_default());
    let outcome = outcome(parts.next().unwrap_or(SUITE_POLICY), Stage::LAST);
    let mut sources = vec![Source::new("", Vec::new()); usize::from(Suite::FILE)];
    sources.push(source.clone());
    let suite = match Suite::read(source) {
        Ok(suite) => suite,
        Err(found) => {
            assert!(!found.is_empty(), "refused without a word");
            return points_into(&found, &sources);
        }
    };
    let (Some(model), Some(_)) = (&outcome.model, &outcome.packed) else { return };
    let requests: usize = suite.tests.iter().map(|test| test.asks.len()).sum();
    if requests > 1000 {
        return;
    }
    let mut coverage = suite::Coverage::new(model);
    let sources = suite::with_suite(&outcome.tree.sources, &suite);
    let tests = match suite::run(&suite, &outcome, &|_| true, &mut coverage) {
        Ok(ran) => ran.tests,
        Err(found) => return points_into(&found, &sources),
    };
    for failure in tests.iter().flat_map(|test| &test.failures) {
        let agree = |mistake: &suite::Mistake| !matches!(mistake, suite::Mistake::Engines { .. });
        assert!(failure.mistakes.iter().all(agree), "{:?}", failure.mistakes);
        points_into(std::slice::from_ref(&failure.diagnostic), &sources);
    }
    let reference = Reference::new(model);
    for covered in coverage.rules(&outcome) {
        if let Some(suggestion) = covered.suggestion {
            let decision = reference.decide(&suggestion.request);
            assert_eq!((decision.rule, decision.verdict), (Some(covered.rule), suggestion.verdict));
        }
    }
    let result = suite::Result { file: String::new(), policy: String::new(), tests, error: None };
    let _ = suite::human(&result, &suite, &outcome.tree.sources, 3, human::Colour::Never);
    let _ = (suite::json(&result), suite::junit(std::slice::from_ref(&result)));
}

/// What a suite is run on that brings no policy.
const SUITE_POLICY: &[u8] = b"[request_definition]
r = sub, obj, act, args
[policy_definition]
p = sub, obj, act, args, eft
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.sub) && pathMatch(r.obj, p.obj) && r.act == p.act && r.args == p.args
[policy]
g, /bin/a, team
#@ id=all
p, team, \"{/,/**}\", *, *, allow
#@ id=large
p, team, /a/*, read, (>9), deny
p, team, /hidden, lookup, *, deny
";

/// An explanation agrees with the decision: the rule that decided has nothing in its way, a near miss has.
fn explained(model: &Model, reference: &Reference<'_>, request: &Request, outcome: &Outcome) {
    let explanation = explain::explain(reference, model, request);
    if let Some(rule) = explanation.decision.rule {
        assert!(reference.may_match(request, rule), "rule {rule} decides {request:?} and does not match");
    }
    for miss in &explanation.near {
        assert!(!reference.may_match(request, miss.rule), "rule {} matches {request:?}", miss.rule);
        assert!(!miss.text(model, &outcome.tree.sources).is_empty());
    }
    let Some(panel) = Panel::of_text(outcome, EngineKind::Image, b"/") else { return };
    let effective = panel.effective(request);
    let colour = human::Colour::Never;
    let _ = explain::human(&explanation, &effective, outcome, model, request, 9, colour);
    let _ = explain::json(&explanation, &effective, outcome, model, request, 9);
}

/// What compiles decides as the reference does, in memory and as an image.
pub fn compile_vs_reference(data: &[u8]) {
    let outcome = outcome(data, Stage::LAST);
    let (Some(model), Some(compiled), Some(packed)) = (&outcome.model, &outcome.dfa, &outcome.packed) else {
        return;
    };
    let image = &packed.image;
    let reference = Reference::new(model);
    for (number, request) in requests_near(model, 400, 0).into_iter().enumerate() {
        let wanted = reference.decide(&request);
        if number % EXPLAINED == 0 {
            explained(model, &reference, &request, &outcome);
        }
        let told = (wanted.verdict, wanted.rule);
        let dfa = compiled
            .decide(&request)
            .map(|decision| (decision.verdict, decision.rule.map(|rule| rule.0 as usize)));
        assert_eq!(dfa, Some(told), "the automaton on {request:?}");
        let decision = image.decide_request(&request);
        let rule = decision.at.and_then(|at| image.rule_index(request.obj(), at)).map(|rule| rule as usize);
        assert_eq!((decision.verdict, rule), told, "the image on {request:?}");
    }
}

/// Bytes are refused, or are an image that can be walked and asked everything.
pub fn image_decode(data: &[u8]) {
    if let Ok(image) = decode(data) {
        use_image(&image);
        let parts = Parts {
            blob: image.blob().to_vec(),
            subjects: image.subjects().clone(),
            literals: image.literals().to_vec(),
            debug: image.debug().cloned(),
        };
        // What is deflated may be deflated otherwise, but nothing else may differ.
        let again = decode(&encode(&parts).expect("what is decoded encodes")).expect("and decodes");
        assert_eq!((again.id(), again.blob()), (image.id(), image.blob()));
        assert_eq!((again.literals(), again.debug()), (image.literals(), image.debug()));
    }
    // Behind a right hash: the bytes as what decides.
    let subjects = boesfs_abi::subjects::Subjects {
        groups: vec![(None, None)],
        classes: vec![boesfs_abi::image::ClassId(0)],
        ..Default::default()
    };
    for debug in [None, Some(Debug::default())] {
        let parts = Parts { blob: data.to_vec(), subjects: subjects.clone(), literals: Vec::new(), debug };
        if let Ok(file) = encode(&parts) {
            match decode(&file) {
                Ok(image) => use_image(&image),
                Err(error) => panic!("what was encoded does not decode: {error}"),
            }
        }
    }
}

/// Asks an image about everything, on a few paths.
fn use_image(image: &ValidImage) {
    let paths: [&[u8]; 6] = [b"/", b"/a", b"/a/b", b"/srv/data/x.txt", b"/\xff", b"/etc/passwd"];
    let classes: Vec<_> = image.classes().take(64).collect();
    for path in paths {
        let state = image.walk(image.path_start(), path);
        let _ = (image.edges(state), image.is_sink(state), image.text_class(path));
        for class in &classes {
            for spec in &OPS {
                let decision = image.decide(state, *class, spec.op, &Fields::UNKNOWN);
                if let Some(at) = decision.at {
                    let _ = image.rule(path, at);
                }
                if image.never_allowed(state, *class, (spec.op, Access::Any), &Fields::UNKNOWN) {
                    assert_eq!(decision.verdict, Verdict::Deny, "{} on {path:?}", spec.name);
                }
            }
        }
    }
    let _ = image.denial_outside(b"/srv", Defaults::Count);
}
