//! Answers REST requests with the results of GraphQL queries.
//!
//! A request without a body cannot get one from a plug-in, so the query is a call to the cluster of the route, and the
//! response of the call becomes that of the request.

use sdk::call::{CallError, Cluster, HttpCall, HttpResponse};
use sdk::prelude::*;

mod config;
mod graphql;
mod rules;

use crate::config::Config;

struct DeGraphql;

#[plugin(call_outs)]
impl Plugin for DeGraphql {
    type Config = Config;

    fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
        if request.kind().is_open_ended() {
            let problem = "This resource accepts neither gRPC nor protocol upgrades.";
            return Flow::Reply(
                refusal(StatusCode::BAD_REQUEST, &[problem.into()]).details("de-graphql.wrong_kind"),
            );
        }
        let headers = request.all();
        let header = |name| headers.get(name).unwrap_or_default();
        // Browsers send these without asking the user, and other clients repeat them.
        if config.operation.is_mutation
            && matches!(header(":method"), b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE")
        {
            let reply = refusal(StatusCode::METHOD_NOT_ALLOWED, &["This resource requires POST.".into()]);
            return Flow::Reply(
                reply.header("allow", "POST, PUT, PATCH, DELETE").details("de-graphql.wrong_method"),
            );
        }
        // GraphQL servers refuse forms and texts, which other sites can send with the user's cookies. The call is always JSON.
        if config.operation.is_mutation && headers.values("sec-fetch-site").any(|site| site == b"cross-site")
        {
            let problem = "This resource cannot be used by pages of other sites.";
            let reply = refusal(StatusCode::FORBIDDEN, &[problem.into()]);
            return Flow::Reply(reply.details("de-graphql.cross_site"));
        }
        let body = match rules::body(&config.gql, &config.operation, header(":path")) {
            Ok(body) => body,
            Err(problems) => {
                let reply = refusal(StatusCode::BAD_REQUEST, &problems);
                return Flow::Reply(reply.details("de-graphql.invalid_variables").cause("gql"));
            }
        };
        let host = match &config.domain {
            Some(domain) => domain.clone(),
            None => String::from_utf8_lossy(header(":authority")).into_owned(),
        };
        let Some(cluster) = Cluster::of_route(host) else {
            warn!("de-graphql: the route of the request has no cluster");
            return Flow::Reply(unavailable());
        };
        let mut call = HttpCall::post(cluster, config.endpoint.as_str(), body)
            .header("accept", "application/json")
            .header("content-type", "application/json")
            .timeout(config.timeout);
        for (name, value) in headers.iter().filter(|(name, _)| rules::is_sent(name)) {
            // The gateway rejects other names.
            if let Ok(name) = std::str::from_utf8(name) {
                call = call.header(name, value);
            }
        }
        request.wait(config, async |_, _| Flow::Reply(answer(call.send().await)))
    }
}

/// Returns the response to the client.
fn answer(result: Result<HttpResponse, CallError>) -> Reply {
    let response = match result {
        Ok(response) => response,
        Err(error) => {
            warn!("de-graphql: no response from the GraphQL server: {error}");
            return unavailable();
        }
    };
    let Ok(status) = StatusCode::try_from(u32::from(response.status())) else { return unavailable() };
    let mut reply = Reply::new(status).details("de-graphql.relayed");
    // Without a content type, the gateway adds that of a text.
    if !response.body.is_empty() && response.headers.get("content-type").is_none() {
        reply = reply.header("content-type", "application/json");
    }
    for (name, value) in response.headers.iter().filter(|(name, _)| rules::is_relayed(name)) {
        reply = reply.header(String::from_utf8_lossy(name), value);
    }
    reply.body(response.body)
}

fn unavailable() -> Reply {
    refusal(StatusCode::SERVICE_UNAVAILABLE, &["The GraphQL server is unavailable.".into()])
        .details("de-graphql.no_response")
}

fn refusal(status: StatusCode, problems: &[String]) -> Reply {
    Reply::new(status).header("content-type", "application/json").body(rules::errors(problems))
}
