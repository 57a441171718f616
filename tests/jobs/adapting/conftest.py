"""Models small enough to train in a test: two layers of noise, and a tokenizer that knows a few words."""

import shutil
from pathlib import Path

import pytest

WORDS = {"positive": "lovely good fine", "negative": "bad broken awful", "neutral": "box table paper"}
_TEMPLATE = (
    "{% for message in messages %}<start>{{ message['role'] }}\n{{ message['content'] }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<start>assistant\n{% endif %}"
)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder without a chat template."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("peft")
    tokenizers = pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<end>", "<stop>", "<start>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([f" {name} {words}" for name, words in WORDS.items()] * 50, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.LlamaConfig(
        vocab_size=400, num_key_value_heads=2, max_position_embeddings=4096, eos_token_id=[1, 0], **sizes
    )
    transformers.set_seed(0)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_chat(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a chat template, which ends turns with the second of the two tokens that end a text.

    It can be sure of a token: noise as small as that of new weights says nothing, whatever the layers below learn.
    """
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("chat") / "tiny"
    shutil.copytree(tiny, folder)
    model = transformers.LlamaForCausalLM.from_pretrained(folder)
    model.lm_head.weight.data.mul_(20)
    model.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(_TEMPLATE, encoding="utf-8")
    return folder
