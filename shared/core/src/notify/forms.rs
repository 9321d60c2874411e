//! The forms of a message: our own JSON, Slack's and Teams'.
//!
//! Slack: an incoming webhook takes `text`, which is what a notification shows, and `blocks` (Slack: "Sending messages using
//! incoming webhooks", "Block Kit": a header of 150 characters, a section of 3000, fields of 2000). `&`, `<` and `>` are
//! its markup, and `<!channel>` would call everybody.
//!
//! Teams: a webhook of Workflows takes a message with an Adaptive Card (Microsoft: "Post a workflow when a webhook request
//! is received"). All of the text stands in `TextRun`s, which know no Markdown.

use serde_json::{Value, json};

use super::message::Notification;
use crate::config::{NotifyEvent, NotifyForm};
use crate::job::shortened;

/// So many bytes of a text are shown: a section holds 3000 characters.
const MAX_TEXT: usize = 2900;
/// So much of a value is shown: a field holds 2000 characters.
const MAX_FIELD: usize = 1500;

/// What is posted: all of it is far below the 28 KB that Teams takes, as an error's line is kept bounded.
pub(super) fn body(form: NotifyForm, told: &Notification) -> Value {
    match form {
        // It is made of texts, numbers and flags: it serialises.
        NotifyForm::Json => serde_json::to_value(told).unwrap_or_default(),
        NotifyForm::Slack => slack(told),
        NotifyForm::Teams => teams(told),
    }
}

fn slack(told: &Notification) -> Value {
    let plain = |text: &str| json!({ "type": "plain_text", "text": text, "emoji": false });
    let headline = shortened(&format!("{}: {}", told.headline(), told.title()), 140);
    let fields: Vec<Value> = told
        .facts()
        .into_iter()
        .map(|(name, value)| plain(&format!("{name}\n{}", shortened(&value, MAX_FIELD))))
        .collect();
    let mut blocks = vec![json!({ "type": "header", "text": plain(&headline) })];
    if !fields.is_empty() {
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    if let Some(failure) = &told.failure {
        let code = |text: &str| json!({ "type": "mrkdwn", "text": code(text) });
        blocks.extend([
            json!({ "type": "section", "text": code(&failure.message) }),
            json!({ "type": "section", "text": plain(&failure.advice) }),
            json!({ "type": "section", "text": code(&failure.command) }),
        ]);
    }
    json!({ "text": escaped(&told.text), "blocks": blocks })
}

/// A text for Slack, in which nothing calls anybody or leads anywhere, as far as there is room for it.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            plain => escaped.push(plain),
        }
        if escaped.len() > MAX_TEXT {
            escaped.push('…');
            break;
        }
    }
    escaped
}

fn code(text: &str) -> String {
    format!("```{}```", escaped(&text.replace('`', "'")))
}

fn teams(told: &Notification) -> Value {
    let color = match told.event {
        NotifyEvent::Landed | NotifyEvent::SchemaChanged => "Good",
        NotifyEvent::LandedPartly => "Warning",
        NotifyEvent::Failed | NotifyEvent::Refused | NotifyEvent::NeedsPerson => "Attention",
    };
    let headline = json!({
        "type": "TextRun", "text": format!("{}: {}", told.headline(), told.title()), "size": "Large",
        "weight": "Bolder", "color": color,
    });
    let mut body = vec![rich(vec![headline])];
    body.extend(told.facts().into_iter().map(|(name, value)| {
        rich(vec![json!({ "type": "TextRun", "text": format!("{name}: "), "weight": "Bolder" }), run(&value)])
    }));
    if let Some(failure) = &told.failure {
        let monospace = |text: &str| json!({ "type": "TextRun", "text": text, "fontType": "Monospace" });
        body.extend([
            rich(vec![monospace(&failure.message)]),
            rich(vec![run(&failure.advice)]),
            rich(vec![monospace(&failure.command)]),
        ]);
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": { "width": "Full" },
                "fallbackText": told.text,
                "body": body,
            },
        }],
    })
}

fn run(text: &str) -> Value {
    json!({ "type": "TextRun", "text": text })
}

fn rich(inlines: Vec<Value>) -> Value {
    json!({ "type": "RichTextBlock", "inlines": Value::Array(inlines) })
}

#[cfg(test)]
mod tests {
    use super::super::fact::Fact;
    use super::super::fact::samples::{failed, landed, now, subject};
    use super::*;
    use crate::error::ErrorType;
    use crate::job::JobState;

    fn in_form(form: NotifyForm, fact: &Fact, recovered: bool) -> Value {
        body(form, &Notification::about(&subject(), fact, recovered, now()).unwrap())
    }

    /// Slack's form: what a header, a field and a section take, within their limits; and nobody is called by what a source
    /// has said.
    #[test]
    fn slack_gets_blocks_and_a_text() {
        let told = in_form(NotifyForm::Slack, &failed(ErrorType::UnsafeArchive), false);
        let plain = |text: &str| json!({ "type": "plain_text", "text": text, "emoji": false });
        let blocks = told["blocks"].as_array().unwrap();
        assert_eq!(
            blocks[0],
            json!({ "type": "header", "text": plain("Refused: Carriers <&> *all* on fusion-prod") })
        );
        let fields = blocks[1]["fields"].as_array().unwrap();
        assert_eq!(fields[0], plain("Run\ncarriers-2026-11-21T06"));
        assert!(fields.len() <= 10 && fields.contains(&plain("Error\nUnsafeArchive in unpack-upload")));
        assert_eq!(
            blocks[2],
            json!({ "type": "section", "text": { "type": "mrkdwn",
                "text": "```member \"../x\" &lt;!channel&gt; leaves its 'prefix'```" } })
        );
        assert_eq!(blocks[4]["text"]["text"], "```landfall run EVENT```");
        let text = told["text"].as_str().unwrap();
        assert!(
            text.starts_with("Refused: Carriers &lt;&amp;&gt;") && !text.contains("<!channel>"),
            "{text}"
        );
    }

    /// Teams' form: a message with one Adaptive Card, all of whose text stands where no Markdown is read.
    #[test]
    fn teams_gets_an_adaptive_card() {
        let told = in_form(NotifyForm::Teams, &landed(JobState::Succeeded, 2), true);
        assert_eq!(told["type"], "message");
        let card = &told["attachments"][0];
        assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
        assert_eq!(
            (&card["content"]["type"], &card["content"]["version"]),
            (&json!("AdaptiveCard"), &json!("1.4"))
        );
        let body = card["content"]["body"].as_array().unwrap();
        let headline = &body[0]["inlines"][0];
        assert_eq!(headline["text"], "Recovered: Carriers <&> *all* on fusion-prod");
        assert_eq!(headline["color"], "Good");
        assert!(body.iter().all(|block| block["type"] == "RichTextBlock"));
        let runs: Vec<&Value> = body.iter().flat_map(|block| block["inlines"].as_array().unwrap()).collect();
        assert!(runs.iter().all(|run| run["type"] == "TextRun"));
        let texts: Vec<&str> = runs.iter().filter_map(|run| run["text"].as_str()).collect();
        assert!(texts.contains(&"7 objects, 2000000 bytes, 12000 rows, 2 changes of columns"), "{texts:?}");
        assert!(texts.contains(&"s3://lake/fusion/fusion-prod/Carriers/44046/_manifest.json"), "{texts:?}");
    }

    /// Promise 6: whatever a source says, a message is one that Slack and Teams take.
    #[test]
    fn a_message_is_bounded() {
        let Fact::Failed(mut failure) = failed(ErrorType::Rejected) else { panic!() };
        failure.message = "<&`".repeat(2000 / 3);
        let fact = Fact::Failed(failure);
        let slack = in_form(NotifyForm::Slack, &fact, false);
        let longest = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
        for block in slack["blocks"].as_array().unwrap() {
            assert!(longest(&block["text"]["text"]) <= 3000, "{block}");
        }
        assert!(in_form(NotifyForm::Teams, &fact, false).to_string().len() < 28 << 10);
        assert!(slack.to_string().len() < 40 << 10);
    }
}
