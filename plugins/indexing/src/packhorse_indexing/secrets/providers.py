"""The tokens that providers give a form of their own: fixed prefixes, alphabets and lengths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Rule:
    """A form of token.

    Attributes:
        kind: what the marker calls it.
        expression: what `pattern` is made of.
        anchors: literals of 3 or 4 characters in lower case, one of which is in every such token.
        before: characters of the token before the anchor, the least and the most; -1 when the anchor begins with the
            quote before the token.
    """

    kind: str
    expression: str
    anchors: tuple[str, ...]
    before: tuple[int, int] = (0, 0)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Finds it; its first group, if it has one, is the secret. Made when it is needed: most never are."""
        return re.compile(self.expression)


# A line end written as an escape ends in a letter, which is no part of the token behind it.
_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"


def _rule(kind: str, pattern: str, anchors: str, before: int = 0, *, least: int | None = None) -> Rule:
    between = (before if least is None else least, before)
    return Rule(kind, _START + pattern, tuple(anchors.split()), between)


_BASE64_OF_JSON = "eyj"

RULES: tuple[Rule, ...] = (
    # Clouds
    _rule("aws-access-key", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])", "akia asia abia acca"),
    _rule("aws-access-key", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])", "akia asia abia acca"),
    _rule("aws-bedrock-key", r"ABSK[A-Za-z0-9+/]{100,280}={0,2}", "absk"),
    _rule("gcp-api-key", r"AIza[\w-]{35}", "aiza"),
    _rule("gcp-oauth-secret", r"GOCSPX-[\w-]{24,40}", "gocs"),
    _rule("gcp-oauth-token", r"ya29\.[\w-]{20,1024}", "ya29"),
    _rule("gcp-refresh-token", r"1//0[\w-]{40,200}", "1//0"),
    _rule("firebase-server-key", r"[A-Za-z0-9_-]{4,12}:APA91b[\w-]{100,200}", "apa9", 13, least=5),
    _rule(
        "azure-client-secret", r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}", " ".join(f"{n}q~" for n in range(10)), 3
    ),
    _rule(
        "azure-storage-key",
        r"[A-Za-z0-9+/]{76}\+A(?:St|MC|BA|CR|CD)[A-Za-z0-9+/]{4,8}={0,2}",
        "+ast +amc +aba +acr +acd",
        76,
    ),
    _rule("azure-devops-token", r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}", "azdo", 76),
    _rule("azure-sas-signature", r"sig=([A-Za-z0-9%]{40,110}(?:%3D|=)?)", "sig="),
    _rule("alibaba-access-key", r"LTAI[A-Za-z0-9]{12,26}(?![A-Za-z0-9])", "ltai"),
    _rule("tencent-secret-id", r"AKID[A-Za-z0-9]{32}(?![A-Za-z0-9])", "akid"),
    _rule(
        "yandex-key",
        r"(?:AQVN[\w-]{35,38}|YC[\w-]{38}(?![\w-])|t1\.[A-Z0-9a-z_-]{8,300}={0,2}\.[\w-]{86}={0,2})",
        "aqvn t1.",
    ),
    _rule("digitalocean-token", r"do[opr]_v1_[a-f0-9]{64}", "doo_ dop_ dor_"),
    _rule("heroku-token", r"HRKU-[\w-]{32,64}", "hrku"),
    _rule("fly-token", r"(?:fo1_[\w-]{43}|fm[12][a-z]?_[A-Za-z0-9+/]{80,500}={0,3})", "fo1_ fm1_ fm2_ fm1r fm1a"),
    _rule("cloudflare-origin-key", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}", "v1.0"),
    _rule("scaleway-access-key", r"SCW[A-Z0-9]{17}(?![A-Za-z0-9])", "scw"),
    _rule("planetscale-token", r"pscale_(?:tkn|pw|oauth)_[\w=.-]{32,64}", "psca"),
    _rule("supabase-key", r"(?:sbp_[a-f0-9]{40}|sb_secret_[\w-]{20,64})", "sbp_ sb_s"),
    _rule("netlify-token", r"nfp_[A-Za-z0-9_]{36,40}", "nfp_"),
    _rule("vercel-token", r"vc[pikar]_[A-Za-z0-9]{24,64}", "vcp_ vci_ vca_ vcr_ vck_"),
    _rule("mongodb-atlas-secret", r"mdb_sa_sk_[\w-]{40}", "mdb_"),
    # Source code and packages
    _rule("github-token", r"gh[pousr]_[A-Za-z0-9]{36,255}", "ghp_ gho_ ghu_ ghs_ ghr_"),
    _rule("github-token", r"github_pat_[A-Za-z0-9_]{36,255}", "gith"),
    _rule(
        "gitlab-token",
        r"gl(?:pat|dt|rt|rtr|ft|soat|imt|agent|ptt|cbt|oas|ffct|wt)-[\w.=-]{20,300}",
        "glpa gldt glrt glft glso glim glag glpt glcb gloa glff glwt",
    ),
    _rule("gitlab-token", r"GR1348941[\w-]{20}", "gr13"),
    _rule("bitbucket-token", r"AT(?:BB|CTT3xFfG)[A-Za-z0-9_=-]{24,220}", "atbb atct"),
    _rule("atlassian-token", r"ATATT3[A-Za-z0-9_=-]{50,250}", "atat"),
    _rule("npm-token", r"npm_[A-Za-z0-9]{36}", "npm_"),
    _rule("pypi-token", r"pypi-[\w-]{50,500}", "pypi"),
    _rule("rubygems-token", r"rubygems_[a-f0-9]{48}", "ygem", 3),
    _rule("clojars-token", r"CLOJARS_[a-z0-9]{60}", "cloj"),
    _rule("docker-token", r"dckr_[po]at_[\w-]{27,40}", "dckr"),
    _rule("jfrog-token", r"(?:AKCp[A-Za-z0-9]{69}|cmVmdGtu[A-Za-z0-9]{56})", "akcp cmvm"),
    _rule("sourcegraph-token", r"sg[ps]_(?:[a-f0-9]{16}_|local_)?[a-fA-F0-9]{40}", "sgp_ sgs_"),
    _rule("sonar-token", r"sq[pua]_[a-z0-9]{40}", "sqp_ squ_ sqa_"),
    _rule("snyk-token", r"snyk_(?:uat|sat)\.[a-z0-9]{8}\.[\w.-]{20,200}", "snyk"),
    _rule("codecov-token", r"codecov_[a-f0-9]{32,40}", "cov_", 4),
    # Chat and mail
    _rule(
        "slack-token",
        r"xox[abeoprscd]-(?:[A-Za-z0-9]{1,60}+-){0,5}[A-Za-z0-9]{10,200}",
        "xoxa xoxb xoxe xoxo xoxp xoxr xoxs xoxc xoxd",
    ),
    _rule("slack-token", r"(?:xapp|xoxe\.xox[bp])-\d-[A-Za-z0-9-]{20,250}", "xapp xoxe"),
    _rule("slack-webhook", r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9+/]{20,80})", "slac", 6),
    _rule(
        "teams-webhook",
        r"webhook\.office\.com/webhookb2/([A-Za-z0-9@-]{36,90}/IncomingWebhook/[a-z0-9]{32}/[a-f0-9-]{36})",
        "webh",
    ),
    _rule("discord-webhook", r"discord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/(\d{15,22}/[\w-]{50,100})", "disc"),
    _rule("discord-token", r"mfa\.[\w-]{84}", "mfa."),
    _rule("telegram-token", r"\d{7,11}:AA[\w-]{32,34}(?![\w-])", ":aa", 11, least=7),
    _rule("sendgrid-key", r"SG\.[\w-]{16,32}\.[\w-]{32,64}", "sg."),
    _rule("mailgun-key", r"key-[a-f0-9]{32}(?![A-Za-z0-9])", "key-"),
    _rule("mailchimp-key", r"[a-f0-9]{32}-us\d{1,2}(?!\d)", " ".join(f"-us{n}" for n in range(1, 10)), 32),
    _rule("brevo-key", r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}", "xkey"),
    _rule("resend-key", r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}(?![A-Za-z0-9])", "re_"),
    _rule("twilio-key", r"SK[0-9a-f]{32}(?![A-Za-z0-9])", " ".join(f"sk{n}" for n in "0123456789abcdef")),
    # Payments and shops
    _rule("stripe-key", r"(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,250}", "sk_l sk_t sk_p rk_l rk_t rk_p"),
    _rule("stripe-webhook-secret", r"whsec_[A-Za-z0-9+/]{24,100}={0,2}", "whse"),
    _rule("square-token", r"(?:sq0[a-z]{3}-[\w-]{22,50}|EAAA[\w-]{60,64}(?![\w-]))", "sq0a sq0c sq0i eaaa"),
    _rule("shopify-token", r"shp(?:at|ca|pa|ss|ua)_[a-fA-F0-9]{32}", "shpa shpc shpp shps shpu"),
    _rule("braintree-token", r"access_token\$(?:production|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32}", "ken$", 9),
    _rule("plaid-token", r"access-(?:sandbox|development|production)-[a-f0-9-]{36}", "s-sa s-de s-pr", 5),
    _rule("flutterwave-key", r"FLWSECK[_-](?:TEST-)?[A-Za-z0-9-]{12,50}", "flws"),
    _rule("razorpay-key", r"rzp_(?:live|test)_[A-Za-z0-9]{14,32}", "rzp_"),
    _rule("easypost-key", r"EZ[AT]K[A-Za-z0-9]{54}", "ezak eztk"),
    _rule("shippo-token", r"shippo_(?:live|test)_[a-fA-F0-9]{40}", "ippo", 2),
    _rule(
        "facebook-token", r"EAA[A-Z][A-Za-z0-9]{80,300}", "eaac eaai eaag eaam eaab eaad eaaf eaae eaah eaaj eaak eaal"
    ),
    # Models
    _rule("anthropic-key", r"sk-ant-[\w-]{20,200}", "sk-a"),
    _rule("openai-key", r"sk-(?:proj|svcacct|admin|None|live|or-v1)-[\w-]{20,250}", "sk-p sk-s sk-a sk-n sk-l sk-o"),
    _rule("openai-key", r"sk-[A-Za-z0-9]{20,100}(?![\w-])", "sk-"),
    _rule("huggingface-token", r"(?:hf_|api_org_)[A-Za-z0-9]{30,40}(?![A-Za-z0-9])", "hf_ api_"),
    _rule("groq-key", r"gsk_[A-Za-z0-9]{48,60}", "gsk_"),
    _rule("replicate-token", r"r8_[A-Za-z0-9]{36,40}(?![A-Za-z0-9])", "r8_"),
    _rule("perplexity-key", r"pplx-[A-Za-z0-9]{40,64}", "pplx"),
    _rule("xai-key", r"xai-[A-Za-z0-9]{70,90}", "xai-"),
    _rule("nvidia-key", r"nvapi-[\w-]{50,80}", "nvap"),
    _rule("langchain-key", r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}", "lsv2"),
    _rule("pinecone-key", r"pcsk_[A-Za-z0-9_]{40,90}", "pcsk"),
    # Operations
    _rule("vault-token", r"hv[sbr]\.[\w-]{24,250}", "hvs. hvb. hvr."),
    _rule("terraform-token", r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}", "atla", 15),
    _rule("databricks-token", r"dapi[a-f0-9]{32}(?:-\d)?(?![A-Za-z0-9])", "dapi"),
    _rule("grafana-token", r"gl(?:sa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|c_[A-Za-z0-9+/]{32,400}={0,2})", "glsa glc_"),
    _rule("newrelic-key", r"NR(?:AK|JS|AL|II|IQ|RA)-[A-Za-z0-9_-]{19,42}", "nrak nrjs nral nrii nriq nrra"),
    _rule("dynatrace-token", r"dt0[a-z]\d{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}", "dt0c dt0s"),
    _rule("sentry-token", r"sntry[su]_[A-Za-z0-9+/=_-]{40,400}", "sntr"),
    _rule("pulumi-token", r"pul-[a-f0-9]{40}", "pul-"),
    _rule(
        "doppler-token",
        r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}",
        "dp.p dp.s dp.c dp.a",
    ),
    _rule(
        "infisical-token",
        r"st\.[a-f0-9]{24}\.[a-f0-9]{32}\.[a-f0-9]{32}",
        " ".join(f"st.{n}" for n in "0123456789abcdef"),
    ),
    _rule("tailscale-key", r"tskey-(?:[a-z]{3,10}-)?[A-Za-z0-9]{6,24}-[A-Za-z0-9]{16,48}", "tske"),
    _rule("buildkite-token", r"bkua_[a-z0-9]{40}", "bkua"),
    _rule("circleci-token", r"CCIPAT_[A-Za-z0-9_]{40,80}", "ccip"),
    _rule(
        "launchdarkly-key",
        r"(?:sdk|api|mob)-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}",
        "sdk- api- mob-",
    ),
    _rule("harness-token", r"(?:pat|sat)\.[\w-]{22}\.[a-f0-9]{24}\.[A-Za-z0-9]{20}", "pat. sat."),
    _rule("octopus-key", r"API-[A-Z0-9]{26}(?![A-Za-z0-9])", "api-"),
    _rule("prefect-key", r"pn[ub]_[A-Za-z0-9]{36}", "pnu_ pnb_"),
    _rule("onepassword-token", r"ops_eyJ[A-Za-z0-9+/]{100,2000}={0,3}", "ops_"),
    _rule(
        "onepassword-key",
        r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}",
        "a3-",
    ),
    _rule("age-key", r"AGE-(?:SECRET-KEY|PLUGIN-[A-Z0-9]{1,20})-1[A-Z0-9]{58}", "age-"),
    _rule("crates-token", r"cio[A-Za-z0-9]{32}(?![A-Za-z0-9])", "\"cio 'cio", -1),
    _rule("nuget-key", r"oy2[a-z0-9]{43}(?![A-Za-z0-9])", "\"oy2 'oy2", -1),
    # Services
    _rule("linear-key", r"lin_(?:api|oauth)_[A-Za-z0-9]{40,64}", "lin_"),
    _rule("notion-token", r"(?:ntn_[A-Za-z0-9]{40,50}|secret_[A-Za-z0-9]{43})(?![A-Za-z0-9])", "ntn_ secr"),
    _rule("figma-token", r"figd_[\w-]{38,44}", "figd"),
    _rule("postman-key", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}", "pmak"),
    _rule("readme-key", r"rdme_[a-z0-9]{70}", "rdme"),
    _rule("typeform-token", r"tfp_[\w.=-]{44,59}", "tfp_"),
    _rule("adafruit-key", r"aio_[A-Za-z0-9]{28}(?![A-Za-z0-9])", "aio_"),
    _rule("apify-token", r"apify_api_[A-Za-z0-9]{34,40}", "apif"),
    _rule("contentful-token", r"CFPAT-[\w-]{43}", "cfpa"),
    _rule("mapbox-secret", r"sk\.eyJ[A-Za-z0-9_-]{50,100}\.[A-Za-z0-9_-]{20,30}", "sk.e"),
    _rule("dropbox-token", r"sl\.(?:[A-Z]\.)?[\w=-]{130,1300}", "sl."),
    _rule("twitter-bearer", r"A{20,30}[A-Za-z0-9%]{60,110}", "aaaa"),
    _rule("adobe-secret", r"p8e-[A-Za-z0-9]{32}(?![A-Za-z0-9])", "p8e-"),
    _rule("frameio-token", r"fio-u-[\w=-]{64}", "fio-"),
    _rule("hubspot-token", r"pat-(?:na|eu)\d-[a-f0-9]{8}-[a-f0-9-]{27}", "pat-"),
    _rule("json-web-token", r"eyJ[\w-]{10,400}+\.eyJ[\w-]{10,8000}+\.[\w-]{10,2000}", _BASE64_OF_JSON),
    _rule(
        "json-web-token",
        r"eyJ[\w-]{10,400}+\.[\w-]{0,2000}+\.[\w-]{10,200}+\.[\w-]{10,8000}+\.[\w-]{10,200}",
        _BASE64_OF_JSON,
    ),
)

RULES_OF_RUNS: tuple[Rule, ...] = (
    # It begins with the digits of an account's number in base64.
    _rule("discord-token", r"[MNO][DTjz][AEIMQUYcgk][w-z0-5][A-Za-z0-9]{20,24}\.[\w-]{6}\.[\w-]{27,40}", ""),
    _rule("crates-token", r"cio[A-Za-z0-9]{32}(?![A-Za-z0-9])", ""),
    _rule("nuget-key", r"oy2[a-z0-9]{43}(?![A-Za-z0-9])", ""),
    _rule("airtable-token", r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}(?![A-Za-z0-9])", "", 18),
    _rule("mailgun-key", r"[a-f0-9]{32}-[a-f0-9]{8}-[a-f0-9]{8}(?![A-Za-z0-9-])", ""),
)
"""Forms without a literal that is rare enough to look for: found at a run of `LONG_RUN` letters and digits.

`before` is counted from the beginning of the run backwards.
"""

LONG_RUN = 24
"""Letters and digits in a row of which the texts of people have few."""
