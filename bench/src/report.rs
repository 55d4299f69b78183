//! Results in words and numbers.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// Several measurements of one thing, in nanoseconds, in increasing order.
#[derive(Clone, Debug)]
pub(crate) struct Spread(Vec<f64>);

impl Spread {
    pub(crate) fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// The place that so many hundredths lie below; 0 of none.
    fn at(&self, hundredths: usize) -> f64 {
        self.0.get(self.0.len().saturating_sub(1) * hundredths / 100).copied().unwrap_or(0.0)
    }

    pub(crate) fn json(&self) -> Value {
        let rounded: Vec<f64> = self.0.iter().map(|ns| (ns * 10.0).round() / 10.0).collect();
        json!({"least": self.at(0), "quarter": self.at(25), "median": self.at(50), "most": self.at(100), "ns": rounded})
    }
}

/// A time with its spread, or a dash.
fn cell(time: &Value) -> String {
    let Some(median) = time["median"].as_f64() else { return "–".to_owned() };
    let (least, most) = (time["least"].as_f64().unwrap_or(0.0), time["most"].as_f64().unwrap_or(0.0));
    if median < 10_000.0 {
        format!("{median:.1} ({least:.1}–{most:.0})")
    } else {
        format!("{median:.0} ({least:.0}–{most:.0})")
    }
}

/// A line of the decisions, in short.
pub(crate) fn line(row: &Value) -> String {
    format!(
        "{} {} {}: bpf {}, walk {}, loop {}, rust {}, c {}",
        row["form"],
        row["rules"],
        row["what"],
        cell(&row["bpf"]),
        cell(&row["walk"]),
        cell(&row["loop"]),
        cell(&row["rust"]),
        cell(&row["native"])
    )
}

/// The page.
pub(crate) fn markdown(results: &Value) -> String {
    let mut page = String::new();
    write(&mut page, results).expect("INVARIANT: writing to a string succeeds");
    page
}

fn write(page: &mut String, results: &Value) -> std::fmt::Result {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let lines = |name: &str| results[name].as_array().cloned().unwrap_or_default();
    writeln!(
        page,
        "# Time of a decision\n\nMade by `cargo xtask bench decide`, which writes this page and every single batch to `decide.json`.\n\n\
         Machine: {}\n\nNanoseconds of one decision, medians of {} batches of {} requests, with the least and the most of all batches. What `bpf` \
         is timed by is a program in the kernel that reads the clock before and after each 32 decisions, so no call into the kernel is in; \
         `loop` is the same without decisions, and is in `bpf` and `walk` too; where it is twice what it is elsewhere, the processor had half its speed, and all of that row is slow. `walk` leads to the row, without deciding. `c` is the host's \
         build of the same C, a copy of the path into its buffer included; instructions are callgrind's. Every answer is compared.\n\n\
         `tree` is `/srv/data/dNN/subNN/packageNN/fileNNNNNN`, 40 bytes; `random` is `/` and 39 random letters; `around` asks about ten files \
         of `tree` in a policy of which the rest is `random`. Requests are spread evenly at random over the rules that are asked about, so the \
         larger policies also show what misses of the processor's caches cost. A miss is a hit with one byte changed, at any place. `last name` \
         begins where the file's directory led to, and reads `/` and 10 bytes.\n",
        text(&results["machine"]),
        results["batches"],
        results["requests"]
    )?;
    writeln!(
        page,
        "| form | rules | asked | bytes | nodes | policy, bytes | bpf | walk | loop | c | instructions | rust |"
    )?;
    writeln!(page, "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
    for row in lines("decisions") {
        if row["refused"] == json!(true) {
            writeln!(
                page,
                "| {} | {} | larger than a policy may be |||||||||||",
                text(&row["form"]),
                row["rules"]
            )?;
            continue;
        }
        let nodes = row["nodes"].as_f64().unwrap_or(0.0);
        let instructions =
            row["native_instructions"].as_u64().map_or("–".to_owned(), |count| count.to_string());
        writeln!(
            page,
            "| {} | {} | {} | {} | {nodes:.1} | {} | {} | {} | {} | {} | {instructions} | {} |",
            text(&row["form"]),
            row["rules"],
            text(&row["what"]),
            row["bytes"],
            row["blob"],
            cell(&row["bpf"]),
            cell(&row["walk"]),
            cell(&row["loop"]),
            cell(&row["native"]),
            cell(&row["rust"])
        )?;
    }
    writeln!(
        page,
        "\n## Packings compared\n\nThe automaton of `tree`, in nodes as the product has it, as a row of references for each state, and as such rows pushed \
         into one another (row displacement with a default). Bytes are of the path automaton alone. For a byte of a path, `dense` reads the policy \
         twice (the byte's class and a reference), `comb` four times (class, displacement, whose tooth it is, reference); a node is read four times \
         (kind, length, bytes, reference), whatever it reads of the path: nodes of a path are in the table above. None calls a helper for \
         a byte: `bpf_loop` is made a loop by the verifier, and turns once for 16 bytes or 8 nodes.\n"
    )?;
    writeln!(
        page,
        "| packing | rules | states | classes | bytes | bytes a state | walk |\n|---|---:|---:|---:|---:|---:|---:|"
    )?;
    for row in lines("packings") {
        let each = row["bytes_a_state"].as_f64().unwrap_or(0.0);
        let (packing, walk) = (text(&row["packing"]), cell(&row["walk"]));
        writeln!(
            page,
            "| {packing} | {} | {} | {} | {} | {each:.1} | {walk} |",
            row["rules"], row["states"], row["classes"], row["bytes"]
        )?;
    }
    if !lines("peers").is_empty() {
        writeln!(
            page,
            "\n## Beside other engines\n\nThe same rules and 64 of the same requests (`tree`, hits), in the same run. casbin-rs reads the same model and rules; Cedar \
             has a `permit` for each rule; regorus looks rules up as data. `ratio` is to `bpf` above.\n\n\
             | engine | rules | ns a decision | ratio |\n|---|---:|---:|---:|"
        )?;
        for row in lines("peers") {
            let ours = lines("decisions").into_iter().find(|ours| {
                ours["form"] == json!("tree") && ours["what"] == json!("hit") && ours["rules"] == row["rules"]
            });
            let ours = ours.and_then(|row| row["bpf"]["median"].as_f64()).unwrap_or(f64::NAN);
            let ratio = row["time"]["median"].as_f64().unwrap_or(f64::NAN) / ours;
            writeln!(
                page,
                "| {} | {} | {} | {ratio:.0} |",
                text(&row["engine"]),
                row["rules"],
                cell(&row["time"])
            )?;
        }
    }
    Ok(())
}
