"""Spans are found once each, numbers compare across locales, and no text takes more than linear time."""

import re
from decimal import Decimal

import emoji
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text import spans
from pipeline.text.spans import Kind, Span, canonical, find_spans, invented, lost

_FRAGMENTS = [
    *("{name}", "{", "}", "{{ x }}", "%s", "%(n)d", "%", "<b>", "<a href='", "'>", "<!--", "-->", "&amp;", "<", ">"),
    *("`", "``", "```", "https://x.org/a_(b)", "www.", "me@x.org", "@", "1,234.50", "12", ".", ",", "/", ":", "h"),
    *("👩‍👩‍👧", "🇩🇪", "1️⃣", "❤️", "\u200d", "\u0301", " ", "\n", "\u00a0", "a", "é", "中", "ー", "٣", "_", '"', "'", "="),
]
texts = st.lists(st.sampled_from(_FRAGMENTS) | st.text(max_size=3), max_size=20).map("".join)


def _values(text: str, kind: Kind) -> list[str]:
    return [span.value for span in find_spans(text, {kind})]


@given(text=texts)
def test_spans_lie_in_order_and_apart(text: str) -> None:
    end = 0
    for span in find_spans(text):
        assert end <= span.start < span.end
        assert text[span.start : span.end] == span.value
        end = span.end


@given(text=texts)
def test_a_text_without_any_sign_of_a_span_has_none(text: str) -> None:
    signs = {Kind.URL: spans._URL_SIGNS, Kind.EMAIL: re.compile("@")}
    for span in find_spans(f"{text} 中 :// @"):  # which are signs of all kinds, so that all of them are looked for
        assert signs.get(span.kind, spans._SIGNS).search(span.value)


@given(text=texts, kinds=st.sets(st.sampled_from(Kind)))
def test_asking_for_some_kinds_only_leaves_the_others_out(text: str, kinds: set[Kind]) -> None:
    assert find_spans(text, kinds) == [span for span in find_spans(text) if span.kind in kinds]


@given(source=texts, output=texts)
def test_nothing_but_a_difference_is_lost_or_invented(source: str, output: str) -> None:
    assert lost(source, source) == invented(source, source) == []
    assert lost(source, output) == invented(output, source)
    balance = len(find_spans(source)) - len(find_spans(output))
    assert len(lost(source, output)) - len(invented(source, output)) == balance


@pytest.mark.parametrize(
    ("kind", "text", "values"),
    [
        (Kind.PLACEHOLDER, "{name} {0} {} {name:.2f} {x!r}", ["{name}", "{0}", "{}", "{name:.2f}", "{x!r}"]),
        (Kind.PLACEHOLDER, "{{x}} {{ user.name }} {% if x %}", ["{{x}}", "{{ user.name }}", "{% if x %}"]),
        (Kind.PLACEHOLDER, "%s %d %1$s %.2f %(name)s %(count)d", ["%s", "%d", "%1$s", "%.2f", "%(name)s", "%(count)d"]),
        (Kind.PLACEHOLDER, "${x} %{count} 共%d个 %dpx", ["${x}", "%{count}", "%d", "%d"]),
        (Kind.PLACEHOLDER, "$name $5 %% 100%% 50% discount 5%d %discount { a, b } {a b}", []),
        (Kind.TAG, "<b>x</b><br/><br />", ["<b>", "</b>", "<br/>", "<br />"]),
        (Kind.TAG, "<a href=\"https://x.org/?a=1>2\" title='t'>x", ["<a href=\"https://x.org/?a=1>2\" title='t'>"]),
        (Kind.TAG, "<input disabled> <my-tag\nid=x>", ["<input disabled>", "<my-tag\nid=x>"]),
        (Kind.TAG, "a<!-- 12\n<b> -->b<!---->", ["<!-- 12\n<b> -->", "<!---->"]),
        (Kind.TAG, "R&amp;D&nbsp;&#8203;&#x200b;", ["&amp;", "&nbsp;", "&#8203;", "&#x200b;"]),
        (Kind.TAG, "a < b and c > d, x<y and z>w, i <3 u, AT&T; <!-- open", []),
        (Kind.URL, "see https://x.org/a?b=1,2#c, or FTP://f.org.", ["https://x.org/a?b=1,2#c", "FTP://f.org"]),
        (
            Kind.URL,
            "(http://x.org) [t](http://x.org/a_(b)), (www.x.org/)",
            ["http://x.org", "http://x.org/a_(b)", "www.x.org/"],
        ),
        (
            Kind.URL,
            "<http://x.org> **http://y.org** 'http://a.b','http://c.d'",
            ["http://x.org", "http://y.org", "http://a.b", "http://c.d"],
        ),
        (
            Kind.URL,
            "访问https://x.org/路。 https://x.org에서 https://пример.рф/я",
            ["https://x.org/", "https://x.org", "https://пример.рф/я"],
        ),
        (Kind.URL, "http:// www. xhttp://y.org awww.x.org", []),
        (
            Kind.EMAIL,
            "me@x.org, a.b+c@d-e.co.uk. müller@x.de 写foo@x.cn吧",
            ["me@x.org", "a.b+c@d-e.co.uk", "müller@x.de", "foo@x.cn"],
        ),
        (
            Kind.EMAIL,
            "か\u3099info@firma.jp 中\u200cme@x.org \u200dyou@x.org",
            ["info@firma.jp", "me@x.org", "you@x.org"],
        ),
        (Kind.EMAIL, "@me x@y x@y. me@1.2", []),
        (Kind.CODE, "`x` ``a ` b`` ```\ncode\n``` two `int`s", ["`x`", "``a ` b``", "```\ncode\n```", "`int`"]),
        (Kind.CODE, "don`t and it`s; ```\nopen `a\nb", []),
        (
            Kind.NUMBER,
            "12 3.5, -7 (1,234.50) 1.234,50 1\u202f234,50",
            ["12", "3.5", "7", "1,234.50", "1.234,50", "1\u202f234,50"],
        ),
        (Kind.NUMBER, "1 234 567 2023 100 12,34,567.89 1'234", ["1 234 567", "2023", "100", "12,34,567.89", "1'234"]),
        (
            Kind.NUMBER,
            "5kg 2nd 20€ 100% 第3章 10-20 1,2,3 COVID-19 v1.2.3",
            ["5", "2", "20", "100", "3", "10", "20", "1", "2", "3", "19", "1.2.3"],
        ),
        (
            Kind.NUMBER,
            "12/05/2024 2024-05-12 14:30 14h30 1.2.3 192.168.1.1 1/2",
            ["12/05/2024", "2024-05-12", "14:30", "14h30", "1.2.3", "192.168.1.1", "1/2"],
        ),
        (Kind.NUMBER, "١٬٢٣٤٫٥ １２ १२", ["١٬٢٣٤٫٥", "１２", "१२"]),
        (Kind.NUMBER, "COVID19 mp3 H2O 1920x1080 12_000 8abcdefgh https://x.org/7 {0} &#39;", []),
        (Kind.EMOJI, "👩‍👩‍👧🇩🇪🇫🇷 👍🏽 1️⃣ ❤ ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿", ["👩‍👩‍👧", "🇩🇪", "🇫🇷", "👍🏽", "1️⃣", "❤", "❤️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]),
        (Kind.EMOJI, "© ™ # 1 * → a", []),
    ],
)
def test_what_is_a_span(kind: Kind, text: str, values: list[str]) -> None:
    assert _values(text, kind) == values


def test_every_emoji_is_one_span() -> None:
    complete = [e for e, data in emoji.EMOJI_DATA.items() if data["status"] <= emoji.STATUS["fully_qualified"]]
    assert len(complete) > 3000
    assert [e for e in complete if _values(f"a {e} b", Kind.EMOJI) != [e]] == []


def test_what_begins_first_holds_what_is_in_it() -> None:
    text = "`https://x.org` <a href='mailto:me@x.org'> {% url 'http://x.org/1' %} https://x.org/{id}/5"
    assert [span.kind for span in find_spans(text)] == [Kind.CODE, Kind.TAG, Kind.PLACEHOLDER, Kind.URL]


@pytest.mark.parametrize(
    ("number", "same"),
    [
        ("1234.5", ["1,234.50", "1.234,50", "1 234,50", "1\u202f234,5", "1'234.5", "١٬٢٣٤٫٥", "１２３４.５"]),
        ("1234", ["1,234", "1.234", "1 234", "1\u00a0234", "1,234.00", "१,२३४"]),
        ("1234567", ["1,234,567", "1.234.567", "12,34,567", "1 234 567,00"]),
        ("3.5", ["3,5", "3.50", "٣٫٥"]),
        ("0.125", ["0,125", "0,1250"]),
        ("1234.567", ["1234,567", "1.234,567", "1,234.567"]),
        ("12.5.2024", ["12/05/2024", "12.05.2024", "12-05-2024", "12/5/2024"]),
        ("2024.5.12", ["2024-05-12", "2024/05/12"]),
        ("2024.5.12.9.30.5", ["2024-05-12T09:30:05"]),
        ("9:30", ["09:30", "9h30"]),
        ("1/2", ["1/2", "١/٢"]),
        ("1.2.3", ["1.2.3"]),
        ("007", ["007"]),
    ],
)
def test_a_number_is_the_same_in_every_locale(number: str, same: list[str]) -> None:
    for value in same:
        (span,) = find_spans(value)
        assert (span.kind, span.value, canonical(span)) == (Kind.NUMBER, value, number)


@given(value=st.decimals(0, 10**9, places=2))
def test_grouping_and_decimal_separators_do_not_change_a_number(value: Decimal) -> None:
    english = f"{value:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    french = english.translate({ord(","): "\u202f", ord("."): ","})
    arabic = english.translate(str.maketrans(",.0123456789", "٬٫٠١٢٣٤٥٦٧٨٩"))
    forms = {canonical(span) for form in (english, german, french, arabic) for span in find_spans(form)}
    assert forms == {canonical(Span(Kind.NUMBER, 0, 0, f"{value:.2f}"))}


def test_a_value_is_lost_as_often_as_it_is_missing() -> None:
    source = "{name} paid 5 of 1,234.50 and 5 again, see https://x.org 🎉"
    output = "{nom} a payé 5 sur 1 234,50, voir https://x.org/ 🎉🎉"
    assert lost(source, output) == ["{name}", "5", "https://x.org"]
    assert invented(source, output) == ["{nom}", "https://x.org/", "🎉"]
    assert lost(source, output, {Kind.NUMBER}) == ["5"]
    assert invented(source, output, {Kind.NUMBER}) == []


def test_a_value_of_another_kind_does_not_make_up_for_a_loss() -> None:
    assert lost("say {name}", "say `{name}`") == ["{name}"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        *("{", "{{", "{a:", "{% ", "${", "%", "%1", "%(", "<", "<a ", '<a b="', "<a b='\"", "</a b=c ", "<!--", "<!"),
        *("`", "`` ` ", "http://a)", "http://a(", "http://a(http://b[", "www.", "a", "a@", "a.", "a@a.", "&a", "1"),
        *("1,", "1.", "1/", "1:", "1-", "10,20,", "111,", "12 345 ", "1a", "v1.", "👍\u200d", "\u0301", "🇩", " "),
    ],
)
@pytest.mark.parametrize("end", ["", "abcdefgh`-->"])
def test_no_text_takes_more_than_linear_time(unit: str, end: str) -> None:
    """A quadratic search would take minutes on these 100 kB, and the test run with it."""
    text = unit * (100_000 // len(unit)) + end
    assert all(text.startswith(span.value, span.start) for span in find_spans(text))
