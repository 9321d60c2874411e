//! What whoever deploys the stack must be allowed, as `docs/guide/deployer-policy.json` has it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::stack::{is_like, template};

/// The most that a managed policy may have, without white space (IAM's quotas).
const MAX_POLICY: usize = 6144;

/// What `CloudFormation` asks for to make, change and delete a resource of a type (the handlers of its registry), and what
/// such a resource of a stack called `landfall` is called.
const NEEDED: &[(&str, &str, &[&str])] = &[
    (
        "AWS::S3::Bucket",
        "arn:aws:s3:::landfall-workbucket-1a2b",
        &[
            "s3:CreateBucket",
            "s3:DeleteBucket",
            "s3:PutEncryptionConfiguration",
            "s3:PutBucketNotification",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutBucketOwnershipControls",
            "s3:PutLifecycleConfiguration",
            "s3:PutBucketVersioning",
        ],
    ),
    (
        "AWS::S3::BucketPolicy",
        "arn:aws:s3:::landfall-workbucket-1a2b",
        &["s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:DeleteBucketPolicy"],
    ),
    (
        "AWS::SecretsManager::Secret",
        "arn:aws:secretsmanager:eu-central-1:111122223333:secret:landfall/destinations/lake-1A2b3C",
        &[
            "secretsmanager:CreateSecret",
            "secretsmanager:UpdateSecret",
            "secretsmanager:DescribeSecret",
            "secretsmanager:DeleteSecret",
            "secretsmanager:TagResource",
        ],
    ),
    (
        "AWS::Logs::LogGroup",
        "arn:aws:logs:eu-central-1:111122223333:log-group:landfall-SubmitLogs-1A2b",
        &["logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy", "logs:TagResource"],
    ),
    (
        "AWS::Serverless::Function",
        "arn:aws:lambda:eu-central-1:111122223333:function:landfall-SubmitFunction-1A2b",
        &[
            "lambda:CreateFunction",
            "lambda:GetFunction",
            "lambda:UpdateFunctionCode",
            "lambda:UpdateFunctionConfiguration",
            "lambda:PutFunctionConcurrency",
            "lambda:DeleteFunctionConcurrency",
            "lambda:PutFunctionEventInvokeConfig",
            "lambda:GetFunctionEventInvokeConfig",
            "lambda:UpdateFunctionEventInvokeConfig",
            "lambda:DeleteFunctionEventInvokeConfig",
            "lambda:DeleteFunction",
            "lambda:TagResource",
        ],
    ),
    (
        "AWS::Serverless::StateMachine",
        "arn:aws:states:eu-central-1:111122223333:stateMachine:ExportJob-1A2b",
        &[
            "states:CreateStateMachine",
            "states:DescribeStateMachine",
            "states:UpdateStateMachine",
            "states:DeleteStateMachine",
            "states:TagResource",
        ],
    ),
    (
        "AWS::IAM::Role",
        "arn:aws:iam::111122223333:role/landfall-SubmitRole-1A2b",
        &[
            "iam:CreateRole",
            "iam:GetRole",
            "iam:UpdateAssumeRolePolicy",
            "iam:DeleteRole",
            "iam:PutRolePolicy",
            "iam:GetRolePolicy",
            "iam:DeleteRolePolicy",
            "iam:PassRole",
        ],
    ),
    (
        "AWS::IAM::Policy",
        "arn:aws:iam::111122223333:role/landfall-ExportJobRole-1A2b",
        &["iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy"],
    ),
    (
        "AWS::IAM::ManagedPolicy",
        "arn:aws:iam::111122223333:policy/landfall-FromBucketPolicy-1A2b",
        &[
            "iam:CreatePolicy",
            "iam:GetPolicy",
            "iam:CreatePolicyVersion",
            "iam:DeletePolicyVersion",
            "iam:DeletePolicy",
        ],
    ),
    (
        "AWS::Scheduler::Schedule",
        "arn:aws:scheduler:eu-central-1:111122223333:schedule/default/landfall-RunTimer-1A2b",
        &[
            "scheduler:CreateSchedule",
            "scheduler:GetSchedule",
            "scheduler:UpdateSchedule",
            "scheduler:DeleteSchedule",
        ],
    ),
    (
        "AWS::Events::Rule",
        "arn:aws:events:eu-central-1:111122223333:rule/landfall-Failures-1A2b",
        &[
            "events:PutRule",
            "events:DescribeRule",
            "events:DeleteRule",
            "events:PutTargets",
            "events:RemoveTargets",
        ],
    ),
    (
        "AWS::SNS::Topic",
        "arn:aws:sns:eu-central-1:111122223333:landfall-Topic-1A2b",
        &["sns:CreateTopic", "sns:GetTopicAttributes", "sns:SetTopicAttributes", "sns:DeleteTopic"],
    ),
    (
        "AWS::SNS::TopicPolicy",
        "arn:aws:sns:eu-central-1:111122223333:landfall-Topic-1A2b",
        &["sns:SetTopicAttributes"],
    ),
    (
        "AWS::SNS::Subscription",
        "arn:aws:sns:eu-central-1:111122223333:landfall-Topic-1A2b",
        &["sns:Subscribe", "sns:Unsubscribe", "sns:GetSubscriptionAttributes"],
    ),
    (
        "AWS::CloudWatch::Alarm",
        "arn:aws:cloudwatch:eu-central-1:111122223333:alarm:landfall-FailedAlarm-1A2b",
        &["cloudwatch:PutMetricAlarm", "cloudwatch:DescribeAlarms", "cloudwatch:DeleteAlarms"],
    ),
    (
        "AWS::CloudWatch::Dashboard",
        "arn:aws:cloudwatch::111122223333:dashboard/landfall-eu-central-1",
        &["cloudwatch:PutDashboard", "cloudwatch:GetDashboard", "cloudwatch:DeleteDashboards"],
    ),
];

fn policy() -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/deployer-policy.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn allows(policy: &Value, action: &str, resource: &str) -> bool {
    let is_like_one = |patterns: &Value, text: &str| {
        patterns.as_array().unwrap().iter().any(|pattern| is_like(pattern.as_str().unwrap(), text))
    };
    let mut statements = policy["Statement"].as_array().unwrap().iter();
    statements.any(|statement| {
        is_like_one(&statement["Action"], action) && is_like_one(&statement["Resource"], resource)
    })
}

/// Whoever is given the policy can deploy all that the template has, under any name that begins with `landfall`; and of
/// other names nothing.
#[test]
fn the_policy_allows_what_the_template_creates() {
    let policy = policy();
    let template = template();
    let types: BTreeSet<&str> =
        template.lines().filter_map(|line| line.strip_prefix("    Type: AWS::")).collect();
    assert!(types.len() > 10, "{types:?}");
    for of_template in types {
        let name = format!("AWS::{of_template}");
        let needed = NEEDED.iter().find(|(needed, ..)| *needed == name);
        let (_, resource, actions) = needed.unwrap_or_else(|| panic!("what does {name} need?"));
        for action in *actions {
            for stack in ["landfall", "landfall-test"] {
                let resource = resource.replace("landfall-", &format!("{stack}-"));
                assert!(allows(&policy, action, &resource), "{action} of {resource}");
            }
            // What only looks may look at all, and state machines are called without their stack's name.
            let another = resource.replace("landfall", "payroll");
            let is_of_all = another == *resource || action.contains(":Describe");
            assert!(is_of_all || !allows(&policy, action, &another), "{action} of {another}");
        }
    }
    assert!(serde_json::to_string(&policy).unwrap().len() <= MAX_POLICY);
}
