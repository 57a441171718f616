"""The data of support replies: what a person may add to the file keeps to what the code makes of it."""

import re

from jobs.reply_data import reply_data


def test_every_sign_is_an_expression_in_lower_case_that_no_empty_text_has() -> None:
    signs = [sign for lists in reply_data().signs.values() for signs in lists.values() for sign in signs]
    for sign in signs:
        assert not re.compile(sign).search(""), sign
        assert sign == sign.casefold()


def test_every_reason_that_the_model_can_name_has_signs() -> None:
    assert set(reply_data().signs) == set(reply_data().reasons)


def test_examples_answer_what_can_be_answered() -> None:
    data = reply_data()
    known = {
        "intent": {intent.name for intent in data.intents},
        "needs_human": {"yes", "no"},
        "reason": set(data.reasons),
    }
    for shown in data.shown:
        assert shown.asks == "reply" or shown.answer in known[shown.asks]
    assert {shown.asks for shown in data.shown} == {*known, "reply"}
