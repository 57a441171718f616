"""Conversations: every shape of one is read or refused."""

import pytest

from jobs.conversations import Conversation, Turn
from jobs.tasks.reply import Reply, ReplyOptions
from pipeline.elements import Row, RowRef
from pipeline.errors import RowError
from pipeline.validation import validate_row
from schemas.envelope import ErrorClass


def _read(messages: object) -> Conversation:
    value = messages.encode() if isinstance(messages, str) else messages
    return validate_row(Reply(ReplyOptions(), "chat"), Row(RowRef(0, 0), {"messages": value}))


def _turn(role: str, text: object) -> dict:
    return {"role": role, "text": text}


@pytest.mark.parametrize(
    ("given", "turns"),
    [
        ("Where is it?", [("customer", "Where is it?")]),
        ("[unreadable] it broke", [("customer", "[unreadable] it broke")]),
        ("[" * 100_000, [("customer", "[" * 100_000)]),
        ('{"role": "customer"}', [("customer", '{"role": "customer"}')]),
        (["Hello?", None, " ", "Where is it?"], None),
        (["Hello?", " ", "Where is it?"], [("customer", "Hello?"), ("customer", "Where is it?")]),
        (
            [_turn("user", "Hi"), _turn("Assistant", "Hello"), {"role": "CLIENT", "content": "Bye", "at": 3}],
            [("customer", "Hi"), ("agent", "Hello"), ("customer", "Bye")],
        ),
        ('[{"role": "customer", "content": "Hi"}, "there"]', [("customer", "Hi"), ("customer", "there")]),
        ('["half an emoji: \\ud83d"]', [("customer", "half an emoji: ?")]),
        ([_turn("system", "You are a bot."), _turn("customer", "Hi"), _turn("agent", None)], [("customer", "Hi")]),
        ([_turn("robot", "Hi")], None),
        ([{"text": "Hi"}], None),
        ([_turn("customer", 7)], None),
        ([["Hi"]], None),
        ([7], None),
        (7, None),
        ({"role": "customer", "text": "Hi"}, None),
    ],
)
def test_every_shape_of_a_conversation_is_read_or_refused(given, turns) -> None:
    if turns is None:
        with pytest.raises(RowError) as caught:
            _read(given)
        assert caught.value.error_class == ErrorClass.INVALID_ROW
    else:
        record = _read(given)
        assert record == Conversation(messages=tuple(Turn(role=role, text=text) for role, text in turns))


@pytest.mark.parametrize("given", [[], "[]", [" "], [_turn("agent", "Hello?")], [_turn("customer", None)], " "])
def test_a_conversation_without_a_customer_is_empty(given) -> None:
    with pytest.raises(RowError) as caught:
        _read(given)
    assert caught.value.error_class == ErrorClass.EMPTY_TEXT
