"""Prompts keep constants and row text apart, and fingerprints tell requests apart exactly when they differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decoding import Choice, FreeText
from pipeline.errors import UsageError
from pipeline.fingerprints import HEAD_BYTES, fingerprint
from pipeline.prompts import BLOCK_TOKENS, Bare, Border, Chat, Message, Pad, Segment, Text, readable
from pipeline.recipe import Recipe
from pipeline.rendering import PromptRenderer
from pipeline.tokens import BytesTokenizer, encode_all

TEXT = FreeText(10)

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_segments = st.lists(_texts | _texts.map(Text) | _texts.map(Border), max_size=4).map(tuple)


def _template(messages, thinking):
    return "<s>" + "".join(f"<{m['role']}>{m['content']}</>" for m in messages) + "<assistant>"


@given(one=_segments, other=_segments)
def test_fingerprints_are_equal_exactly_for_equal_segments(
    one: tuple[Segment, ...], other: tuple[Segment, ...]
) -> None:
    assert (fingerprint("r", one, TEXT) == fingerprint("r", other, TEXT)) == (one == other)


def test_fingerprints_depend_on_the_recipe_and_on_where_a_text_begins() -> None:
    assert fingerprint("a", ("x",), TEXT) != fingerprint("b", ("x",), TEXT)
    assert fingerprint("a", ("xy", Text("z")), TEXT) != fingerprint("a", ("x", Text("yz")), TEXT)
    assert fingerprint("a", ("x",), TEXT) != fingerprint("a", (Text("x"),), TEXT)
    assert fingerprint("a", ("x",), TEXT) != fingerprint("a", ("x",), FreeText(11))
    assert fingerprint("a", ("x",), TEXT) != fingerprint("a", ("x",), Choice(("x",), ("x",)))


def test_questions_about_one_text_share_the_head_of_their_fingerprints() -> None:
    about = [fingerprint("a", ("Review:", Text("fine"), end), TEXT) for end in ("price?", "size?")]
    other = fingerprint("a", ("Review:", Text("good"), "price?"), TEXT)
    assert about[0] != about[1]
    assert about[0][:HEAD_BYTES] == about[1][:HEAD_BYTES] != other[:HEAD_BYTES]


@given(text=_texts, system=_texts)
def test_row_text_comes_through_a_template_untouched(text: str, system: str) -> None:
    chat = Chat((Message("system", (system,)), Message("user", ("Q: ", Text(text)))))
    rendered = PromptRenderer(_template).render(chat)
    assert [s for s in rendered if isinstance(s, Text)] == [Text(text)]
    assert readable(rendered) == f"<s><system>{system}</><user>Q: {text}</><assistant>"


def test_the_template_runs_once_per_shape_not_per_row() -> None:
    calls = []

    def counting(messages, thinking):
        calls.append(1)
        return _template(messages, thinking)

    renderer = PromptRenderer(counting)
    for i in range(50):
        renderer.render(Chat((Message("user", (Text(f"row {i}"),)),)))
    assert len(calls) == 1


def test_a_model_without_chat_template_says_so() -> None:
    with pytest.raises(UsageError, match="no chat template"):
        PromptRenderer(None).render(Chat((Message("user", (Text("x"),)),)))
    assert PromptRenderer(None).render(Bare(("a", Text("b")))) == ("a", Text("b"))


def test_a_template_that_loses_text_is_refused() -> None:
    with pytest.raises(UsageError, match="does not keep"):
        PromptRenderer(lambda messages, thinking: "always the same").render(Chat((Message("user", (Text("x"),)),)))


def _recipe(**changes):
    values = {
        "task": "t",
        "task_version": 1,
        "questions": {"answer": {"prompt": "p", "decoding": {"kind": "choice"}}},
        "model": "m",
        "model_digest": "d",
        "revision": None,
        "engine": {"name": "scripted"},
        "context_tokens": 4096,
    }
    return Recipe(**{**values, **changes})


@pytest.mark.parametrize(
    "change",
    [
        {"task": "u"},
        {"task_version": 2},
        {"questions": {"answer": {"prompt": "q", "decoding": {"kind": "choice"}}}},
        {"questions": {"answer": {"prompt": "p", "decoding": {"kind": "json"}}}},
        {"model_digest": "e"},
        {"revision": "main"},
        {"engine": {"name": "vllm"}},
        {"context_tokens": 2048},
    ],
)
def test_every_part_of_a_recipe_changes_its_digest(change: dict[str, object]) -> None:
    assert _recipe(**change).digest() != _recipe().digest()


def test_the_same_weights_under_another_name_are_the_same_recipe() -> None:
    assert _recipe(model="alias").digest() == _recipe().digest()
    assert _recipe(model="alias").scope() == _recipe().scope()


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"questions": {}}, True),
        ({"context_tokens": 1}, True),
        ({"task_version": 2}, False),
        ({"model_digest": "e"}, False),
        ({"engine": {"name": "vllm"}}, False),
    ],
)
def test_the_store_is_shared_by_all_prompts_of_a_task_and_a_model(change: dict[str, object], same: bool) -> None:
    assert (_recipe(**change).scope() == _recipe().scope()) == same


@given(before=_texts, text=_texts, border=_texts, after=_texts)
def test_a_border_ends_a_whole_number_of_blocks_and_costs_less_than_one(
    before: str, text: str, border: str, after: str
) -> None:
    encoder = BytesTokenizer()
    ids = encode_all(encoder, (before, Text(text), Border(border), after))
    shared = len(ids) - len(after.encode())
    assert shared % BLOCK_TOKENS == 0
    assert bytes(ids[:shared]).replace(b"\n", b"") == (before + text + border).encode().replace(b"\n", b"")
    assert shared - len((before + text + border).encode()) < BLOCK_TOKENS


def test_a_tokenizer_that_splits_line_breaks_fills_nothing() -> None:
    class Splitting(BytesTokenizer):
        def encode(self, segment: Segment) -> list[int]:
            return [0, *super().encode(segment)]

    assert len(encode_all(Splitting(), ("a", Border("b")))) == 4


def test_a_border_comes_through_a_template_and_is_part_of_the_head() -> None:
    chat = Chat((Message("user", ("Q:", Text("fine"), Border("\nAspect:"), " price")),))
    rendered = PromptRenderer(_template).render(chat)
    assert [s for s in rendered if not isinstance(s, str)] == [Text("fine"), Border("\nAspect:")]
    assert readable(rendered) == "<s><user>Q:fine\nAspect: price</><assistant>"
    other = PromptRenderer(_template).render(Chat((Message("user", ("Q:", Text("fine"), Border("\nA:"), "x")),)))
    heads = {fingerprint("a", segments, TEXT)[:HEAD_BYTES] for segments in (rendered, (*rendered[:-1], "?"), other)}
    assert len(heads) == 2


def _chat(rules: str, *content: Segment) -> Chat:
    turns = (Message("user", ("Is it good?",)), Message("assistant", ("yes",)))
    return Chat((Message("system", (rules,)), *turns, Message("user", content)))


@given(
    rules=st.text(st.characters(codec="ascii", exclude_characters="\n"), max_size=80),
    texts=st.lists(_texts, max_size=3),
)
def test_the_constants_before_a_rows_text_are_whole_blocks_and_the_same_for_all_rows(
    rules: str, texts: list[str]
) -> None:
    renderer, encoder = PromptRenderer(_template), BytesTokenizer()
    prompts = [encode_all(encoder, renderer.render(_chat(rules, Text(text), "?"))) for text in (*texts, "other")]
    end = "?</><assistant>"
    starts = {
        bytes(ids[: len(ids) - len((text + end).encode())])
        for ids, text in zip(prompts, (*texts, "other"), strict=True)
    }
    assert len(starts) == 1
    (start,) = starts
    assert len(start) % BLOCK_TOKENS == 0
    assert start.replace(b"\n", b"") == f"<s><system>{rules}</><user>Is it good?</><assistant>yes</><user>".encode()
    assert start.count(b"\n") < BLOCK_TOKENS


@pytest.mark.parametrize(
    "chat",
    [
        _chat("rules", Border("Text:"), Text("a")),
        Chat((Message("user", ("Q:", Text("a"))),)),
        Chat((Message("system", ("rules", Text("a complaint"))), Message("user", (Text("a"),)))),
    ],
    ids=["a border stands for it", "no rules", "rules that are not constant"],
)
def test_nothing_is_padded_where_there_is_no_place_for_it(chat: Chat) -> None:
    assert Pad() not in PromptRenderer(_template).render(chat)


def test_a_pad_is_part_of_the_fingerprint_and_not_of_what_people_read() -> None:
    rendered = PromptRenderer(_template).render(_chat("rules", Text("a")))
    bare = tuple(segment for segment in rendered if not isinstance(segment, Pad))
    assert len(rendered) == len(bare) + 1
    assert readable(rendered) == readable(bare)
    assert fingerprint("a", rendered, TEXT) != fingerprint("a", bare, TEXT)
