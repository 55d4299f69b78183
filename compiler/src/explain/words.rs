//! What is in a rule's way, in words.

use boesfs_abi::request::{ArgValue, Request};

use crate::model::{CompareOp, Expr, Model, Operand, PathFunction, RequestField, Rule, Scope};
use crate::reference::Obstacle;
use crate::shown::shown;

/// What keeps `rule` from matching, in words that follow "but".
pub(super) fn obstacle(obstacle: Obstacle<'_>, model: &Model, rule: usize, request: &Request) -> String {
    let line = &model.rules[rule];
    let condition = condition(&obstacle.node.expr, model, line, request);
    if obstacle.wanted { condition.missing } else { format!("{}, which it excludes", condition.present) }
}

/// A condition said both ways.
struct Said {
    missing: String,
    present: String,
}

fn said(missing: String, present: String) -> Said {
    Said { missing, present }
}

fn condition(expr: &Expr, model: &Model, rule: &Rule, request: &Request) -> Said {
    match expr {
        Expr::Compare(op, left, right) => match (left, right) {
            (Operand::Request(field), other) | (other, Operand::Request(field)) => {
                compared(*op, field, other, model, rule, request)
            }
            (left, right) => {
                let text = format!("`{}` {} `{}`", text(left, rule), sign(*op), text(right, rule));
                said(format!("{text} does not hold"), format!("{text} holds"))
            }
        },
        Expr::In(Operand::Request(field), list) => {
            let list: Vec<String> = list.iter().map(|one| format!("`{}`", text(one, rule))).collect();
            let value = value(field, model, request);
            let list = list.join(", ");
            said(format!("{value} is none of {list}"), format!("{value} is one of {list}"))
        }
        Expr::Role { graph, member, role, .. } => {
            let member = operand(member, model, rule, request);
            let (role, graph) = (operand(role, model, rule, request), &model.roles[*graph].name);
            said(
                format!("no `{graph}` line gives `{member}` the role `{role}`"),
                format!("`{graph}` lines give `{member}` the role `{role}`"),
            )
        }
        Expr::Path { function, pattern, .. } => {
            let (path, pattern) = (shown(request.obj()), text(pattern, rule));
            let (missing, present) = match function {
                PathFunction::Under => ("does not lie below", "lies below"),
                PathFunction::Within => ("is not, nor lies below,", "is, or lies below,"),
                PathFunction::KeyMatch
                | PathFunction::KeyMatch2
                | PathFunction::KeyMatch3
                | PathFunction::KeyMatch5
                | PathFunction::GlobMatch
                | PathFunction::RegexMatch
                | PathFunction::PathMatch => ("does not match", "matches"),
            };
            said(format!("`{path}` {missing} `{pattern}`"), format!("`{path}` {present} `{pattern}`"))
        }
        Expr::Args(column) => {
            let (args, wanted) = (arguments(request), shown(&rule.fields[*column].text));
            said(
                format!("the arguments are {args} and it has `{wanted}`"),
                format!("the arguments {args} fit `{wanted}`"),
            )
        }
        Expr::ActionRole(column) => for_action(&shown(&rule.fields[*column].text), model, request),
        Expr::Const(_) | Expr::In(..) | Expr::Not(_) | Expr::And(_) | Expr::Or(_) | Expr::Eval(_) => {
            said("its condition never holds".to_owned(), "its condition always holds".to_owned())
        }
    }
}

fn compared(
    op: CompareOp,
    field: &RequestField,
    other: &Operand,
    model: &Model,
    rule: &Rule,
    request: &Request,
) -> Said {
    let wanted = text(other, rule);
    let asked = match field {
        RequestField::Sub => shown(request.sub()),
        RequestField::Obj => shown(request.obj()),
        RequestField::Dom => match request.dom() {
            Some(dom) => shown(dom),
            None => {
                return said(format!("it is for the sandbox `{wanted}`"), "no sandbox is named".to_owned());
            }
        },
        RequestField::Act => return for_action(&wanted, model, request),
        RequestField::Uid | RequestField::Gid | RequestField::Kind | RequestField::Arg(..) => {
            let value = value(field, model, request);
            let present = match op {
                CompareOp::Eq => value.clone(),
                _ => format!("{value}, that is {} `{wanted}`", sign(op)),
            };
            return said(format!("{value} and it needs {} `{wanted}`", sign(op)), present);
        }
    };
    if op == CompareOp::Ne {
        return said(format!("it is for all but `{wanted}`"), format!("`{asked}` is not `{wanted}`"));
    }
    let below = *field == RequestField::Obj && rule.scope == Some(Scope::Dir);
    let what = if below { "what lies below " } else { "" };
    said(format!("it is for {what}`{wanted}`, not for `{asked}`"), format!("it is for {what}`{wanted}`"))
}

fn for_action(wanted: &str, model: &Model, request: &Request) -> Said {
    let op = model.op_name(request.op());
    said(format!("it is for `{wanted}`, not for `{op}`"), format!("`{op}` is in `{wanted}`"))
}

/// A field of the request with its value.
fn value(field: &RequestField, model: &Model, request: &Request) -> String {
    let number = |name: &str, value: Option<u32>| match value {
        Some(value) => format!("`{name}` is {value}"),
        None => format!("`{name}` is not known"),
    };
    match field {
        RequestField::Sub => format!("`{}`", shown(request.sub())),
        RequestField::Obj => format!("`{}`", shown(request.obj())),
        RequestField::Act => format!("`{}`", model.op_name(request.op())),
        RequestField::Dom => {
            request.dom().map_or_else(|| "no sandbox".to_owned(), |dom| format!("`{}`", shown(dom)))
        }
        RequestField::Uid => number("uid", request.uid),
        RequestField::Gid => number("gid", request.gid),
        RequestField::Kind => match request.kind {
            Some(kind) => format!("`kind` is {}", kind.name()),
            None => "`kind` is not known".to_owned(),
        },
        RequestField::Arg(name, _) => match field.arg_index(request.op()) {
            Some(place) => format!("`{name}` is {}", argument(&request.args()[place])),
            None => format!("`{}` has no `{name}`", model.op_name(request.op())),
        },
    }
}

fn argument(value: &ArgValue) -> String {
    match value {
        ArgValue::Unknown => "not known".to_owned(),
        ArgValue::Absent => "not given".to_owned(),
        ArgValue::Number(number) => number.to_string(),
        ArgValue::Bytes(bytes) => format!("`{}`", shown(bytes)),
    }
}

fn arguments(request: &Request) -> String {
    let specs = request.op().spec().args;
    let all: Vec<String> = specs
        .iter()
        .zip(request.args())
        .map(|(spec, value)| format!("{} {}", spec.name, argument(value)))
        .collect();
    format!("({})", all.join(", "))
}

/// What stands in the rule or the matcher.
fn text(operand: &Operand, rule: &Rule) -> String {
    match operand {
        Operand::Field(column) => shown(&rule.fields[*column].text),
        Operand::Text { text, .. } => shown(text),
        Operand::Number(number) => number.to_string(),
        Operand::Kind(kind) => kind.name().to_owned(),
        Operand::Request(field) => format!("{field:?}").to_lowercase(),
    }
}

/// What stands there, or what the request has.
fn operand(operand: &Operand, model: &Model, rule: &Rule, request: &Request) -> String {
    match operand {
        Operand::Request(field) => value(field, model, request).trim_matches('`').to_owned(),
        other => text(other, rule),
    }
}

fn sign(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "==",
        CompareOp::Ne => "!=",
        CompareOp::Lt => "<",
        CompareOp::Le => "<=",
        CompareOp::Gt => ">",
        CompareOp::Ge => ">=",
    }
}
