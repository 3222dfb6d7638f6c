"""Text that may be shown or published: secrets in addresses masked, names of files and folders escaped for Markdown and HTML."""

import re

MASK = "***"
_USER = re.compile(r"(?<![\w+.-])(?P<scheme>[A-Za-z][\w+.-]*+)://(?P<user>[^/\s?#'\"<>@]++(?:@[^/\s?#'\"<>@]++)*?)@(?=[^/\s?#'\"<>@]*+(?:[/\s?#'\"<>]|$))")
_PARAMETER = re.compile(r"(?<![\w.%-])(?P<name>[\w.%-]++)=(?P<value>[^&;#\s\"'<>,)\]}]++)")
"""Each name is tried once from its beginning, so that a long text takes no longer than its length."""
_SECRET_NAME = re.compile(
    r"token|secret|passw(?:or)?d|passphrase|pwd|signature|credential|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|security"
    r"|session[_-]?id|key[_-]?pair[_-]?id|accessid|authorization|^(?:sig|sas|auth|key|pass|pw|policy)$",
    re.IGNORECASE,
)
_HEADER = re.compile(r"\b(?P<kind>Bearer|Basic|Token)\s+[A-Za-z0-9._~+/=-]{8,}")
_TOKEN = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{8,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|(?:AKIA|ASIA)[0-9A-Z]{16}|sk-[A-Za-z0-9_-]{16,}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}|AIza[\w-]{30,}|eyJ[\w-]{8,}+\.[\w-]{8,}+\.[\w-]*+)"
)
_NOT_SECRET = ("abfs", "abfss", "wasb", "wasbs", "sftp", "ssh")
"""Schemes in which what stands alone before the "@" is a container or a user's name."""


def mask_secrets(text: str) -> str:
    """``text`` with "***" in place of what lets others in, for every message, log, card and report that may hold an address.

    Masked are: ``user:password@`` of any scheme (and ``token@`` where it can only be one); values of parameters that are named
    like a token, key, password, credential or signature (S3's and Google's ``X-…-Signature``, Azure's ``sig``, CloudFront's
    ``Policy`` …); values of ``Authorization`` headers; and strings that are tokens by their form (Hugging Face, GitHub, AWS,
    Google, JWT).
    """
    text = _USER.sub(_mask_user, str(text))
    text = _HEADER.sub(lambda found: f"{found['kind']} {MASK}", text)
    text = _PARAMETER.sub(lambda found: f"{found['name']}={MASK}" if _SECRET_NAME.search(found["name"]) else found[0], text)
    return _TOKEN.sub(MASK, text)


def _mask_user(found: re.Match) -> str:
    if found["scheme"].lower() in _NOT_SECRET and ":" not in found["user"]:
        return found[0]
    return f"{found['scheme']}://{MASK}@"


def escape_markdown(text: str) -> str:
    """``text`` as it is read, in a line or a table's cell of Markdown: no markup, HTML, link or line break of its own takes effect.

    CommonMark, https://spec.commonmark.org/0.31.2/#backslash-escapes, and the autolinks of GitHub's dialect.
    """
    text = " ".join(str(text).split()) if re.search(r"[\r\n\t\v\f\x85\u2028\u2029]", str(text)) else str(text)
    text = text.encode("utf-8", "replace").decode("utf-8")  # names that are no UTF-8 hold halves of characters
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_\[\]|~])", r"\\\1", text)
    text = text.replace("://", "&#58;//").replace("@", "&#64;")
    return re.sub(r"(?i)\bwww\.", "www&#46;", text)
