"""Whom the account's roles trust and what they may do, as AWS would answer forged requests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from terraform.iam import ALLOWED, DENIED, FORBIDDEN, Request, Token

if TYPE_CHECKING:
    from terraform.applied_bootstrap import Bootstrap
    from terraform.iam import Policies, Simulator

ACCOUNT = "123456789012"
IAM = f"arn:aws:iam::{ACCOUNT}"
HERE = f"us-east-1:{ACCOUNT}"
GITHUB = "token.actions.githubusercontent.com"
PROVIDER = f"{IAM}:oidc-provider/{GITHUB}"
AUDIENCE = "sts.amazonaws.com"
# As in the README's example.
REPOSITORY = "repo:acme@1001/shop@2002"
STAGING = "python-lambda-staging"
BOUNDARY = f"{IAM}:policy/bootstrap/{STAGING}"
STATES = f"arn:aws:s3:::python-lambda-state-{ACCOUNT}"
PACKAGES = f"arn:aws:s3:::python-lambda-packages-{ACCOUNT}"

# IAM user guide, "IAM and AWS STS quotas": without white space.
_MANAGED_POLICY_CHARACTERS = 6144
_ROLE_TRUST_CHARACTERS = 2048


@dataclass(frozen=True, kw_only=True, slots=True)
class Role:
    """A role of the bootstrap: its ARN, whom it trusts, and what it may do."""

    arn: str
    trust: dict[str, Any]
    policies: Policies

    def asks(self, action: str, resource: str, **context: str) -> Request:
        """Return a request by this role; `context` has its keys' ":" and "/" spelt __ and ___."""
        keys = {
            name.replace("___", "/").replace("__", ":"): value for name, value in context.items()
        }
        return Request(
            action=action,
            resource=resource,
            policies=self.policies,
            principal=self.arn,
            context=keys,
        )


@pytest.fixture(scope="module")
def resources(bootstrap: Bootstrap) -> dict[str, dict[str, Any]]:
    """What the bootstrap has made, by address."""
    return bootstrap.resources()


@pytest.fixture(scope="module")
def roles(resources: dict[str, dict[str, Any]]) -> dict[str, Role]:
    """The roles by name: plan, and each environment."""
    documents = {
        values["arn"]: json.loads(values["policy"])
        for address, values in resources.items()
        if address.startswith("aws_iam_policy.")
    }
    attached: dict[str, Policies] = {}
    for address, values in resources.items():
        if address.startswith("aws_iam_role_policy_attachment."):
            arn = values["policy_arn"]
            attached.setdefault(values["role"], {})[arn] = documents[arn]
    return {
        values["name"].removeprefix("python-lambda-").removeprefix("deploy-"): Role(
            arn=values["arn"],
            trust=json.loads(values["assume_role_policy"]),
            policies=attached[values["name"]],
        )
        for address, values in resources.items()
        if address.startswith("aws_iam_role.")
    }


@pytest.fixture(scope="module")
def boundary(resources: dict[str, dict[str, Any]]) -> Policies:
    """The boundary of staging's functions."""
    policy = resources['aws_iam_policy.boundary["staging"]']["policy"]
    return {"boundary": json.loads(policy)}


# Who is trusted

# What a token says, and which roles take it.
TOKENS = {
    "a pull request of the repository": ({"sub": f"{REPOSITORY}:pull_request"}, {"plan"}),
    "the branch": ({"sub": f"{REPOSITORY}:ref:refs/heads/main"}, {"plan"}),
    "staging": ({"sub": f"{REPOSITORY}:environment:staging"}, {"staging"}),
    "production": ({"sub": f"{REPOSITORY}:environment:production"}, {"production"}),
    # Forged, or somebody else's.
    **{
        name: ({"sub": subject}, set[str]())
        for name, subject in {
            "another repository": "repo:acme@1001/blog@2003:environment:staging",
            "a repository that begins alike": "repo:acme@1001/shop-2@2003:environment:staging",
            "another owner": "repo:mallory@6666/shop@2002:environment:staging",
            "an owner that begins alike": "repo:acme-2@1002/shop@2002:environment:staging",
            "the owner's name, taken over": "repo:acme@9999/shop@2002:environment:staging",
            "the repository's name, taken over": "repo:acme@1001/shop@9999:environment:staging",
            "the names without their ids": "repo:acme/shop:environment:staging",
            "the ids without their names": "repo:@1001/@2002:environment:staging",
            "a fork's pull request": "repo:mallory@6666/shop@7777:pull_request",
            "a fork's branch": "repo:mallory@6666/shop@7777:ref:refs/heads/main",
            "an unknown environment": f"{REPOSITORY}:environment:development",
            "an environment that begins alike": f"{REPOSITORY}:environment:staging2",
            "an environment with more in it": f"{REPOSITORY}:environment:staging%3Aproduction",
            "more behind the environment": f"{REPOSITORY}:environment:staging:ref:refs/heads/x",
            "another branch": f"{REPOSITORY}:ref:refs/heads/feature",
            "a branch that begins alike": f"{REPOSITORY}:ref:refs/heads/main2",
            "a tag that is called like the branch": f"{REPOSITORY}:ref:refs/tags/main",
            "a branch that is called like an environment": f"{REPOSITORY}:ref:refs/heads/"
            "environment:staging",
            "a wildcard": "*",
            "a wildcard for the environment": f"{REPOSITORY}:environment:*",
            "a wildcard for the repository": "repo:acme@1001/*:environment:staging",
            "the owner in another case": "repo:Acme@1001/shop@2002:environment:staging",
            "the environment in another case": f"{REPOSITORY}:environment:Staging",
            "the subject in another case": f"{REPOSITORY.upper()}:ENVIRONMENT:STAGING",
            "white space around it": f" {REPOSITORY}:environment:staging ",
            "nothing": "",
        }.items()
    },
}


def token(role: Role, claims: dict[str, str], principal: str = PROVIDER) -> Token:
    """Return a question to a role's trust document."""
    context = {f"{GITHUB}:{claim}": value for claim, value in claims.items()}
    return Token(principal=principal, resource=role.arn, trust=role.trust, context=context)


def test_each_role_takes_the_tokens_that_are_meant_for_it_and_no_other(
    roles: dict[str, Role], simulator: Simulator
) -> None:
    asked = [
        (name, role, wanted)
        for name, (_claims, takers) in TOKENS.items()
        for role, wanted in ((role, role in takers) for role in roles)
    ]

    answers = simulator.answers(
        [token(roles[role], {"aud": AUDIENCE, **TOKENS[name][0]}) for name, role, _ in asked]
    )

    given = {(name, role): answer for (name, role, _), answer in zip(asked, answers, strict=True)}
    assert given == {(name, role): ALLOWED if wanted else DENIED for name, role, wanted in asked}
    assert sorted(roles) == ["plan", "production", "staging"]


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"aud": AUDIENCE},
        {"sub": f"{REPOSITORY}:environment:staging"},
        {"sub": f"{REPOSITORY}:environment:staging", "aud": "https://github.com/acme"},
        {"sub": f"{REPOSITORY}:environment:staging", "aud": "STS.amazonaws.com"},
        {"sub": f"{REPOSITORY}:environment:staging", "aud": "*"},
    ],
    ids=["neither", "no subject", "no audience", "default audience", "its case", "wildcard"],
)
def test_the_right_subject_with_another_audience_is_refused(
    roles: dict[str, Role], simulator: Simulator, claims: dict[str, str]
) -> None:
    assert simulator.answers([token(roles["staging"], claims)]) == [DENIED]


def test_another_provider_s_token_and_another_account_s_are_refused(
    roles: dict[str, Role], simulator: Simulator
) -> None:
    claims = {"aud": AUDIENCE, "sub": f"{REPOSITORY}:environment:staging"}
    others = [
        f"{IAM}:oidc-provider/gitlab.com",
        PROVIDER.replace(ACCOUNT, "210987654321"),
        f"{IAM}:role/somebody",
        f"{IAM}:root",
    ]

    answers = simulator.answers([token(roles["staging"], claims, other) for other in others])

    assert answers == [DENIED] * len(others)


# What the roles may do

OWN_ROLE = f"{IAM}:role/{STAGING}-chat"
DEPLOY_ROLE = f"{IAM}:role/bootstrap/python-lambda-deploy-staging"
FUNCTION = f"arn:aws:lambda:{HERE}:function:{STAGING}-chat"
PRODUCTION_FUNCTION = FUNCTION.replace("staging", "production")
MAPPING = "a1b2c3d4-5678-90ab-cdef-11111example"
OWN_STATE = f"{STATES}/stack/staging.tfstate"
BOUND = {"iam__PermissionsBoundary": BOUNDARY}

DEPLOY: dict[str, tuple[str, str, dict[str, str], str]] = {
    # What it is for.
    "make a role within the boundary": ("iam:CreateRole", OWN_ROLE, BOUND, ALLOWED),
    "grant such a role something": ("iam:PutRolePolicy", OWN_ROLE, BOUND, ALLOWED),
    "put the boundary on a role": ("iam:PutRolePermissionsBoundary", OWN_ROLE, BOUND, ALLOWED),
    "remove a role": ("iam:DeleteRole", OWN_ROLE, {}, ALLOWED),
    "pass a role to Lambda": (
        *("iam:PassRole", OWN_ROLE, {"iam__PassedToService": "lambda.amazonaws.com"}, ALLOWED),
    ),
    "change a function": ("lambda:UpdateFunctionCode", FUNCTION, {}, ALLOWED),
    "move an alias": ("lambda:UpdateAlias", FUNCTION, {}, ALLOWED),
    "ask a new version": ("lambda:InvokeFunction", f"{FUNCTION}:7", {}, ALLOWED),
    "write its state": ("s3:PutObject", OWN_STATE, {}, ALLOWED),
    "let go of its lock": ("s3:DeleteObject", f"{OWN_STATE}.tflock", {}, ALLOWED),
    "upload a package": ("s3:PutObject", f"{PACKAGES}/{STAGING}-chat/digest.zip", {}, ALLOWED),
    "pull what was built for another environment": (
        "ecr:BatchGetImage",
        f"arn:aws:ecr:{HERE}:repository/python-lambda-production-inference",
        {},
        ALLOWED,
    ),
    # Ways to become more than it is.
    "make a role without a boundary": ("iam:CreateRole", OWN_ROLE, {}, DENIED),
    "make a role within another boundary": (
        "iam:CreateRole",
        OWN_ROLE,
        {"iam__PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"},
        DENIED,
    ),
    "make a role within production's boundary": (
        "iam:CreateRole",
        OWN_ROLE,
        {"iam__PermissionsBoundary": BOUNDARY.replace("staging", "production")},
        DENIED,
    ),
    "exchange a role's boundary": (
        "iam:PutRolePermissionsBoundary",
        OWN_ROLE,
        {"iam__PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"},
        DENIED,
    ),
    "remove a role's boundary": ("iam:DeleteRolePermissionsBoundary", OWN_ROLE, BOUND, DENIED),
    "grant a role without a boundary something": ("iam:PutRolePolicy", OWN_ROLE, {}, DENIED),
    "attach a policy": ("iam:AttachRolePolicy", OWN_ROLE, BOUND, DENIED),
    "rewrite the boundary": ("iam:CreatePolicyVersion", BOUNDARY, {}, DENIED),
    "change which version of the boundary holds": (
        *("iam:SetDefaultPolicyVersion", BOUNDARY, {}, DENIED),
    ),
    "change whom it trusts itself": ("iam:UpdateAssumeRolePolicy", DEPLOY_ROLE, {}, DENIED),
    "grant itself something": ("iam:PutRolePolicy", DEPLOY_ROLE, BOUND, DENIED),
    "attach itself a policy": ("iam:AttachRolePolicy", DEPLOY_ROLE, BOUND, DENIED),
    "change whom production's role trusts": (
        "iam:UpdateAssumeRolePolicy",
        DEPLOY_ROLE.replace("staging", "production"),
        {},
        DENIED,
    ),
    "become another role": ("sts:AssumeRole", f"{IAM}:role/admin", {}, DENIED),
    "have GitHub's provider take other audiences": (
        *("iam:AddClientIDToOpenIDConnectProvider", PROVIDER, {}, DENIED),
    ),
    "make a user": ("iam:CreateUser", f"{IAM}:user/{STAGING}-me", {}, DENIED),
    "make a key": ("iam:CreateAccessKey", f"{IAM}:user/admin", {}, DENIED),
    "pass its own role to Lambda": (
        *("iam:PassRole", DEPLOY_ROLE, {"iam__PassedToService": "lambda.amazonaws.com"}, DENIED),
    ),
    "pass somebody's role to Lambda": (
        "iam:PassRole",
        f"{IAM}:role/admin",
        {"iam__PassedToService": "lambda.amazonaws.com"},
        DENIED,
    ),
    "pass a role to EC2": (
        *("iam:PassRole", OWN_ROLE, {"iam__PassedToService": "ec2.amazonaws.com"}, DENIED),
    ),
    "make the role of another service": (
        "iam:CreateServiceLinkedRole",
        f"{IAM}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
        {"iam__AWSServiceName": "ecs.amazonaws.com"},
        DENIED,
    ),
    # Ways into another environment.
    "change production's function": ("lambda:UpdateFunctionCode", PRODUCTION_FUNCTION, {}, DENIED),
    "call production's function": ("lambda:InvokeFunction", PRODUCTION_FUNCTION, {}, DENIED),
    "make production's role": (
        *("iam:CreateRole", f"{IAM}:role/python-lambda-production-chat", BOUND, DENIED),
    ),
    "change a function of an environment that begins alike": (
        *("lambda:UpdateFunctionCode", FUNCTION.replace("staging", "staging2"), {}, DENIED),
    ),
    "change production's API": (
        "apigateway:PATCH",
        "arn:aws:apigateway:us-east-1::/apis/abcdefghij",
        {"aws__ResourceTag___Project": "python-lambda-production"},
        FORBIDDEN,
    ),
    "change its own API": (
        "apigateway:PATCH",
        "arn:aws:apigateway:us-east-1::/apis/abcdefghij",
        {"aws__ResourceTag___Project": STAGING},
        ALLOWED,
    ),
    "tag a stage of production's API": (
        "apigateway:TagResource",
        "arn:aws:apigateway:us-east-1::/apis/abcdefghij/stages",
        {"aws__ResourceTag___Project": "python-lambda-production"},
        FORBIDDEN,
    ),
    "make a stage of its own API with tags": (
        "apigateway:TagResource",
        "arn:aws:apigateway:us-east-1::/apis/abcdefghij/stages",
        {"aws__ResourceTag___Project": STAGING},
        ALLOWED,
    ),
    "put an image where production's are": (
        "ecr:PutImage",
        f"arn:aws:ecr:{HERE}:repository/python-lambda-production-inference",
        {},
        DENIED,
    ),
    "feed production's functions": (
        "lambda:CreateEventSourceMapping",
        "*",
        {"lambda__FunctionArn": PRODUCTION_FUNCTION},
        DENIED,
    ),
    "feed its own functions": (
        *("lambda:CreateEventSourceMapping", "*", {"lambda__FunctionArn": FUNCTION}, ALLOWED),
    ),
    "replace production's package": (
        *("s3:PutObject", f"{PACKAGES}/python-lambda-production-chat/digest.zip", {}, DENIED),
    ),
    "silence production's alarm": (
        "cloudwatch:DeleteAlarms",
        f"arn:aws:cloudwatch:{HERE}:alarm:python-lambda-production-chat-errors",
        {},
        DENIED,
    ),
    # The states of others.
    "read production's state": ("s3:GetObject", f"{STATES}/stack/production.tfstate", {}, DENIED),
    "write production's state": ("s3:PutObject", f"{STATES}/stack/production.tfstate", {}, DENIED),
    "break production's lock": (
        *("s3:DeleteObject", f"{STATES}/stack/production.tfstate.tflock", {}, DENIED),
    ),
    "read the bootstrap's state": ("s3:GetObject", f"{STATES}/bootstrap.tfstate", {}, DENIED),
    "write the bootstrap's state": ("s3:PutObject", f"{STATES}/bootstrap.tfstate", {}, DENIED),
    "remove its own state": ("s3:DeleteObject", OWN_STATE, {}, DENIED),
    "remove a version of its state": ("s3:DeleteObjectVersion", OWN_STATE, {}, DENIED),
    "open the state bucket": ("s3:PutBucketPolicy", STATES, {}, DENIED),
    "forget the state's versions": ("s3:PutBucketVersioning", STATES, {}, DENIED),
    "remove the state bucket": ("s3:DeleteBucket", STATES, {}, DENIED),
}


@pytest.fixture(scope="module")
def deploy_answers(roles: dict[str, Role], simulator: Simulator) -> dict[str, str]:
    """How AWS answers each question of DEPLOY, asked at once."""
    asked = [
        roles["staging"].asks(action, resource, **context)
        for action, resource, context, _wanted in DEPLOY.values()
    ]
    return dict(zip(DEPLOY, simulator.answers(asked), strict=True))


@pytest.mark.parametrize("what", DEPLOY)
def test_what_staging_s_deploy_role_may(deploy_answers: dict[str, str], what: str) -> None:
    assert deploy_answers[what] == DEPLOY[what][3]


def test_the_plan_role_reads_what_a_plan_reads_and_nothing_else(
    roles: dict[str, Role], simulator: Simulator
) -> None:
    wanted = {
        ("lambda:GetFunction", PRODUCTION_FUNCTION): ALLOWED,
        ("lambda:ListTags", f"arn:aws:lambda:{HERE}:event-source-mapping:{MAPPING}"): ALLOWED,
        ("iam:GetRole", OWN_ROLE): ALLOWED,
        ("s3:GetObject", OWN_STATE): ALLOWED,
        ("s3:PutObject", OWN_STATE): DENIED,
        ("s3:PutObject", f"{OWN_STATE}.tflock"): DENIED,
        ("s3:GetObject", f"{STATES}/bootstrap.tfstate"): DENIED,
        ("s3:GetObject", f"arn:aws:s3:::{STAGING}-uploads/somebody.jpg"): DENIED,
        ("lambda:InvokeFunction", FUNCTION): DENIED,
        ("lambda:UpdateFunctionCode", FUNCTION): DENIED,
        (
            "logs:GetLogEvents",
            f"arn:aws:logs:{HERE}:log-group:/aws/lambda/{STAGING}-chat:log-stream:x",
        ): DENIED,
        (
            "secretsmanager:GetSecretValue",
            f"arn:aws:secretsmanager:{HERE}:secret:{STAGING}-key-AbCdEf",
        ): DENIED,
        ("ssm:GetParameter", f"arn:aws:ssm:{HERE}:parameter/{STAGING}/key"): DENIED,
        ("sqs:ReceiveMessage", f"arn:aws:sqs:{HERE}:{STAGING}-work"): DENIED,
        ("apigateway:POST", "arn:aws:apigateway:us-east-1::/apis"): DENIED,
        ("iam:CreateRole", OWN_ROLE): DENIED,
        ("iam:PassRole", OWN_ROLE): DENIED,
        ("sts:AssumeRole", DEPLOY_ROLE): DENIED,
    }

    answers = simulator.answers([roles["plan"].asks(*asked) for asked in wanted])

    assert dict(zip(wanted, answers, strict=True)) == wanted


def test_a_function_that_is_granted_everything_stays_within_its_boundary(
    boundary: Policies, simulator: Simulator
) -> None:
    everything: Policies = {
        "everything": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
        }
    }
    own = {"aws:ResourceAccount": ACCOUNT}
    wanted = {
        (
            "logs:PutLogEvents",
            f"arn:aws:logs:{HERE}:log-group:/aws/lambda/{STAGING}-chat:log-stream:x",
        ): ALLOWED,
        ("s3:GetObject", f"arn:aws:s3:::{STAGING}-uploads/somebody.jpg"): ALLOWED,
        ("s3:GetObject", "arn:aws:s3:::python-lambda-production-uploads/somebody.jpg"): DENIED,
        ("s3:GetObject", OWN_STATE): DENIED,
        ("s3:PutObject", f"{PACKAGES}/{STAGING}-chat/digest.zip"): DENIED,
        ("s3:PutBucketPolicy", f"arn:aws:s3:::{STAGING}-uploads"): DENIED,
        ("lambda:InvokeFunction", FUNCTION): ALLOWED,
        ("lambda:InvokeFunction", PRODUCTION_FUNCTION): DENIED,
        ("lambda:UpdateFunctionCode", FUNCTION): DENIED,
        (
            "secretsmanager:GetSecretValue",
            f"arn:aws:secretsmanager:{HERE}:secret:{STAGING}-key-AbCdEf",
        ): ALLOWED,
        (
            "secretsmanager:GetSecretValue",
            f"arn:aws:secretsmanager:{HERE}:secret:other-AbCdEf",
        ): DENIED,
        ("iam:CreateUser", f"{IAM}:user/me"): DENIED,
        ("iam:PutRolePolicy", OWN_ROLE): DENIED,
        ("iam:DeleteRolePermissionsBoundary", OWN_ROLE): DENIED,
        ("iam:PassRole", OWN_ROLE): DENIED,
        ("sts:AssumeRole", DEPLOY_ROLE): DENIED,
    }

    answers = simulator.answers(
        [
            Request(
                action=action,
                resource=resource,
                policies=everything,
                boundaries=boundary,
                context=own,
            )
            for action, resource in wanted
        ]
    )

    assert dict(zip(wanted, answers, strict=True)) == wanted


def test_a_bucket_of_another_account_that_begins_alike_is_out_of_bounds(
    boundary: Policies, simulator: Simulator
) -> None:
    asked = Request(
        action="s3:PutObject",
        resource=f"arn:aws:s3:::{STAGING}-of-mallory/key",
        policies=boundary,
        boundaries=boundary,
        context={"aws:ResourceAccount": "666666666666"},
    )

    assert simulator.answers([asked]) == [DENIED]


def test_documents_are_as_short_as_iam_takes_them(resources: dict[str, dict[str, Any]]) -> None:
    for address, values in resources.items():
        if address.startswith("aws_iam_policy."):
            assert len("".join(values["policy"].split())) <= _MANAGED_POLICY_CHARACTERS, address
        if address.startswith("aws_iam_role."):
            assert len(values["assume_role_policy"]) <= _ROLE_TRUST_CHARACTERS, address


# The simulator itself

ONE: Policies = {
    "one": {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (Request(action="s3:GetObjet", resource="arn:aws:s3:::b/k", policies=ONE), "action"),
        (Request(action="s3:GetObject", resource=FUNCTION, policies=ONE), "resource"),
        (
            Request(
                action="s3:GetObject",
                resource="arn:aws:s3:::b/k",
                policies=ONE,
                context={"iam:PermissionsBoundary": BOUNDARY},
            ),
            "context",
        ),
    ],
    ids=["action", "resource", "context"],
)
def test_a_request_that_aws_does_not_know_is_no_answer(
    simulator: Simulator, asked: Request, why: str
) -> None:
    with pytest.raises(AssertionError, match=why):
        simulator.answers([asked])
