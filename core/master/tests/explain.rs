//! The master's response to a query for the reasons why no resources are offered.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

mod common;

use allocator::ExplainQuery;
use common::*;
use machine::{CallResponse, Status};
use master::{Caller, Effect, Explain, Input};
use model::{AgentId, FrameworkId, ReplyId};
use testkit::builders::*;

fn ask(c: &mut Cluster, question: ExplainQuery) -> CallResponse {
    c.forget();
    let reply = ReplyId(777);
    c.deliver(Input::Explain(Explain { reply, caller: Caller::default(), question }));
    let mut answers = c.recorded.effects.iter().filter_map(|effect| match effect {
        Effect::Reply { reply: to, response: answer } if *to == reply => Some(answer.clone()),
        _ => None,
    });
    answers.next().unwrap()
}

fn about(framework: &str) -> ExplainQuery {
    ExplainQuery { framework: Some(FrameworkId::new(framework)), ..ExplainQuery::default() }
}

#[test]
fn explain_lists_the_reasons() {
    let mut c = Cluster::new();
    c.agent("cpus:4;mem:1024;gpus:1");
    c.agent("cpus:4;mem:1024");
    c.agent("cpus:4;mem:1024");
    let f = c.framework();
    let offers = c.offered(&f);
    c.call(&f, decline(&offers[0], 60.0));
    let answer = ask(&mut c, about(&f.id));
    assert_eq!(answer.status, Status::Ok);
    let document: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let eligibility = &document["eligibilities"][0];
    assert_eq!((&eligibility["framework"], &eligibility["name"]), (&f.id.as_str().into(), &"n".into()));
    assert_eq!(
        (&eligibility["agents"], &eligibility["offers"], &eligibility["open"]),
        (&3.into(), &1.into(), &0.into())
    );
    let mut codes: Vec<_> = eligibility["summary"].as_array().unwrap().iter().map(|one| one["code"].as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [Some("FRAMEWORK_LACKS_CAPABILITY"), Some("NOTHING_LEFT"), Some("REFUSED")]);
    let refused = eligibility["summary"].as_array().unwrap().iter().find(|one| one["code"] == "REFUSED").unwrap();
    assert!((59.0..=60.0).contains(&refused["seconds"].as_f64().unwrap()), "{refused}");
    assert_eq!(eligibility["details"][0]["hostname"], "host");
}

#[test]
fn unknown_ids_are_not_found() {
    let mut c = Cluster::new();
    let f = c.framework();
    assert_eq!(ask(&mut c, about("x")), CallResponse::new(Status::NotFound, "No framework x"));
    let question = ExplainQuery { agent: Some(AgentId::new("y")), ..about(&f.id) };
    assert_eq!(ask(&mut c, question), CallResponse::new(Status::NotFound, "No agent y"));
}
