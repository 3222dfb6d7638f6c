"""What may be shown: no secret of an address, no markup of a name."""

import time

import pytest

import imaginet
from imaginet_core.safe_text import escape_markdown, mask_secrets
from tests.imaginet.trees import write_tree

SECRETS = {
    "password": ("https://me:pa55word@host.org/a.zip", "pa55word", "host.org/a.zip"),
    "password with an at": ("ftp://me:p@55@host.org/a.zip", "55", "host.org/a.zip"),
    "token as user": ("https://s3cr3ttoken@host.org/a.zip", "s3cr3ttoken", "host.org/a.zip"),
    "chained": ("zip://inner/a.png::https://me:pa55word@host.org/a.zip", "pa55word", "inner/a.png"),
    "aws": (
        "https://b.s3.amazonaws.com/a?X-Amz-Credential=AKIDEXAMPLE%2F2026&X-Amz-Date=20261125&X-Amz-Signature=0123abcd", "0123abcd",
        "X-Amz-Date=20261125",
    ),
    "aws session": ("https://b.s3.amazonaws.com/a?X-Amz-Security-Token=FwoGZXIvYXdzEJr&x=1", "FwoGZXIvYXdzEJr", "x=1"),
    "google": ("https://storage.googleapis.com/b/a?GoogleAccessId=me&Expires=1&Signature=abcd%2Bef", "abcd%2Bef", "Expires=1"),
    "azure": ("https://acc.blob.core.windows.net/c/a?sv=2024&sig=Zm9vYmFy%3D&se=2026", "Zm9vYmFy", "se=2026"),
    "cloudfront": ("https://d1.cloudfront.net/a?Policy=eyJ0&Signature=xyz123&Key-Pair-Id=K12345", "K12345", "d1.cloudfront.net/a"),
    "parameter": ("https://host.org/a.zip?version=2&access_token=abc.def", "abc.def", "version=2"),
    "kaggle": ("https://host.org/a.zip?key=1234567890abcdef", "1234567890abcdef", "host.org/a.zip"),
    "fragment": ("https://host.org/a#access_token=abcdef123", "abcdef123", "host.org/a"),
    "header": ("401 for Authorization: Bearer abcdef1234567890", "abcdef1234567890", "401 for"),
    "hub": ("The token hf_AbCdEfGhIjKlMnOp is not valid", "hf_AbCdEfGhIjKlMnOp", "is not valid"),
    "github": ("git+https://ghp_0123456789abcdefghij@github.com/me/x", "ghp_0123456789abcdefghij", "github.com/me/x"),
    "storage options": ("AccountKey=Zm9vYmFyYmF6;EndpointSuffix=core", "Zm9vYmFyYmF6", "EndpointSuffix=core"),
}


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_masked_and_the_rest_stays(kind):
    text, secret, kept = SECRETS[kind]
    masked = mask_secrets(f"{text} cannot be reached; check it.")
    assert secret not in masked and "***" in masked
    assert kept in masked and masked.endswith(" cannot be reached; check it.")


@pytest.mark.parametrize("text", [
    "https://host.org/a.zip?download=1&version=2", "s3://bucket/key/with@sign/a.png", "real/monkey=1.png", "a@b.png is broken",
    "abfs://container@account.dfs.core.windows.net/a", "synthetic/SD v2.1/00012.jpg: truncated", "key: value",
])
def test_what_is_no_secret_stays(text):
    assert mask_secrets(text) == text


@pytest.mark.parametrize("text", ["a" * 10**6, "a.b-" * 250_000, "x://" * 250_000, "x://" + "a@" * 500_000, "eyJa" * 250_000, "a=" * 500_000])
def test_a_long_text_takes_no_longer_than_its_length(text):
    started = time.process_time()
    mask_secrets(text)
    assert time.process_time() - started < 10  # milliseconds where it is linear, days where it is not


@pytest.mark.parametrize("name", [
    "<script>alert(1)</script>.png", "![x](http://evil.org/a.png).png", "a|b|c.png", "**bold**_it_.png", "`code`.png", "a\nb\n# head.png",
    "[link](javascript:alert(1)).png", "www.evil.org.png", "<img src=x onerror=alert(1)>", "@everyone &lt; \\| ~~x~~", "half \udcff.png",
])
def test_a_name_has_no_markup_of_its_own(name):
    markdown = pytest.importorskip("markdown_it", reason="needs markdown-it-py")
    html = markdown.MarkdownIt("gfm-like" if _has_linkify() else "commonmark").render(f"| a |\n| --- |\n| {escape_markdown(name)} |\n")
    for tag in ("<script", "<img", "<a ", "<strong", "<em", "<code", "<h1", "<s>"):
        assert tag not in html, html
    assert html.count("<tr") <= 2 and html.count("<td") <= 1


def _has_linkify() -> bool:
    try:
        import linkify_it  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def test_no_message_of_the_look_up_shows_a_secret(raw_folder, caplog):
    location = "http://me:pa55word@127.0.0.1:9/wikiart.zip?token=abcdef123456"
    config = imaginet.ImagiNetConfig(name="all", data_dir=str(raw_folder), locations={"wikiart": location})
    with pytest.raises(OSError) as caught:
        config.raw
    shown = f"{caught.value} {caplog.text}"
    assert "127.0.0.1" in shown and "pa55word" not in shown and "abcdef123456" not in shown


@pytest.fixture
def raw_folder(tmp_path):
    return write_tree(tmp_path / "raw")
